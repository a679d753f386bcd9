import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { trustStoreSpec } from '../config/trust-specs.ts'
import { type Stores, type WhatIf, whatIf } from '../diagnosis/what-if.ts'
import { readRegularFile } from '../trust/read-file.ts'
import type { SourceSpec } from '../trust/source.ts'
import { loadTrustStore, type TrustStore } from '../trust/store.ts'
import type { Certificate } from '../x509/certificate.ts'
import { readBundle } from '../x509/pem.ts'
import { renderName } from '../x509/name.ts'
import type { CommandIo } from './command-io.ts'
import { type LoadedConfig, loadConfig } from './tls-config.ts'
import { listedSome, usage } from './tls-endpoint.ts'
import { seenByInventory, seenByProbes, type SeenServers } from './trust-what-if-seen.ts'
import { renderWhatIf, type WhatIfReport, whatIfJson } from './trust-what-if-text.ts'
import { parseOptions } from './parse-options.ts'

const help = `postern trust what-if: what a change of a trust store would do, before it is made

  postern trust what-if -c FILE --store NAME [--add FILE]... [--remove FILE|SHA256]... [options]

  -c, --config FILE   configuration (default: postern.yaml)
  --store NAME        the trust store that would change
  --add FILE          certificates it would have as well: PEM, DER or PKCS#7
  --remove WHAT       certificates it would no longer have: a file with them, or the SHA-256 of one (8 digits or more)
  --inventory FILE|URL
                      chains that were seen, from a running gateway: http://127.0.0.1:8090/inventory, or a file with its
                      answer. Without it each server is asked once, now. Credentials for a URL: POSTERN_TOKEN, or
                      POSTERN_USER and POSTERN_PASSWORD
  --no-aia            do not fetch missing issuers from where certificates point to (evidence only, never trusted)
  --concurrency N     servers that are asked at a time (default 16)
  --json              the same as data

Without --add and --remove it says which anchor every target hangs on, until when, and which anchors nobody needs. A target
that is refused today counts: mended, it needs its anchor again.

Exit status: 0 nothing would break, 1 something would, now or once it is mended, or that cannot be told, 2 wrong usage.

Example: may the old root go?
  postern trust what-if -c postern.yaml --store corp --remove old-root.pem
`

/** `postern trust what-if`: judges the chains of all targets under a store as it is and as it would be. */
export async function trustWhatIf(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  try {
    const options = read(args)
    if (options === null) {
      io.stdout(help)
      return 0
    }
    const config = await loadConfig(options.config, true, process.env, askRollover)
    if (config === null) throw usage('there is no postern.yaml here; name the configuration with -c FILE')
    const change = changeOf(config, options)
    const { seen, notes } = await serversSeen(config, options, change, signal)
    const now = Date.now()
    const result = whatIf(options.store, seen, change.before, change.after, now)
    const { store, inventory } = options
    const report: WhatIfReport = { ...change, ...result, notes: [...change.notes, ...notes], store, inventory, now }
    io.stdout(options.json ? `${JSON.stringify(whatIfJson(report), null, 2)}\n` : renderWhatIf(report))
    return mayBreak(result) ? 1 : 0
  } catch (error) {
    if (codeOf(error) !== 'usage') throw error
    io.stderr(`postern trust what-if: ${messageOf(error)}\nSee: postern trust what-if --help\n`)
    return 2
  }
}

const askRollover =
  'postern rollover begin --admin URL says what another managed store would do, postern tls check TARGET --admin URL what is.'

/** Also where nothing can be said against it: a rollover goes on when it is known that it may. */
function mayBreak({ refused, servers, anchors }: WhatIf): boolean {
  if (refused !== '') return true
  if (servers.some(({ change }) => change === 'breaks' || change === 'unknown')) return true
  return anchors.some(({ removed, safeToRemove }) => removed && !safeToRemove)
}

interface Options {
  readonly config: string | null
  readonly store: string
  readonly add: readonly string[]
  readonly remove: readonly string[]
  readonly inventory: string | null
  readonly fetchIssuers: boolean
  readonly concurrency: number
  readonly json: boolean
}

function read(args: readonly string[]): Options | null {
  const values = parsed(args)
  if (values.help === true) return null
  if (values.store === undefined) throw usage('name the trust store with --store NAME')
  const concurrency = values.concurrency === undefined ? 16 : Number(values.concurrency)
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 512) {
    throw usage(`--concurrency ${values.concurrency}: a number from 1 to 512`)
  }
  return {
    config: values.config ?? null,
    store: values.store,
    add: values.add ?? [],
    remove: values.remove ?? [],
    inventory: values.inventory ?? null,
    fetchIssuers: values['no-aia'] !== true,
    concurrency,
    json: values.json === true,
  }
}

