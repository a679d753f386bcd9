import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { healthyAnswers, sendJson } from './answers.ts'
import { answersMalformed, answersSlowly, closesEarly, closesMidBody } from './faulty-answers.ts'
import { goodLeaf, type LabPki, type Served, servedBy } from './lab-pki.ts'
import type { ScenarioName } from './scenarios.ts'

/** How the backend of a scenario is built. */
export type Recipe =
  | {
      readonly kind: 'https'
      serves(pki: LabPki, scenario: ScenarioName): Promise<Served>
      tls(pki: LabPki): TlsOptions
      readonly answers: RequestListener
    }
  | { readonly kind: 'http'; readonly answers: RequestListener }
  | { readonly kind: 'mute'; readonly onBytes: (socket: Socket) => void }
  | { readonly kind: 'closed-port' }
  | { readonly kind: 'full-backlog' }
  | { readonly kind: 'no-such-host' }

export interface RecipeOptions {
  /** How long the `slow` backend waits before it answers. */
  readonly slowMs: number
}

/** Only what differs from a healthy backend is stated: one fault each. */
export function recipeOf(scenario: ScenarioName, options: RecipeOptions): Recipe {
  switch (scenario) {
    case 'ok':
      return https({})
    case 'ok-rsa':
    case 'missing-root':
    case 'missing-root-served':
    case 'missing-intermediate':
    case 'wrong-order':
    case 'name-mismatch':
    case 'no-san':
    case 'expired':
    case 'expired-intermediate':
    case 'not-yet-valid':
    case 'self-signed':
    case 'wrong-purpose':
      return https({ serves: servedBy[scenario] })
    case 'client-certificate-required':
      return https({ tls: (pki) => ({ ...asksForCertificate(pki), minVersion: 'TLSv1.3' }) })
    case 'client-certificate-required-tls12':
      return https({ tls: (pki) => ({ ...asksForCertificate(pki), maxVersion: 'TLSv1.2' }) })
    case 'plain-http':
      return { kind: 'http', answers: healthyAnswers(scenario) }
    case 'refused':
      return { kind: 'closed-port' }
    case 'handshake-timeout':
      return { kind: 'mute', onBytes: () => {} }
    case 'handshake-closed':
      return { kind: 'mute', onBytes: (socket) => socket.end() }
    case 'old-tls':
      // OpenSSL 3 counts these versions as below security level 1, whatever the certificate.
      return https({ tls: () => ({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }) })
    case 'no-shared-cipher':
      return https({ tls: () => ({ minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_CCM_SHA256' }) })
    case 'slow':
      return https({ answers: answersSlowly(options.slowMs) })
    case 'closes-early':
      return https({ answers: closesEarly })
    case 'closes-mid-body':
      return https({ answers: closesMidBody })
    case 'malformed-response':
      return https({ answers: answersMalformed })
    case 'not-found':
      return https({
        answers(request, response) {
          request.resume()
          sendJson(response, 404, { error: 'the backend of the lab has nothing here', url: request.url })
        },
      })
    case 'connect-timeout':
      return { kind: 'full-backlog' }
    case 'dns-failure':
      return { kind: 'no-such-host' }
    default:
      return scenario satisfies never
  }

  function https(differs: Partial<Extract<Recipe, { kind: 'https' }>>): Recipe {
    return { kind: 'https', serves: goodLeaf, tls: () => ({}), answers: healthyAnswers(scenario), ...differs }
  }
}

function asksForCertificate(pki: LabPki): TlsOptions {
  return { requestCert: true, rejectUnauthorized: true, ca: pki.clientRoot.certificatePem }
}
