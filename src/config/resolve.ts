import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import { type CrlStore, crlStorePaths, loadCrlStore, readCrlSource } from '../trust/crl-store.ts'
import { type Identity, loadIdentity } from '../trust/identity.ts'
import { readRegularFile } from '../trust/read-file.ts'
import { composeTrust } from '../trust/snapshot.ts'
import { type Environment, readSource } from '../trust/source.ts'
import { loadTrustStore, type TrustStore, trustStorePaths } from '../trust/store.ts'
import { compileGeneration, listenAddress } from './compile.ts'
import type { CompileInput } from './compile-input.ts'
import type { Draft, Path } from './document.ts'
import { type ConfigProblem, maxConfigBytes, parseConfig, refused } from './load.ts'
import type { Home, ManagedFinding, ManagedView, TargetOrigin } from './managed-view.ts'
import { printPath } from './raw.ts'
import type { Config, IdentityConfig, ManagedIdentityConfig, TargetConfig } from './schema.ts'
import { readSecret, type SecretPlace, secretPath } from './secrets.ts'
import { checkRevocation } from './revocation.ts'
import { crlStoreSpec, noState, trustStoreSpec } from './trust-specs.ts'

/** Something about a certificate that does not stop the generation and that its owner should know. */
export interface ResolvedFinding {
  /** The store or identity, as `trustStores.corp`. */
  readonly path: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly code: string
  readonly message: string
}

export interface ResolvedOk {
  readonly ok: true
  readonly plan: GenerationPlan
  readonly config: Config
  readonly warnings: readonly ConfigProblem[]
  readonly findings: readonly ResolvedFinding[]
  /** Those among them that are of stored objects. */
  readonly storedFindings: readonly ResolvedFinding[]
  /** Which stored objects targets were made of, by their name. */
  readonly origins: ReadonlyMap<string, TargetOrigin>
  /** Files and directories whose change calls for resolving again. */
  readonly watch: readonly string[]
  /** Where the management API listens, `*` made an address; null: nowhere. */
  readonly management: ManagementPlace | null
  /** The file as it was read; what is in force when a later one is refused. */
  readonly text: string
  /** When to compile `input` again, because an exception ends then; null: never. */
  readonly nextExceptionEnd: number | null
  /** For `compileGeneration` with a later `now`: no file is read, so an exception ends even if a file has gone bad. */
  readonly input: CompileInput
}

export interface ManagementPlace {
  readonly address: string
  readonly port: number
  readonly tls: { readonly chain: string; readonly key: string; readonly minVersion: 'TLSv1.2' | 'TLSv1.3' } | null
}

/** Asked for once the configuration is known to be well-formed. */
export type ManagedSource = (config: Config) => ManagedView | Promise<ManagedView>

interface ResolvedRefused {
  readonly ok: false
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigProblem[]
  /** What is known to matter so far; a change of it is worth another attempt. */
  readonly watch: readonly string[]
}

export type Resolved = ResolvedOk | ResolvedRefused

/** From the file's path to a plan for workers: whole, or every problem with its place (I3). */
export async function resolveConfig(
  file: string,
  env: Environment,
  now: number = Date.now(),
  generation = 1,
  managedSource: ManagedSource | null = null,
  home: Partial<Home> = {},
): Promise<Resolved> {
  const path = resolve(file)
  const text = await readConfigText(path)
  if (typeof text !== 'string') return { ...refused(file, text.message, text.instead), watch: [path] }
  return resolveConfigText(text, file, env, now, generation, managedSource, home)
}

/** The same for a text that the file may have held, or may hold one day; what it names is read as it is now. */
export async function resolveConfigText(
  text: string,
  file: string,
  env: Environment,
  now: number,
  generation: number,
  managedSource: ManagedSource | null,
  /** Instead of what the text says. */
  home: Partial<Home> = {},
): Promise<Resolved> {
  const path = resolve(file)
  const parsed = parseConfig(text, file, { now })
  if (!parsed.ok) return { ...parsed, watch: [path] }
  const { place } = parsed
  const config = { ...parsed.config, ...home }
  const managed = managedSource === null ? null : await managedSource(config)
  const loading = new Loading(config, dirname(path), env, now, managed)
  const watch = [...new Set([path, ...loading.watch])]
  if (loading.faults.length > 0) {
    const problems = loading.faults.map(place).sort((a, b) => a.line - b.line || a.column - b.column)
    return { ok: false, problems, warnings: parsed.warnings, watch }
  }
  const { stores, crlStores, identities, secrets, findings } = loading
  const baseDirectory = dirname(path)
  const input: CompileInput = {
    config,
    baseDirectory,
    stores,
    crlStores,
    identities,
    secrets,
    managed,
    generation,
    now,
  }
  const compiled = compileGeneration(input)
  const { plan, warnings, nextExceptionEnd } = compiled
  if (compiled.problems.length > 0) {
    const problems = compiled.problems.map(({ object, message }) => storedProblem(file, object, message))
    return { ok: false, problems, warnings: parsed.warnings, watch }
  }
  const storedFindings = compiled.findings.map(resolvedFinding)
  const placed = warnings.map(({ path, message }) => place({ path, message, instead: '' }))
  const management = config.management ? managementPlace(config.management, identities) : null
  return {
    ok: true,
    plan,
    config,
    warnings: [...parsed.warnings, ...placed],
    findings: [...findings, ...storedFindings],
    storedFindings,
    origins: compiled.origins,
    watch,
    management,
    text,
    nextExceptionEnd,
    input,
  }
}

