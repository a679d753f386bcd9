import { DnsName, CertificateName } from '../config/addresses.ts'
import { Duration } from '../config/scalars.ts'
import { TlsVersion } from '../config/schema-tls.ts'
import type { Mode } from '../judge/types.ts'
import type { TrustChoice } from './tls-plans.ts'
import { usage } from './tls-endpoint.ts'
import { parseOptions } from './parse-options.ts'

/** What `postern tls check` was asked for. Values are checked; no file has been read. */
export interface CheckOptions {
  readonly endpoints: readonly string[]
  /** File with more of them, `-` for standard input; null: none. */
  readonly from: string | null
  /** null: `postern.yaml` where it is needed and there. */
  readonly config: string | null
  /** URL of the management API of the gateway that is to check; null: this command connects itself. */
  readonly admin: string | null
  /** The variable with its token; null: the usual ones. */
  readonly tokenEnv: string | null
  readonly trust: TrustChoice
  readonly serverName: string | null
  readonly verifyName: string | null
  readonly identity: { readonly certificate: string; readonly key: string } | null
  readonly tls: { readonly minVersion?: TlsVersionName; readonly maxVersion?: TlsVersionName }
  readonly timeoutMs: number | null
  /** The verdict is this mode's. */
  readonly mode: Mode
  /** Milliseconds since the epoch; null: now. */
  readonly time: number | null
  readonly fetchIssuers: boolean
  readonly concurrency: number
  readonly json: boolean
  readonly junit: string | null
  readonly out: string | null
  readonly resume: boolean
  readonly quiet: boolean
}

type TlsVersionName = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** Throws `usage` for whatever is wrong; null: help was asked for. */
export function readCheckOptions(args: readonly string[]): CheckOptions | null {
  const { values, positionals } = parsed(args)
  if (values.help === true) return null
  const from = values.from ?? null
  if (positionals.length === 0 && from === null) throw usage('name an endpoint, or a list with --from FILE')
  if (positionals.length > maxArguments)
    throw usage(`more than ${maxArguments} endpoints; give them as a list with --from FILE`)
  const out = values.out ?? null
  if (values.resume === true && out === null)
    throw usage('--resume goes on with the results of --out FILE; name that file')
  const admin = values.admin ?? null
  if (admin !== null) expectAlone(values)
  else if (values['token-env'] !== undefined) throw usage('--token-env goes with --admin URL')
  const { 'tls-min': min, 'tls-max': max } = values
  const tls = {
    ...(min === undefined ? {} : { minVersion: version('--tls-min', min) }),
    ...(max === undefined ? {} : { maxVersion: version('--tls-max', max) }),
  }
  if ((tls.minVersion ?? 'TLSv1.2') > (tls.maxVersion ?? 'TLSv1.3')) {
    throw usage(
      `--tls-min ${tls.minVersion ?? '1.2 (default)'} is above --tls-max ${tls.maxVersion ?? '1.3 (default)'}`,
    )
  }
  return {
    endpoints: positionals,
    from,
    config: values.config ?? null,
    admin,
    tokenEnv: values['token-env'] ?? null,
    trust: {
      stores: values.store ?? [],
      ca: values.ca ?? [],
      system: values.system === true,
      bundled: values.bundled === true,
    },
    serverName: checkedName('--server-name', values['server-name'], 'dns'),
    verifyName: checkedName('--verify-name', values['verify-name'], 'dns-or-ip'),
    identity: identityOf(values.cert, values.key),
    tls,
    timeoutMs: values.timeout === undefined ? null : duration(values.timeout),
    mode: mode(values.mode ?? 'runtime'),
    time: values.time === undefined ? null : moment(values.time),
    fetchIssuers: values['no-aia'] !== true,
    concurrency: concurrency(values.concurrency),
    json: values.json === true,
    junit: values.junit ?? null,
    out,
    resume: values.resume === true,
    quiet: values.quiet === true,
  }
}

