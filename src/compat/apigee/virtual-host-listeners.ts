import type { Home, ManagedBase } from '../../config/managed-view.ts'
import { PosternError } from '../../core/errors.ts'
import type { ListenerPlan, ServerCertificatePlan } from '../../proxy/plan.ts'
import type { SslInfo, VirtualHostBody } from '../../state/kinds.ts'
import { find, type Notes, refuse } from './compile-notes.ts'
import { openedListener } from './opened-listener.ts'
import { planVersions } from './ssl-info-versions.ts'
import { findStore, type StateLookups } from './state-lookups.ts'
import { aliasIdentity, storeName, storeTrust } from './store-trust.ts'

/** A virtual host, and how its stores are looked up. */
export interface NamedVirtualHost {
  /** `ORG/ENV/NAME` */
  readonly key: string
  readonly name: string
  readonly home: Home
  readonly body: VirtualHostBody
  readonly lookups: StateLookups
  /** A deployed proxy endpoint names it. */
  readonly isUsed: boolean
}

export interface ServedVirtualHosts {
  readonly listeners: readonly ListenerPlan[]
  /** Names of listeners by virtual host, `ORG/ENV/NAME`; none for one that is not served. */
  readonly served: ReadonlyMap<string, readonly string[]>
}

/**
 * Which listeners serve which virtual host. A virtual host is never served with less than it asks for: not without TLS, not
 * without its certificate, not without the check of clients.
 */
export function serveVirtualHosts(
  base: ManagedBase,
  hosts: readonly NamedVirtualHost[],
  notes: Notes,
): ServedVirtualHosts {
  const listeners = new Map(base.listeners.map((listener) => [listener.name, listener]))
  const opened = new Map<number, Opened>()
  const served = new Map<string, readonly string[]>()
  for (const host of hosts) {
    const matching = listenersOf(base, host)
    if (matching.length > 0) served.set(host.key, serveOn(listeners, matching, host, notes))
    else if (base.config.apigee.virtualHosts === 'open') served.set(host.key, serveOpened(base, opened, host, notes))
    else notServed(notes, host, noListener(host))
  }
  return { listeners: [...listeners.values(), ...[...opened.values()].map(({ listener }) => listener)], served }
}

/**
 * `default` and `secure` as a start has made them stand for the first plain listener of the configuration and the first with
 * TLS, whatever port that has by now. One that somebody changed has the port that was meant.
 */
export function followsConfiguration(name: string, { createdBy, lastModifiedBy }: VirtualHostBody): boolean {
  return (name === 'default' || name === 'secure') && createdBy === 'system' && lastModifiedBy === 'system'
}

function listenersOf({ listeners }: ManagedBase, host: NamedVirtualHost): readonly ListenerPlan[] {
  if (!followsConfiguration(host.name, host.body)) return listeners.filter((listener) => hasPort(listener, host))
  const ofKind = listeners.filter(({ tls }) => (tls !== null) === (host.name === 'secure'))
  return ofKind.filter(({ port }) => port === ofKind[0]?.port)
}

function noListener({ name, body }: NamedVirtualHost): string {
  if (!followsConfiguration(name, body)) return `no listener has port ${body.port}`
  return `the configuration has no listener ${name === 'secure' ? 'with' : 'without'} TLS`
}

/**
 * A listener with port 0 gets its port from the system when it opens, and virtual hosts are seeded before that, with the
 * port of the file. So such a listener serves the hosts that were seeded for it: `default` without TLS, `secure` with it.
 */
function hasPort({ port, tls }: ListenerPlan, { name, body }: NamedVirtualHost): boolean {
  if (port !== 0) return port === body.port
  return name === (tls === null ? 'default' : 'secure')
}