function managementPlace(
  { address, port, tls }: NonNullable<Config['management']>,
  identities: ReadonlyMap<string, Identity>,
): ManagementPlace {
  const identity = identities.get(printPath(['management', 'tls', 'certificates', 0]))
  return {
    address: listenAddress(address),
    port,
    tls:
      tls === undefined || identity === undefined
        ? null
        : { chain: identity.chain, key: identity.key, minVersion: tls.minVersion },
  }
}

export function resolvedFinding({ object, severity, code, message }: ManagedFinding): ResolvedFinding {
  return { path: object, severity, code, message }
}

/** A stored object has no place in the file. */
export function storedProblem(file: string, object: string, message: string): ConfigProblem {
  return { file, line: 1, column: 1, path: object, message, instead: '' }
}

function inHome({ organization, environment }: Home): string {
  return `in organization "${organization}", environment "${environment}"`
}

/** Reads all that a configuration names, and keeps going at faults so that all of them are reported. */
class Loading {
  readonly stores = new Map<string, TrustStore>()
  readonly crlStores = new Map<string, CrlStore>()
  readonly identities = new Map<string, Identity>()
  readonly secrets = new Map<string, string>()
  readonly findings: ResolvedFinding[] = []
  readonly faults: Draft[] = []
  readonly watch: string[] = []
  readonly #baseDirectory: string
  readonly #env: Environment
  readonly #now: number
  readonly #managed: ManagedView | null
  /** The same files often serve many targets. */
  readonly #loaded = new Map<string, Identity>()

  constructor(config: Config, baseDirectory: string, env: Environment, now: number, managed: ManagedView | null) {
    this.#managed = managed
    this.#baseDirectory = baseDirectory
    this.#env = env
    this.#now = now
    for (const name of Object.keys(config.trustStores)) this.#loadStore(config, name)
    for (const name of Object.keys(config.crlStores)) this.#loadCrlStore(config, name)
    for (const [index, { tls }] of config.listeners.entries()) {
      for (const [at, identity] of (tls?.certificates ?? []).entries()) {
        this.#loadIdentity(['listeners', index, 'tls', 'certificates', at], identity, 'server')
      }
    }
    for (const [at, identity] of (config.management?.tls?.certificates ?? []).entries()) {
      this.#loadIdentity(['management', 'tls', 'certificates', at], identity, 'server')
    }
    for (const [name, { tls, egress }] of Object.entries(config.targets)) {
      if (tls?.clientCertificate) {
        const path = ['targets', name, 'tls', 'clientCertificate']
        if ('keyStore' in tls.clientCertificate) this.#takeIdentity(path, tls.clientCertificate, config)
        else this.#loadIdentity(path, tls.clientCertificate, 'client')
      }
      if (egress) this.#loadCredentials(['targets', name, 'egress'], egress)
    }
    this.#loadTelemetry(config)
    if (this.faults.length === 0) this.#checkUnions(config)
    if (this.faults.length === 0) this.#checkRevocation(config)
  }