/** Whether an option was given that speaks of endpoints that are no target. */
export function hasAdHocSettings({ trust, serverName, verifyName, identity, tls }: CheckOptions): boolean {
  const { stores, ca, system, bundled } = trust
  return (
    stores.length > 0 ||
    ca.length > 0 ||
    system ||
    bundled ||
    serverName !== null ||
    verifyName !== null ||
    identity !== null ||
    Object.keys(tls).length > 0
  )
}

/** The gateway checks its targets as they run: what says how to is nothing to it. Throws `usage`. */
function expectAlone(values: Readonly<Record<string, unknown>>): void {
  const other = Object.keys(values).find((name) => values[name] !== undefined && !besideAdmin.has(name))
  if (other !== undefined)
    throw usage(`--${other} does not go with --admin: the gateway checks its targets as they are in force`)
}

const besideAdmin: ReadonlySet<string> = new Set(['admin', 'token-env', 'json', 'no-aia', 'quiet', 'help'])

const maxArguments = 1000
const defaultConcurrency = 16
const maxConcurrency = 512

function parsed(args: readonly string[]) {
  return parseOptions({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      admin: { type: 'string' },
      'token-env': { type: 'string' },
      from: { type: 'string' },
      store: { type: 'string', multiple: true },
      ca: { type: 'string', multiple: true },
      system: { type: 'boolean' },
      bundled: { type: 'boolean' },
      'server-name': { type: 'string' },
      'verify-name': { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      'tls-min': { type: 'string' },
      'tls-max': { type: 'string' },
      mode: { type: 'string' },
      time: { type: 'string' },
      timeout: { type: 'string' },
      'no-aia': { type: 'boolean' },
      concurrency: { type: 'string' },
      json: { type: 'boolean' },
      junit: { type: 'string' },
      out: { type: 'string' },
      resume: { type: 'boolean' },
      quiet: { type: 'boolean', short: 'q' },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

function version(option: string, text: string): TlsVersionName {
  const name = `TLSv${text.replace(/^tlsv?/i, '')}`
  const known = TlsVersion.safeParse(name === 'TLSv1.0' ? 'TLSv1' : name)
  if (!known.success) throw usage(`${option} ${text}: there are 1.0, 1.1, 1.2, 1.3`)
  return known.data
}

function checkedName(option: string, text: string | undefined, kind: 'dns' | 'dns-or-ip'): string | null {
  if (text === undefined) return null
  const read = (kind === 'dns' ? DnsName : CertificateName).safeParse(text)
  if (read.success) return read.data
  throw usage(`${option} ${text}: not a ${kind === 'dns' ? 'DNS name' : 'DNS name or IP address'}`)
}

function identityOf(certificate?: string, key?: string): CheckOptions['identity'] {
  if (certificate === undefined) {
    if (key !== undefined) throw usage('--key needs --cert FILE with the certificate that belongs to it')
    return null
  }
  // One file may hold both, as many tools write it.
  return { certificate, key: key ?? certificate }
}

function duration(text: string): number {
  const read = Duration.safeParse(text)
  if (!read.success) throw usage(`--timeout ${text}: a duration such as 500ms, 5s or 1m`)
  return read.data
}

function mode(text: string): Mode {
  if (text === 'runtime' || text === 'rfc5280' || text === 'strict') return text
  throw usage(`--mode ${text}: there are runtime, rfc5280, strict`)
}

/** ISO 8601 with its zone, or a day: without a zone the answer would depend on where the command runs. */
function moment(text: string): number {
  const isWhole = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text)
  const time = isWhole ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw usage(`--time ${text}: a day such as 2027-01-31, or a moment such as 2027-01-31T12:00:00Z`)
  return time
}

function concurrency(text: string | undefined): number {
  const count = text === undefined ? defaultConcurrency : /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > maxConcurrency) throw usage(`--concurrency ${text}: a number from 1 to ${maxConcurrency}`)
  return count
}