function parsed(args: readonly string[]) {
  return parseOptions({
    args: [...args],
    options: {
      config: { type: 'string', short: 'c' },
      store: { type: 'string' },
      add: { type: 'string', multiple: true },
      remove: { type: 'string', multiple: true },
      inventory: { type: 'string' },
      'no-aia': { type: 'boolean' },
      concurrency: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  }).values
}

interface StoreChange {
  readonly before: Stores
  readonly after: Stores
  readonly added: readonly Certificate[]
  readonly removed: readonly Certificate[]
  /** What of --add changes nothing, in words. */
  readonly notes: readonly string[]
}

/** The stores as they are and as they would be; read by the code that reads them for traffic. */
function changeOf({ file, resolved }: LoadedConfig, { store: name, add, remove }: Options): StoreChange {
  const before = resolved.input.stores
  const store = before.get(name)
  const config = resolved.config.trustStores[name]
  if (store === undefined || config === undefined) {
    throw usage(`--store ${name}: there is no such store in ${file}; there are ${listedSome([...before.keys()])}`)
  }
  const removed = new Map(remove.flatMap((what) => removedBy(what, store)).map((each) => [each.sha256, each]))
  const spec = trustStoreSpec(name, config, resolved.input.baseDirectory)
  const files = add.map((path): SourceSpec => ({ kind: 'file', path: resolve(path) }))
  const whole = files.length === 0 ? store : loaded({ ...spec, sources: [...spec.sources, ...files] })
  const kept = ({ sha256 }: Certificate): boolean => !removed.has(sha256)
  const had = new Set(store.entries.map(({ certificate }) => certificate.sha256))
  const added = whole.entries.filter(({ certificate }) => !had.has(certificate.sha256))
  const given = files.flatMap((source) =>
    'path' in source ? readBundle(readRegularFile(source.path), source.path).certificates : [],
  )
  const after: TrustStore = {
    ...whole,
    anchors: whole.anchors.filter(kept),
    intermediates: whole.intermediates.filter(kept),
    entries: whole.entries.filter(({ certificate }) => kept(certificate)),
  }
  return {
    before,
    after: new Map([...before, [name, after]]),
    added: added.filter(({ role }) => role !== 'left-out').map(({ certificate }) => certificate),
    removed: [...removed.values()],
    notes: [
      ...given.filter(({ sha256 }) => had.has(sha256)).map((each) => `"${subjectOf(each)}" is in the store already`),
      ...added
        .filter(({ role }) => role !== 'anchor')
        .map(({ certificate, role }) =>
          role === 'left-out'
            ? `"${subjectOf(certificate)}" would be left out: its self-signature does not verify`
            : `"${subjectOf(certificate)}" is not self-signed: it would help to build a path and anchor none`,
        ),
    ],
  }
}

function loaded(spec: Parameters<typeof loadTrustStore>[0]): TrustStore {
  try {
    return loadTrustStore(spec, process.env)
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    throw usage(`--add: ${error.message}`)
  }
}

/** The certificates of the store that `--remove` means; every one of them must be in it. */
function removedBy(what: string, store: TrustStore): readonly Certificate[] {
  const held = store.entries.map(({ certificate }) => certificate)
  const digits = what.replaceAll(':', '').toUpperCase()
  if (/^[0-9A-F]{8,64}$/.test(digits) && !isFile(what)) {
    const found = held.filter(({ sha256 }) => sha256.startsWith(digits))
    if (found.length === 1) return found
    const fault = found.length === 0 ? 'no certificate of the store has this SHA-256' : 'several certificates begin so'
    throw usage(`--remove ${what}: ${fault}; it holds ${listed(found.length === 0 ? held : found)}`)
  }
  return certificatesOf(what).map((certificate) => {
    const found = held.find(({ sha256 }) => sha256 === certificate.sha256)
    if (found !== undefined) return found
    throw usage(`--remove ${what}: "${subjectOf(certificate)}" is not in the store; it holds ${listed(held)}`)
  })
}

function certificatesOf(path: string): readonly Certificate[] {
  try {
    return readBundle(readRegularFile(resolve(path)), path).certificates
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    throw usage(`--remove ${path}: ${error.message}`)
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function listed(certificates: readonly Certificate[]): string {
  const shown = certificates.slice(0, 10).map((each) => `"${subjectOf(each)}" (${each.sha256.slice(0, 16)})`)
  const more = certificates.length - shown.length
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function subjectOf(certificate: Certificate): string {
  return renderName(certificate.subject, 'edge')
}

async function serversSeen(
  config: LoadedConfig,
  { store, inventory, concurrency, fetchIssuers }: Options,
  { removed }: StoreChange,
  signal: AbortSignal,
): Promise<SeenServers> {
  const { plan, config: parsedConfig } = config.resolved
  const servers = plan.targets.flatMap(({ name, servers: all }) => {
    const trust = parsedConfig.targets[name]?.tls?.trust ?? []
    return trust.includes(store) ? all.map((server) => ({ server, trust })) : []
  })
  if (inventory === null) {
    return { seen: await seenByProbes(servers, config, { concurrency, fetchIssuers }, signal), notes: [] }
  }
  const without = new Set(removed.map(({ sha256 }) => sha256))
  return seenByInventory(servers, inventory, { removed: without, fetchIssuers, now: Date.now() }, signal)
}
