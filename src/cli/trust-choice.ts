import { resolve } from 'node:path'
import { knownCertificates } from '../diagnosis/config-context.ts'
import { openDiagnoser } from '../diagnosis/diagnoser.ts'
import { issuerFetcher } from '../diagnosis/fetch-issuers.ts'
import { PosternError } from '../core/errors.ts'
import { readRegularFile } from '../trust/read-file.ts'
import type { Environment } from '../trust/source.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import { readBundle } from '../x509/pem.ts'
import { readCheckOptions } from './tls-check-options.ts'
import { listedSome } from './tls-endpoint.ts'
import { planCheck } from './tls-check-plan.ts'
import { loadConfig } from './tls-config.ts'

/** Which certificate is meant, and where it is to be looked for. */
export interface Choice {
  readonly sha256: string | null
  readonly keyId: string | null
  readonly where:
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'from'; readonly endpoint: string; readonly serverName: string | null }
    | { readonly kind: 'known' }
  readonly config: string | null
}

export const choiceOptions = {
  config: { type: 'string', short: 'c' },
  sha256: { type: 'string' },
  'key-id': { type: 'string' },
  file: { type: 'string' },
  url: { type: 'string' },
  from: { type: 'string' },
  'server-name': { type: 'string' },
  known: { type: 'boolean', default: false },
} as const

interface ChoiceValues {
  readonly config?: string | undefined
  readonly sha256?: string | undefined
  readonly 'key-id'?: string | undefined
  readonly file?: string | undefined
  readonly url?: string | undefined
  readonly from?: string | undefined
  readonly 'server-name'?: string | undefined
  readonly known: boolean
}

/** Throws `usage` unless one certificate and one place are named. */
export function readChoice(values: ChoiceValues): Choice {
  const { sha256, 'key-id': keyId, file, url, from, known } = values
  if ((sha256 === undefined) === (keyId === undefined)) throw usage('name the certificate, by --sha256 or by --key-id')
  const fingerprint = sha256 === undefined ? null : digits('--sha256', sha256)
  if (fingerprint !== null && fingerprint.length !== 64) throw usage('--sha256 takes the whole fingerprint, 64 digits')
  const where = [
    ...(file === undefined ? [] : [{ kind: 'file', path: file } as const]),
    ...(url === undefined ? [] : [{ kind: 'url', url } as const]),
    ...(from === undefined
      ? []
      : [{ kind: 'from', endpoint: from, serverName: values['server-name'] ?? null } as const]),
    ...(known ? [{ kind: 'known' } as const] : []),
  ]
  const [place] = where
  if (place === undefined || where.length > 1) throw usage('say where it is: one of --file, --url, --from, --known')
  return {
    sha256: fingerprint,
    keyId: keyId === undefined ? null : digits('--key-id', keyId),
    where: place,
    config: values.config ?? null,
  }
}

/** The one certificate that was chosen. Throws `certificate-not-found` with what is there instead. */
export async function choose(choice: Choice, env: Environment, signal: AbortSignal): Promise<Certificate> {
  const { label, certificates } = await lookedAt(choice, env, signal)
  const { sha256, keyId } = choice
  const found = new Map<string, Certificate>()
  for (const each of certificates) {
    if (sha256 === null ? each.subjectKeyId?.toUpperCase() === keyId : each.sha256 === sha256)
      found.set(each.sha256, each)
  }
  const [first] = found.values()
  if (first === undefined) throw notFound(choice, label, certificates)
  if (found.size > 1) {
    const list = [...found.values()].map(titled).join(', ')
    throw new PosternError(
      'certificate-ambiguous',
      `${label} holds ${found.size} with that key id: ${list}; name one by --sha256`,
    )
  }
  return first
}

/** `"CN=Corp Root, O=Corp" (SHA-256 5F6A...)`. */
export function titled({ subject, sha256 }: Certificate): string {
  return `"${renderName(subject, 'edge')}" (SHA-256 ${sha256})`
}

export function usage(message: string): PosternError {
  return new PosternError('usage', message)
}

async function lookedAt(
  { where, config }: Choice,
  env: Environment,
  signal: AbortSignal,
): Promise<{ label: string; certificates: readonly Certificate[] }> {
  switch (where.kind) {
    case 'file': {
      const { certificates } = readBundle(readRegularFile(resolve(where.path)), where.path)
      return { label: where.path, certificates }
    }
    case 'url': {
      const { certificates, problem } = await issuerFetcher(signal)(where.url)
      if (problem === '') return { label: where.url, certificates }
      throw new PosternError(
        'certificate-not-found',
        `${where.url}: ${problem}; fetch it otherwise and name it with --file`,
      )
    }
    case 'from':
      return { label: where.endpoint, certificates: await presented(where, config, env, signal) }
    case 'known': {
      const loaded = config === null ? null : await loadConfig(config, true, env)
      const known = knownCertificates(loaded?.resolved.input.stores ?? new Map())
      const label = loaded === null ? 'the public roots' : 'the stores of the configuration and the public roots'
      return { label, certificates: known.map(({ certificate }) => certificate) }
    }
    default:
      return where satisfies never
  }
}

/** What the endpoint shows now, and what its certificates point to; looked at as `tls check` does (I4). */
async function presented(
  { endpoint, serverName }: { readonly endpoint: string; readonly serverName: string | null },
  config: string | null,
  env: Environment,
  signal: AbortSignal,
): Promise<readonly Certificate[]> {
  const options = readCheckOptions([
    ...(config === null ? [] : ['-c', config]),
    ...(serverName === null ? [] : ['--server-name', serverName]),
    '--',
    endpoint,
  ])
  if (options === null) throw usage(`--from ${endpoint}: not an endpoint`)
  const loaded = await loadConfig(config, false, env)
  const entry = { endpoint, line: 0, name: null, ca: [], stores: [] }
  const { servers, known } = planCheck(options, [{ ...entry, entry: endpoint }], loaded, env)
  const diagnoser = openDiagnoser({ known, fetchIssuers: true, mode: 'runtime', time: null, signal })
  try {
    const found: Certificate[] = []
    for (const planned of servers.slice(0, maxServers)) {
      const { server } = planned.plan()
      const seen = await diagnoser.diagnose(server, planned.context(server))
      found.push(...seen.served, ...(seen.judgement?.path ?? []).map(({ certificate }) => certificate))
    }
    return found
  } finally {
    diagnoser.close()
  }
}

/** I10: a target of a thousand servers shows the same certificates. */
const maxServers = 16

const maxListed = 16

function notFound({ sha256, keyId }: Choice, label: string, certificates: readonly Certificate[]): PosternError {
  const wanted = sha256 === null ? `with the key id ${keyId}` : `with the SHA-256 ${sha256}`
  const names = new Set(certificates.map(titled))
  // A hundred public roots are no help to whoever looks for one of them.
  const there = names.size > maxListed ? `${names.size} others` : listedSome([...names], maxListed)
  return new PosternError('certificate-not-found', `there is no certificate ${wanted} in ${label}; there is ${there}`)
}

function digits(option: string, text: string): string {
  const bare = text.replaceAll(/[:\s]/g, '').toUpperCase()
  if (!/^(?:[0-9A-F]{2}){4,64}$/.test(bare)) throw usage(`${option} takes hexadecimal digits`)
  return bare
}