/** @returns names of those that serve it */
function serveOn(
  listeners: Map<string, ListenerPlan>,
  matching: readonly ListenerPlan[],
  host: NamedVirtualHost,
  notes: Notes,
): readonly string[] {
  const { sslInfo } = host.body
  const wantsTls = sslInfo?.enabled === true
  // Without an SSLInfo it is the listener that decides.
  const plain = sslInfo !== null && !wantsTls
  if (wantsTls && sslInfo.clientAuthEnabled) {
    const names = matching.map(({ name }) => name).join(', ')
    const message = `it asks clients for certificates, which the listener of the configuration with its port (${names}) does not; give it a port of its own with apigee.virtualHosts: open`
    notServed(notes, host, message)
    return []
  }
  const identity = wantsTls ? serverCertificate(notes, host, sslInfo) : null
  if (identity === 'refused') return []
  const names: string[] = []
  for (const { name, tls } of matching) {
    if (wantsTls && tls === null) notServed(notes, host, `it has an SSLInfo, and the listener ${name} is without TLS`)
    else if (plain && tls !== null) notServed(notes, host, `it is without TLS, and the listener ${name} has it`)
    else {
      if (identity !== null) addCertificate(listeners, name, identity)
      names.push(name)
    }
  }
  if (names.length > 0 && wantsTls && sslInfo.protocols.length + sslInfo.ciphers.length > 0) {
    const message = `its Protocols and Ciphers are not used: those of the listener ${names.join(', ')} hold`
    find(notes, 'virtual-host-shares-listener', 'warning', objectOf(host), message)
  }
  return names
}

function addCertificate(listeners: Map<string, ListenerPlan>, name: string, certificate: ServerCertificatePlan): void {
  const listener = listeners.get(name)
  if (listener === undefined || listener.tls === null) return
  listeners.set(name, withCertificate(listener, listener.tls, certificate))
}

/** After those that are there: the first answers clients without a name, and stays it. */
function withCertificate(
  listener: ListenerPlan,
  tls: NonNullable<ListenerPlan['tls']>,
  certificate: ServerCertificatePlan,
): ListenerPlan {
  const same = tls.certificates.some(({ chain, key }) => chain === certificate.chain && key === certificate.key)
  return same ? listener : { ...listener, tls: { ...tls, certificates: [...tls.certificates, certificate] } }
}

/** A listener that is there for virtual hosts alone, and the one that it was opened for. */
interface Opened {
  readonly listener: ListenerPlan
  readonly first: NamedVirtualHost
}

function serveOpened(
  base: ManagedBase,
  opened: Map<number, Opened>,
  host: NamedVirtualHost,
  notes: Notes,
): readonly string[] {
  const { port } = host.body
  const sslInfo = host.body.sslInfo?.enabled === true ? host.body.sslInfo : null
  const made = sslInfo === null ? openedListener(port, null) : secureListener(base, host, sslInfo, notes)
  if (made === null) return []
  const listener = { ...made, name: freeName(base, made.name) }
  const earlier = opened.get(port)
  if (earlier === undefined) {
    opened.set(port, { listener, first: host })
    return [listener.name]
  }
  const conflict = conflictOf(earlier.listener, listener)
  if (conflict === 'clients') {
    const message = `virtual host ${earlier.first.key} has the same port, ${port}, and they do not ask clients for the same certificates`
    refuse(notes, 'client-auth-conflict', objectOf(host), message)
    return []
  }
  if (conflict === 'tls') {
    notServed(
      notes,
      host,
      `virtual host ${earlier.first.key} has the same port, ${port}, and one of them is without TLS`,
    )
    return []
  }
  if (conflict === 'versions') {
    const message = `its Protocols and Ciphers are not used: those of virtual host ${earlier.first.key} hold, which has the same port`
    find(notes, 'virtual-host-shares-listener', 'warning', objectOf(host), message)
  }
  const { tls } = earlier.listener
  const [certificate] = listener.tls?.certificates ?? []
  const both =
    tls === null || certificate === undefined ? earlier.listener : withCertificate(earlier.listener, tls, certificate)
  opened.set(port, { ...earlier, listener: both })
  return [both.name]
}