  #loadTelemetry({ otlp, logs }: Config): void {
    if (otlp?.tls?.clientCertificate) {
      this.#loadIdentity(['otlp', 'tls', 'clientCertificate'], otlp.tls.clientCertificate, 'client')
    }
    for (const [index, { syslog }] of logs.entries()) {
      const path = ['logs', index, 'syslog', 'tls', 'clientCertificate']
      if (syslog?.tls?.clientCertificate) this.#loadIdentity(path, syslog.tls.clientCertificate, 'client')
    }
    for (const [name, value] of Object.entries(otlp?.headers ?? {})) {
      if (typeof value !== 'string') this.#loadSecret(['otlp', 'headers', name], value)
    }
  }

  #loadStore(config: Config, name: string): void {
    const store = config.trustStores[name]
    if (!store) return
    const path = ['trustStores', name]
    const spec = trustStoreSpec(name, store, this.#baseDirectory, (managed) => this.#material(managed, config))
    this.watch.push(...trustStorePaths(spec, this.#env))
    try {
      const loaded = loadTrustStore(spec, this.#env, { clock: () => this.#now })
      this.stores.set(name, loaded)
      this.#note(path, loaded)
    } catch (error) {
      const before = this.faults.length
      for (const part of ['sources', 'intermediates'] as const) {
        for (const [index, source] of spec[part].entries()) {
          try {
            readSource(source, this.#env)
          } catch (fault) {
            this.#fail([...path, part, index], fault)
          }
        }
      }
      // no single source is at fault: the store as a whole is, such as one without an anchor
      if (this.faults.length === before) this.#fail(path, error)
    }
  }

  #loadCrlStore(config: Config, name: string): void {
    const store = config.crlStores[name]
    if (!store) return
    const path = ['crlStores', name]
    const spec = crlStoreSpec(name, store, this.#baseDirectory)
    this.watch.push(...crlStorePaths(spec))
    try {
      const loaded = loadCrlStore(spec, () => this.#now)
      this.crlStores.set(name, loaded)
      for (const finding of loaded.findings) this.findings.push({ path: printPath(path), ...finding })
    } catch (error) {
      const before = this.faults.length
      for (const [index, source] of spec.sources.entries()) {
        try {
          readCrlSource(source)
        } catch (fault) {
          this.#fail([...path, 'sources', index], fault)
        }
      }
      if (this.faults.length === before) this.#fail(path, error)
    }
  }

  /** Lists that load alone may be of no use to those who go by them. */
  #checkRevocation(config: Config): void {
    for (const [name, { tls }] of Object.entries(config.targets)) {
      if (tls?.revocation !== 'crl') continue
      const path = ['targets', name, 'tls', 'revocation']
      try {
        const trust = composeTrust(tls.trust.flatMap((store) => this.stores.get(store) ?? []))
        const lists = tls.crls.flatMap((store) => this.crlStores.get(store)?.lists ?? [])
        for (const finding of checkRevocation(trust, lists)) {
          this.findings.push({ path: `targets.${name}.tls.crls`, ...finding })
        }
      } catch (error) {
        this.#fail(path, error)
      }
    }
  }

  #note(path: Path, { findings, ignored }: TrustStore): void {
    const object = printPath(path)
    for (const { severity, code, message, provenance } of findings) {
      const at = provenance.path === null ? provenance.source : provenance.path
      this.findings.push({
        path: object,
        severity,
        code,
        message: `${at}, certificate ${provenance.index}: ${message}`,
      })
    }
    // the system's folders hold every certificate under several names; nobody here wrote them
    for (const { source, path: file, line, what, why } of ignored.filter((entry) => entry.source !== 'system')) {
      const at = `${file ?? source}${line === null ? '' : `, line ${line}`}`
      this.findings.push({ path: object, severity: 'info', code: 'ignored', message: `${at}: ${what} ignored: ${why}` })
    }
  }

  #loadIdentity(path: Path, config: IdentityConfig, purpose: 'client' | 'server'): void {
    const certificate = resolve(this.#baseDirectory, config.certificate)
    const key = resolve(this.#baseDirectory, config.key)
    const passphraseFile = config.passphraseFile && resolve(this.#baseDirectory, config.passphraseFile)
    this.watch.push(certificate, key, ...(passphraseFile === undefined ? [] : [passphraseFile]))
    const object = printPath(path)
    const id = JSON.stringify([certificate, key, passphraseFile, purpose])
    const earlier = this.#loaded.get(id)
    if (earlier) {
      this.identities.set(object, earlier)
      return
    }
    let passphrase: string | undefined
    try {
      passphrase =
        passphraseFile &&
        readRegularFile(passphraseFile)
          .toString('utf8')
          .replace(/\r?\n$/, '')
    } catch (error) {
      this.#fail([...path, 'passphraseFile'], error)
      return
    }
    try {
      const identity = loadIdentity(
        {
          label: object,
          certificate: { path: certificate },
          key: { path: key },
          purpose,
          ...(passphrase === undefined ? {} : { passphrase }),
        },
        () => this.#now,
      )
      this.#loaded.set(id, identity)
      this.identities.set(object, identity)
      for (const { code, message } of identity.notes) {
        this.findings.push({ path: object, severity: 'warning', code, message })
      }
      for (const { severity, code, message } of identity.findings) {
        this.findings.push({ path: object, severity, code, message })
      }
    } catch (error) {
      this.#fail(path, error)
    }
  }

  /** PEM of a managed store; a reason where there is none. */
  #material(name: string, home: Home): { pem: string } | { why: string } {
    if (this.#managed === null) return { why: noState }
    const found = this.#managed.trustStore(name, home)
    return found === null ? { why: `there is no managed store "${name}" ${inHome(home)}` } : { pem: found.pem }
  }

  #takeIdentity(path: Path, { keyStore, alias }: ManagedIdentityConfig, home: Home): void {
    const found = this.#managed?.identity(keyStore, alias, home) ?? null
    if (found === null) {
      const why =
        this.#managed === null
          ? noState
          : `there is no alias "${alias}" with a key in managed store "${keyStore}" ${inHome(home)}`
      this.#fail(path, new PosternError('identity-unknown', why, { evidence: { keyStore, alias } }))
      return
    }
    const label = printPath(path)
    try {
      const { chain, key } = found
      const identity = loadIdentity(
        { label, certificate: { pem: chain }, key: { pem: key }, purpose: 'client' },
        () => this.#now,
      )
      this.identities.set(label, identity)
      for (const { code, message } of identity.notes)
        this.findings.push({ path: label, severity: 'warning', code, message })
      for (const { severity, code, message } of identity.findings)
        this.findings.push({ path: label, severity, code, message })
    } catch (error) {
      this.#fail(path, error)
    }
  }

  #loadCredentials(path: Path, { password, authorization }: NonNullable<TargetConfig['egress']>): void {
    if (password !== undefined) this.#loadSecret([...path, 'password'], password)
    if (authorization === undefined) return
    const value = this.#loadSecret([...path, 'authorization'], authorization)
    // it becomes the value of a header as it stands
    if (value !== null && !/^[!-~](?:[ -~]*[!-~])?$/.test(value)) {
      this.#fail(
        [...path, 'authorization'],
        new PosternError('secret-refused', 'holds a character that no Proxy-Authorization has, or a space at an end'),
      )
    }
  }

  #loadSecret(path: Path, place: SecretPlace): string | null {
    const file = secretPath(place, this.#baseDirectory)
    if (file !== null) this.watch.push(file)
    try {
      const secret = readSecret(place, this.#baseDirectory, this.#env)
      this.secrets.set(printPath(path), secret)
      return secret
    } catch (error) {
      this.#fail(path, error)
      return null
    }
  }

  /** Stores that load alone may not go together. */
  #checkUnions(config: Config): void {
    const judged = new Map<string, unknown>()
    for (const [name, { tls }] of Object.entries(config.targets)) {
      const names = tls?.trust ?? []
      const key = names.join(' ')
      if (!judged.has(key)) {
        judged.set(key, null)
        try {
          composeTrust(names.flatMap((store) => this.stores.get(store) ?? []))
        } catch (error) {
          judged.set(key, error)
        }
      }
      const fault = judged.get(key)
      if (fault !== null) this.#fail(['targets', name, 'tls', 'trust'], fault)
    }
  }

  /** A failure of the files becomes a problem; anything else is a bug and stays one. */
  #fail(path: Path, error: unknown): void {
    if (!(error instanceof PosternError)) throw error
    this.faults.push({ path, message: error.message, instead: advice[error.code] ?? '' })
  }
}

