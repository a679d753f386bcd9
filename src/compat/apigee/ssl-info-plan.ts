import { isIP } from 'node:net'
import { isDnsName } from '../../config/addresses.ts'
import type { Home, TargetOrigin } from '../../config/managed-view.ts'
import type { Config } from '../../config/schema.ts'
import { TargetTls } from '../../config/schema-tls.ts'
import { PosternError } from '../../core/errors.ts'
import { isTemplate } from '../../flow/template.ts'
import type { TargetTlsPlan, TlsException } from '../../proxy/plan.ts'
import type { SslInfo } from '../../state/kinds.ts'
import { snapshotId } from '../../trust/snapshot.ts'
import { find, type Notes, refuse } from './compile-notes.ts'
import type { RuntimeDeployment } from './runtime-state.ts'
import { planVersions } from './ssl-info-versions.ts'
import { findStore, referencePrefix, type StateLookups } from './state-lookups.ts'
import { aliasIdentity, noTrust, storeName, type StoreTrust, storeTrust, type SystemRoots } from './store-trust.ts'

/** What compiling one deployment goes by. */
export interface CompileContext {
  readonly home: Home
  readonly deployment: Pick<RuntimeDeployment, 'org' | 'env' | 'api' | 'revision'>
  /** Filled: which stored objects the targets are made of. */
  readonly origins: Map<string, TargetOrigin>
  readonly lookups: StateLookups
  readonly notes: Notes
  readonly system: SystemRoots
  readonly settings: ApigeeSettings
}

/** Of the configuration: what a deployment's plan depends on. */
export interface ApigeeSettings {
  readonly apigee: Config['apigee']
  readonly drainMs: number
}

export interface TlsQuestion {
  /** `acme/test/apis/orders/1, target default`: for findings, and the reason of exceptions. */
  readonly object: string
  /** As dialled: DNS name or IP literal. */
  readonly host: string
  /** null where there is none, or it is not enabled. */
  readonly sslInfo: SslInfo | null
  readonly alpn?: readonly string[]
}

const defaults = TargetTls.parse({})

/**
 * How a backend is verified and as whom the gateway shows itself to it (apigee-edge.md section 2). `strict`: chain and name,
 * always. `edge`: what Edge checks, each weakening as an exception of the target and a finding (I1). The name is checked
 * in every case. @returns null where it was refused
 */
export function planTargetTls(context: CompileContext, question: TlsQuestion): TargetTlsPlan | null {
  const { notes } = context
  const { object, host, sslInfo } = question
  const versions = planVersions(sslInfo, object, notes)
  const trusted = planTrust(context, question)
  const identity = planIdentity(context, question)
  if (versions === null || trusted === null || identity === undefined) return null
  for (const element of sslInfo?.ignored ?? []) {
    find(notes, 'ssl-info-ignored', 'warning', object, `SSLInfo: ${element} means nothing here and is not read`)
  }
  const { anchors, intermediates, partialChain } = trusted.trust
  const plan: Omit<TargetTlsPlan, 'snapshotId'> = {
    anchors,
    intermediates,
    partialChain,
    // RFC 6066 section 3: a name, never an address
    serverName: isIP(host) === 0 ? host : null,
    verifyNames: [expectedName(context, question)],
    ...versions,
    alpn: question.alpn ?? defaults.alpn,
    clientCertificate: identity,
    skipChain: trusted.exceptions.length > 0,
    skipName: false,
    exceptions: trusted.exceptions,
    resumption: defaults.resumption,
    revocation: { mode: 'off' },
    onTrustChange: defaults.onTrustChange,
  }
  return { snapshotId: snapshotId(plan), ...plan }
}

interface Trusted {
  readonly trust: StoreTrust
  readonly exceptions: readonly TlsException[]
}

function planTrust(context: CompileContext, question: TlsQuestion): Trusted | null {
  const { settings, notes } = context
  const { object, sslInfo } = question
  const named = sslInfo?.trustStore ?? null
  const enforced = sslInfo?.enforce === true
  const ignores = sslInfo?.ignoreValidationErrors === true && !enforced
  if (settings.apigee.compat === 'edge' && (ignores || (named === null && !enforced))) {
    const trust = named === null ? noTrust : namedTrust(context, question, named)
    if (trust === null) return null
    const what = ignores ? 'SSLInfo has IgnoreValidationErrors' : 'SSLInfo names no TrustStore'
    const reason = `${object}: ${sslInfo === null ? 'no SSLInfo is in force' : what}`
    const message = `the certificate's name is verified, its chain is not: ${reason.slice(object.length + 2)}, and apigee.compat is edge`
    find(notes, 'target-weakened', 'warning', object, message)
    return { trust, exceptions: [{ skip: 'chain', owner: 'apigee compat: edge', reason, until: null }] }
  }
  if (ignores) {
    const message = 'SSLInfo has IgnoreValidationErrors, which is not honoured: chain and name are verified'
    find(notes, 'ignore-validation-errors', 'warning', object, message)
  }
  const trust = named === null ? systemTrust(context, object) : namedTrust(context, question, named)
  return trust === null ? null : { trust, exceptions: [] }
}