/** Listeners are known by their names, and the file may have one that is called so, with another port. */
function freeName({ listeners }: Pick<ManagedBase, 'listeners'>, name: string): string {
  return listeners.some((listener) => listener.name === name) ? freeName({ listeners }, `${name}-opened`) : name
}

function conflictOf({ tls: one }: ListenerPlan, { tls: other }: ListenerPlan): 'tls' | 'clients' | 'versions' | null {
  if (one === null || other === null) return one === other ? null : 'tls'
  const anchors = [one, other].map(({ clientAnchors }) => JSON.stringify(clientAnchors?.toSorted() ?? null))
  if (anchors[0] !== anchors[1]) return 'clients'
  const same =
    one.minVersion === other.minVersion && one.maxVersion === other.maxVersion && one.ciphers === other.ciphers
  return same ? null : 'versions'
}

function secureListener(
  base: ManagedBase,
  host: NamedVirtualHost,
  sslInfo: SslInfo,
  notes: Notes,
): ListenerPlan | null {
  const certificate = serverCertificate(notes, host, sslInfo)
  if (certificate === null) {
    notServed(notes, host, 'no listener has its port, and it names no KeyStore and KeyAlias to open one with')
    return null
  }
  const versions = planVersions(sslInfo, objectOf(host), notes)
  const anchors = clientAnchors(base, host, sslInfo, notes)
  if (certificate === 'refused' || versions === null || anchors === undefined) return null
  return openedListener(host.body.port, { certificate, versions, clientAnchors: anchors })
}

/** @returns null: it names none */
function serverCertificate(
  notes: Notes,
  host: NamedVirtualHost,
  { keyStore, keyAlias }: SslInfo,
): ServerCertificatePlan | null | 'refused' {
  if (keyStore === null && keyAlias === null) return null
  const refused = (code: string, message: string): 'refused' => {
    refuse(notes, code, objectOf(host), message)
    return 'refused'
  }
  if (keyStore === null || keyAlias === null) {
    return refused('virtual-host-without-key', 'its SSLInfo names only one of KeyStore and KeyAlias')
  }
  const named = findStore(host.lookups, host.home, keyStore)
  if (!named.found) return refused('key-store-unknown', `KeyStore ${keyStore}: ${named.why}`)
  const alias = named.store.aliases.get(keyAlias)
  if (alias === undefined) {
    return refused('key-alias-unknown', `store ${storeName(named.store)} has no alias "${keyAlias}"`)
  }
  const identity = aliasIdentity(named.store, alias)
  if (identity instanceof PosternError) return refused('key-alias-unusable', identity.message)
  const { names, chain, key } = identity
  return { names: names.length > 0 ? names : host.body.hostAliases, chain, key }
}

/** @returns null: clients are not asked; undefined: refused */
function clientAnchors(
  { config }: ManagedBase,
  host: NamedVirtualHost,
  { clientAuthEnabled, trustStore }: SslInfo,
  notes: Notes,
): readonly string[] | null | undefined {
  if (!clientAuthEnabled) return null
  const refused = (code: string, message: string): undefined => void refuse(notes, code, objectOf(host), message)
  if (trustStore === null)
    return refused('client-auth-incomplete', 'ClientAuthEnabled is true and there is no TrustStore')
  const named = findStore(host.lookups, host.home, trustStore)
  if (!named.found) return refused('trust-store-unknown', `TrustStore ${trustStore}: ${named.why}`)
  const { anchors, lacks } = storeTrust(named.store, config.apigee.partialChain)
  return lacks === '' ? anchors : refused('trust-store-without-anchor', `no client could be let in: ${lacks}`)
}

function notServed(notes: Notes, host: NamedVirtualHost, why: string): void {
  find(notes, 'virtual-host-not-served', host.isUsed ? 'warning' : 'info', objectOf(host), `is not served: ${why}`)
}

/** `acme/test/virtualhosts/secure` */
function objectOf({ home, name }: NamedVirtualHost): string {
  return `${home.organization}/${home.environment}/virtualhosts/${name}`
}