const advice: Readonly<Record<string, string>> = {
  'trust-source-unreadable': 'a path that this process can read',
  'trust-source-unset': 'optional: true beside env, or set the variable',
  'bundle-refused': 'certificates only, PEM, DER or PKCS#7, each of them whole',
  'trust-store-empty': 'a source that holds the root, or partialChain: true where a path may end below one',
  'trust-stores-conflict': 'stores that agree, or the intermediate among the sources of the store with partialChain',
  'secret-refused': 'a variable that is set, or a file, with the value on one line',
  'crl-refused': 'revocation lists only: one in DER, or X509 CRL blocks in PEM, each of them whole',
  'crl-store-empty': 'a source with a full list of a CA of the path',
  'crl-without-root':
    'the root of that CA among the sources of the trust store, without partialChain; or revocation: staple-required',
  'identity-refused': 'the certificate chain and the key that belongs to it, as PEM',
}

async function readConfigText(path: string): Promise<string | { message: string; instead: string }> {
  let handle: FileHandle | null = null
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const facts = await handle.stat()
    if (!facts.isFile()) return { message: 'is not a file', instead: 'the path of a YAML or JSON file' }
    if (facts.size > maxConfigBytes) {
      return { message: 'the file is larger than 4 MiB', instead: 'a smaller file; certificates can stay in their own' }
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile())
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      return { message: 'the file is not UTF-8', instead: 'the same text saved as UTF-8' }
    }
    if (codeOf(error) === 'ENOENT')
      return { message: 'there is no such file', instead: 'the path of a YAML or JSON file' }
    return { message: `the file cannot be read: ${messageOf(error)}`, instead: 'a file that this process can read' }
  } finally {
    await handle?.close()
  }
}