function systemTrust({ system, notes }: CompileContext, object: string): StoreTrust | null {
  const trust = system.trust()
  if (trust.lacks === '') return trust
  const message = `it has no TrustStore, so the system's roots decide, and ${trust.lacks}; name a TrustStore`
  return refuse(notes, 'no-system-roots', object, message)
}

function namedTrust(
  { home, lookups, notes, settings }: CompileContext,
  { object }: TlsQuestion,
  text: string,
): StoreTrust | null {
  if (isTemplate(text)) return refuseVariable(notes, object, 'TrustStore', text)
  const named = findStore(lookups, home, text)
  if (!named.found) return refuse(notes, 'trust-store-unknown', object, `TrustStore ${text}: ${named.why}`)
  const trust = storeTrust(named.store, settings.apigee.partialChain)
  if (trust.lacks !== '') {
    // Not refused: stores are filled, and emptied, while they are in use. Nothing it presents is trusted meanwhile.
    const message = `every connection is refused: ${trust.lacks}`
    find(notes, 'trust-store-without-anchor', 'error', object, `TrustStore ${storeName(named.store)}: ${message}`)
  }
  return trust
}

/** @returns null: none is shown; undefined: refused */
function planIdentity(
  { home, lookups, notes }: CompileContext,
  { object, sslInfo }: TlsQuestion,
): TargetTlsPlan['clientCertificate'] | undefined {
  if (sslInfo?.clientAuthEnabled !== true) return null
  const { keyStore, keyAlias } = sslInfo
  const refused = (code: string, message: string): undefined => void refuse(notes, code, object, message)
  if (keyStore === null || keyAlias === null) {
    const lacking = keyStore === null ? 'KeyStore' : 'KeyAlias'
    return refused('client-auth-incomplete', `ClientAuthEnabled is true and there is no ${lacking}`)
  }
  for (const [element, text] of [
    ['KeyStore', keyStore],
    ['KeyAlias', keyAlias],
  ] as const) {
    if (isTemplate(text)) return void refuseVariable(notes, object, element, text)
  }
  if (keyAlias.startsWith(referencePrefix)) {
    return refused('key-alias-unknown', `KeyAlias ${keyAlias}: an alias is named by itself, never by a reference`)
  }
  const named = findStore(lookups, home, keyStore)
  if (!named.found) return refused('key-store-unknown', `KeyStore ${keyStore}: ${named.why}`)
  const alias = named.store.aliases.get(keyAlias)
  const store = storeName(named.store)
  if (alias === undefined) return refused('key-alias-unknown', `store ${store} has no alias "${keyAlias}"`)
  const identity = aliasIdentity(named.store, alias)
  return identity instanceof PosternError ? refused('key-alias-unusable', identity.message) : shown(identity)
}

type Identity = Exclude<ReturnType<typeof aliasIdentity>, PosternError>
const shownAs = new WeakMap<Identity, { readonly chain: string; readonly key: string }>()

/** One object for an identity: contexts are shared by it. */
function shown(identity: Identity): { readonly chain: string; readonly key: string } {
  const { chain, key } = identity
  const pair = shownAs.get(identity) ?? { chain, key }
  shownAs.set(identity, pair)
  return pair
}

function refuseVariable(notes: Notes, object: string, element: string, text: string): null {
  const message = `${element} ${text}: flow variables are for the SSLInfo of a TargetEndpoint with a URL`
  return refuse(notes, 'variable-not-allowed', object, message)
}

/** The name that the certificate must cover: the one dialled, unless CommonName gives another. */
function expectedName({ notes }: CompileContext, { object, host, sslInfo }: TlsQuestion): string {
  const name = sslInfo?.commonName?.name.trim().toLowerCase() ?? ''
  if (name === '') return host
  if (isDnsName(name) || isIP(name) !== 0) return name
  const message = `CommonName ${name} is not one name and is not used: the certificate must cover ${host}`
  find(notes, 'common-name-pattern', 'warning', object, message)
  return host
}
