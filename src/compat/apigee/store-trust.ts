import type { HeldCertificate } from '../../config/managed-view.ts'
import { PosternError } from '../../core/errors.ts'
import type { Finding } from '../../trust/finding.ts'
import { type Identity, loadIdentity } from '../../trust/identity.ts'
import { composeTrust } from '../../trust/snapshot.ts'
import type { Environment, SystemPlaces } from '../../trust/source.ts'
import { loadTrustStore, type TrustStore } from '../../trust/store.ts'
import { validity } from '../../trust/validity.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { readBundle } from '../../x509/pem.ts'
import type { RuntimeAlias, RuntimeKeystore } from './runtime-state.ts'

/** What a plan takes over of a store. Lists are made once for a store: targets that share it share them. */
export interface StoreTrust {
  readonly anchors: readonly string[]
  readonly intermediates: readonly string[]
  readonly partialChain: boolean
  /** Why nothing is trusted; '' where something is. */
  readonly lacks: string
}

interface LoadedTrust {
  readonly trust: StoreTrust
  readonly store: TrustStore | null
}

/** PEM of what a store trusts: of an alias with a key the first certificate only, as Java's trust managers take it. */
export function trustPem({ aliases }: RuntimeKeystore): string {
  return [...aliases.values()].map(({ chain, key }) => (key === null ? chain : firstOf(chain))).join('\n')
}

export function storeTrust(keystore: RuntimeKeystore, partialChain: boolean): StoreTrust {
  return loaded(keystore, partialChain).trust
}

/** What `trust/lint.ts` and the loading of the store say at `now`. */
export function storeFindings(keystore: RuntimeKeystore, partialChain: boolean, now: number): readonly Finding[] {
  const { store } = loaded(keystore, partialChain)
  if (store === null) return []
  const active = store.entries.filter(({ role }) => role !== 'left-out')
  return [...store.findings.filter(({ code }) => !ofTime.has(code)), ...active.flatMap((entry) => validity(entry, now))]
}

/** The store as it was read; null where it holds no certificate that could be, or none that anchors. */
export function storeRead(keystore: RuntimeKeystore, partialChain: boolean): TrustStore | null {
  return loaded(keystore, partialChain).store
}

/** Why nothing of the store is trusted; '' where something is. */
export function storeLacks(keystore: RuntimeKeystore, partialChain: boolean): string {
  return loaded(keystore, partialChain).trust.lacks
}

const read = new WeakMap<RuntimeAlias, readonly Certificate[]>()

/** The certificates of an alias in the order given. Read once for an alias. */
export function aliasCertificates(alias: RuntimeAlias): readonly Certificate[] {
  const earlier = read.get(alias)
  if (earlier !== undefined) return earlier
  const { certificates } = readBundle(Buffer.from(alias.chain), `alias ${alias.name}`)
  read.set(alias, certificates)
  return certificates
}

const held = new WeakMap<RuntimeKeystore, Map<boolean, readonly HeldCertificate[]>>()

/** Everything that the aliases of a store hold. */
export function heldCertificates(keystore: RuntimeKeystore, partialChain: boolean): readonly HeldCertificate[] {
  const both = held.get(keystore) ?? new Map<boolean, readonly HeldCertificate[]>()
  held.set(keystore, both)
  const earlier = both.get(partialChain)
  if (earlier !== undefined) return earlier
  const anchors = new Set((storeRead(keystore, partialChain)?.anchors ?? []).map(({ sha256 }) => sha256))
  const store = storeName(keystore)
  const made = [...keystore.aliases.values()].flatMap((alias) => {
    const certificates = aliasCertificates(alias)
    const alone = certificates.length === 1
    return certificates.map((certificate): HeldCertificate => {
      return { certificate, store, alias: alias.name, alone, anchor: anchors.has(certificate.sha256) }
    })
  })
  both.set(partialChain, made)
  return made
}

/** Of validity.ts: they change without the store. */
const ofTime: ReadonlySet<Finding['code']> = new Set<Finding['code']>(['expired', 'not-yet-valid', 'expires-soon'])

const known = new WeakMap<RuntimeKeystore, Map<boolean, LoadedTrust>>()

function loaded(keystore: RuntimeKeystore, partialChain: boolean): LoadedTrust {
  const both = known.get(keystore) ?? new Map<boolean, LoadedTrust>()
  known.set(keystore, both)
  const earlier = both.get(partialChain)
  if (earlier !== undefined) return earlier
  const made = load(keystore, partialChain)
  both.set(partialChain, made)
  return made
}

