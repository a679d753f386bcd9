import type { RequestListener } from 'node:http'
import type { TlsOptions } from 'node:tls'
import type { Identity } from '../pki/make.ts'
import { healthyAnswers, sendJson } from './answers.ts'
import { answersMalformed, answersSlowly, closesEarly, closesMidBody } from './faulty-answers.ts'
import { goodLeaf, type LabPki, type Serving } from './lab-pki.ts'
import { asksForCertificate, handshakeRecipes } from './recipes-handshake.ts'
import { malformedRecipes } from './recipes-malformed.ts'
import { ocspResponse } from './ocsp-response.ts'
import type { FirstScenarioName, ScenarioName } from './scenarios.ts'
import { acceptedServings } from './serve-accepted.ts'
import { chainServings } from './serve-chain.ts'
import { firstServings } from './serve-first.ts'
import { revocationServings } from './serve-revocation.ts'
import type { RawBehaviour } from './servers.ts'

/** How the backend of a scenario is built. */
export type Recipe =
  | ({ readonly kind: 'https' } & HttpsRecipe)
  | { readonly kind: 'http'; readonly answers: RequestListener }
  | ({ readonly kind: 'raw' } & RawRecipe)
  | { readonly kind: 'closed-port' }
  | { readonly kind: 'full-backlog' }
  | { readonly kind: 'no-such-host' }

export interface HttpsRecipe {
  readonly serves: Serving
  tls(pki: LabPki): TlsOptions
  readonly answers: RequestListener
  /** The identity that the gateway's target shows to it. */
  readonly client?: (pki: LabPki) => Promise<Identity>
  /** DER of the OCSP response to staple. */
  readonly staple?: (pki: LabPki, leaf: Buffer) => Buffer
}

/** A backend that puts single messages on the wire. */
export interface RawRecipe {
  behaves(pki: LabPki, scenario: string): Promise<RawBehaviour & { readonly servedPem?: string }>
}

export interface RecipeOptions {
  /** How long the `slow` backend waits before it answers. */
  readonly slowMs: number
}

/** Only what differs from a healthy backend is stated: one fault each. */
export function recipeOf(scenario: ScenarioName, options: RecipeOptions): Recipe {
  if (has(malformedRecipes, scenario)) return { kind: 'raw', ...malformedRecipes[scenario] }
  if (has(handshakeRecipes, scenario)) {
    const recipe = handshakeRecipes[scenario]
    return 'behaves' in recipe ? { kind: 'raw', ...recipe } : healthyBut(scenario, recipe)
  }
  if (has(chainServings, scenario)) return healthyBut(scenario, { serves: chainServings[scenario], ...tlsOf(scenario) })
  if (has(acceptedServings, scenario)) {
    return healthyBut(scenario, { serves: acceptedServings[scenario], ...tlsOf(scenario), ...stapleOf(scenario) })
  }
  if (has(revocationServings, scenario)) {
    return healthyBut(scenario, { serves: revocationServings[scenario], ...tlsOf(scenario), ...stapleOf(scenario) })
  }
  return firstRecipe(scenario, options)
}

function firstRecipe(scenario: FirstScenarioName, options: RecipeOptions): Recipe {
  const https = (differs: Partial<HttpsRecipe>): Recipe => healthyBut(scenario, differs)
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
      return https({ serves: firstServings[scenario] })
    case 'client-certificate-required':
      return https({ tls: (pki) => ({ ...asksForCertificate(pki), minVersion: 'TLSv1.3' }) })
    case 'client-certificate-required-tls12':
      return https({ tls: (pki) => ({ ...asksForCertificate(pki), maxVersion: 'TLSv1.2' }) })
    case 'plain-http':
      return { kind: 'http', answers: healthyAnswers(scenario) }
    case 'refused':
      return { kind: 'closed-port' }
    case 'handshake-timeout':
      return { kind: 'raw', behaves: async () => ({}) }
    case 'handshake-closed':
      return { kind: 'raw', behaves: async () => ({ onBytes: (socket) => socket.end() }) }
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
}

function healthyBut(scenario: ScenarioName, differs: Partial<HttpsRecipe>): Recipe {
  return { kind: 'https', serves: goodLeaf, tls: () => ({}), answers: healthyAnswers(scenario), ...differs }
}

/** How a certificate is served, where its name or its oddity asks for something. */
function tlsOf(scenario: ScenarioName): { tls: HttpsRecipe['tls'] } {
  return {
    tls: () => ({
      ...(scenario.endsWith('-tls12') ? { maxVersion: 'TLSv1.2' } : {}),
      ...(scenario === 'ok-tls13' ? { minVersion: 'TLSv1.3' } : {}),
      // Offered by clients, and not among the groups whose key share they send along.
      ...(scenario === 'ok-hello-retry' ? { ecdhCurve: 'P-384', minVersion: 'TLSv1.3' } : {}),
      // The runtime's servers staple nothing after a HelloRetryRequest, which the groups they like best would cause.
      ...(scenario in staples ? { ecdhCurve: 'X25519' } : {}),
      // Below security level 1 this side takes weak certificates of its own; the client's level is what is tried.
      ...(scenario.startsWith('weak-') ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
    }),
  }
}

function stapleOf(scenario: ScenarioName): Pick<HttpsRecipe, 'staple'> {
  if (!has(staples, scenario)) return {}
  const { status, until } = staples[scenario]
  return { staple: (pki, leaf) => ocspResponse(leaf, pki.issuing, status, pki.now, until) }
}

/** `until`: hours from now. */
const staples = {
  'ocsp-good': { status: 'good', until: 168 },
  'ocsp-revoked': { status: 'revoked', until: 168 },
  'staple-good': { status: 'good', until: 168 },
  'staple-stale': { status: 'good', until: -24 },
  'staple-revoked': { status: 'revoked', until: 168 },
} as const satisfies Partial<Record<ScenarioName, object>>

function has<T extends object>(table: T, name: PropertyKey): name is keyof T {
  return Object.hasOwn(table, name)
}