function load(keystore: RuntimeKeystore, partialChain: boolean): LoadedTrust {
  const name = storeName(keystore)
  const pem = trustPem(keystore)
  if (pem.trim() === '') return { trust: { ...nothing, lacks: `store "${name}" holds no certificate` }, store: null }
  const spec = { name, sources: [{ kind: 'inline' as const, pem }], intermediates: [], partialChain }
  try {
    const store = loadTrustStore(spec, {})
    shareCertificates(keystore, store)
    return { trust: planned(store), store }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    if (error.code !== 'trust-store-empty') return { trust: { ...nothing, lacks: error.message }, store: null }
    const lacks = error.message.replace('set partialChain', 'set apigee.partialChain')
    return { trust: { ...nothing, intermediates: helpers(spec), lacks }, store: null }
  }
}

/** What was read with the store is not read again for its aliases: the same text is the same certificate. */
function shareCertificates({ aliases }: RuntimeKeystore, { entries }: TrustStore): void {
  const byText = new Map(entries.map(({ certificate }) => [certificate.pem.trim(), certificate]))
  for (const alias of aliases.values()) {
    const texts = alias.chain.trim().split(/(?<=-----END CERTIFICATE-----)\s+/)
    const certificates = texts.flatMap((text) => byText.get(text) ?? [])
    if (certificates.length === texts.length && new Set(texts).size === texts.length) read.set(alias, certificates)
  }
}

/** What a store without an anchor holds: read as if each were one, and then none is. */
function helpers(spec: Parameters<typeof loadTrustStore>[0]): readonly string[] {
  try {
    return loadTrustStore({ ...spec, partialChain: true }, {}).anchors.map(({ pem }) => pem)
  } catch (error) {
    if (error instanceof PosternError) return [] // nothing but what is left out
    throw error
  }
}

function planned(store: TrustStore): StoreTrust {
  const { anchors, intermediates, partialChain } = composeTrust([store])
  return {
    anchors: anchors.map(({ pem }) => pem),
    intermediates: intermediates.map(({ pem }) => pem),
    partialChain,
    lacks: '',
  }
}

const none: readonly string[] = []
const nothing: StoreTrust = { anchors: none, intermediates: none, partialChain: false, lacks: '' }

/** Trust of a target whose chain is not verified. */
export const noTrust: StoreTrust = nothing

/** The operating system's roots, read when they are first needed and then kept. */
export class SystemRoots {
  readonly #env: Environment
  readonly #places: SystemPlaces | undefined
  #trust: StoreTrust | null = null

  constructor(env: Environment, places?: SystemPlaces) {
    this.#env = env
    this.#places = places
  }

  trust(): StoreTrust {
    this.#trust ??= this.#read()
    return this.#trust
  }

  #read(): StoreTrust {
    const spec = { name: 'system', sources: [{ kind: 'system' as const }], intermediates: [], partialChain: false }
    try {
      return planned(loadTrustStore(spec, this.#env, this.#places === undefined ? {} : { systemPlaces: this.#places }))
    } catch (error) {
      if (error instanceof PosternError) return { ...nothing, lacks: error.message }
      throw error
    }
  }
}

const identities = new WeakMap<RuntimeAlias, Identity | PosternError>()

/** Chain and key of an alias, checked; an error where they cannot be used. Made once for an alias. */
export function aliasIdentity(keystore: RuntimeKeystore, alias: RuntimeAlias): Identity | PosternError {
  const earlier = identities.get(alias)
  if (earlier !== undefined) return earlier
  const made = readIdentity(keystore, alias)
  identities.set(alias, made)
  return made
}

function readIdentity(keystore: RuntimeKeystore, { name, chain, key }: RuntimeAlias): Identity | PosternError {
  const label = `store "${storeName(keystore)}", alias "${name}"`
  if (key === null) return refused(`${label}: has no private key`, label)
  try {
    return loadIdentity({ label, certificate: { pem: chain }, key: { pem: key } })
  } catch (error) {
    if (error instanceof PosternError) return error
    throw error
  }
}

const refused = (message: string, label: string): PosternError =>
  new PosternError('identity-refused', message, { evidence: { label } })

export function storeName({ org, env, name }: RuntimeKeystore): string {
  return `${org}/${env}/${name}`
}

function firstOf(chain: string): string {
  return /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/.exec(chain)?.[0] ?? ''
}
