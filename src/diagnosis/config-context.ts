import { dirname, resolve } from 'node:path'
import type { TargetOrigin } from '../config/managed-view.ts'
import type { ResolvedOk } from '../config/resolve.ts'
import { managedSource, namesManagedStores, targetIsManaged } from '../config/managed-names.ts'
import { printPath } from '../config/raw.ts'
import type { KnownCertificate } from '../judge/types.ts'
import type { ServerPlan, TargetPlan } from '../proxy/plan.ts'
import { trustStoreSpec } from '../config/trust-specs.ts'
import { readSource, type SourceSpec } from '../trust/source.ts'
import type { TrustStore } from '../trust/store.ts'
import type { IdentityContext, StoreContext, StoreSource } from '../verdict/remedy-context.ts'
import { shellWord } from '../verdict/shell.ts'
import { isoDate } from '../judge/certificate-ref.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import { readBundle } from '../x509/pem.ts'
import type { RemedyBase } from './diagnose.ts'

export interface ContextPlace {
  readonly configFile: string
  readonly posternCommand: string
  /** URL of the management API; null: there is none. */
  readonly management?: () => string | null
}

/** What remedies can say of a server of a configured target: whose file, which store, which identities. */
export function configContext(
  resolved: ResolvedOk,
  target: TargetPlan,
  server: ServerPlan,
  where: ContextPlace,
): RemedyBase {
  const origin = resolved.origins.get(target.name)
  if (origin !== undefined) return storedContext(resolved, origin, target, server, where)
  const { config } = resolved
  const { tls, url } = config.targets[target.name] ?? {}
  const at = config.targets[target.name]?.servers?.findIndex(({ serverName }, index) => {
    return serverName !== undefined && target.servers[index]?.name === server.name
  })
  const own = at === undefined || at === -1 ? null : at
  return {
    posternCommand: where.posternCommand,
    configFile: resolve(where.configFile),
    host: server.host,
    port: server.port,
    target: {
      name: target.name,
      url: url ?? '',
      serverNamePath: printPath(
        own === null
          ? ['targets', target.name, 'tls', 'serverName']
          : ['targets', target.name, 'servers', own, 'serverName'],
      ),
      hasSubjectAltNames: (tls?.subjectAltNames ?? []).length > 0,
    },
    stores: (tls?.trust ?? []).flatMap((name) => storeContext(resolved, where.configFile, name) ?? []),
    storeNames: Object.keys(config.trustStores),
    ...handshakeContext(server),
    clientCertificate: identityOf(resolved, target.name),
    identities: identitiesOf(resolved),
    edge: managedEdge(resolved, target.name, where),
    kubernetes: null,
    ...adminContext(resolved, where),
  }
}

/** No place of the file decides about a target that is made of stored objects; the management API does. */
function storedContext(
  resolved: ResolvedOk,
  { organization, environment, servers }: TargetOrigin,
  target: TargetPlan,
  server: ServerPlan,
  where: ContextPlace,
): RemedyBase {
  const { configFile, posternCommand, management } = where
  const { trustStore, keyStore } = servers.get(server.name) ?? { trustStore: null, keyStore: null }
  const url = management?.() ?? null
  const stored = {
    target: target.name,
    trustStore: trustStore?.store.split('/').at(-1) ?? null,
    ...(trustStore === null ? {} : { written: trustStore.written }),
  }
  return {
    posternCommand,
    configFile: resolve(configFile),
    host: server.host,
    port: server.port,
    target: null,
    stores: [],
    storeNames: Object.keys(resolved.config.trustStores),
    ...handshakeContext(server),
    clientCertificate: keyStore === null ? null : storedIdentity(server, `${keyStore.store}/${keyStore.alias}`),
    identities: [],
    edge: url === null ? null : { url, organization, environment, stored },
    kubernetes: null,
    ...adminContext(resolved, where),
  }
}

/** The command that shows a target again: of the gateway itself, where what it trusts is in no file. Throws `unquotable`. */
export function lookCommand(
  { origins, config }: ResolvedOk,
  target: string,
  { configFile, posternCommand, management }: ContextPlace,
): string {
  const url = origins.has(target) || targetIsManaged(config, target) ? (management?.() ?? null) : null
  const where = url === null ? `-c ${shellWord(resolve(configFile))}` : `--admin ${shellWord(url)}`
  return `${posternCommand} tls check ${where} ${shellWord(target)}`
}

/** Where commands that read the file get what it only names. */
function adminContext({ config }: ResolvedOk, { management }: ContextPlace): { admin?: string } {
  const url = namesManagedStores(config) ? (management?.() ?? null) : null
  return url === null ? {} : { admin: url }
}

/** `trust add` can change it: it refuses a store that it cannot read whole. */
function isOfFiles(config: ResolvedOk['config'], name: string): boolean {
  const sources = config.trustStores[name]?.sources ?? []
  return managedSource(config, name) === null && sources.some((each) => 'file' in each || 'directory' in each)
}

/** The managed store behind the trust of a configured target; null where a file of it can be changed, or there is none. */
function managedEdge({ config, input }: ResolvedOk, target: string, { management }: ContextPlace): RemedyBase['edge'] {
  const url = management?.() ?? null
  const names = config.targets[target]?.tls?.trust ?? []
  if (url === null || names.some((name) => isOfFiles(config, name))) return null
  for (const name of names) {
    const written = managedSource(config, name)
    const store = written === null ? null : input.managed?.trustStore(written, config)?.store
    if (written === null || store == null) continue
    const [organization = '', environment = '', trustStore = ''] = store.split('/')
    return { url, organization, environment, stored: { target, trustStore, written } }
  }
  return null
}

function handshakeContext({ tls }: ServerPlan) {
  return {
    serverName: tls?.serverName ?? null,
    verifyNames: tls?.verifyNames ?? [],
    minVersion: tls?.minVersion ?? ('TLSv1.2' as const),
    maxVersion: tls?.maxVersion ?? ('TLSv1.3' as const),
    ciphers: tls?.ciphers ?? null,
  }
}

function storedIdentity({ tls }: ServerPlan, place: string): IdentityContext | null {
  const chain = tls?.clientCertificate?.chain
  if (chain === undefined) return null
  const { certificates } = readBundle(Buffer.from(chain), place)
  return identityContext(certificates, { certificateFile: place, keyFile: place })
}

/** What the stores of the management API hold, for `knownCertificates`. */
export function storedCertificates(
  { config, input }: ResolvedOk,
  organization: string | null = null,
): readonly KnownCertificate[] {
  const { managed } = input
  if (managed === null) return []
  const held = managed
    .certificates(config.apigee.partialChain)
    .filter(({ store }) => organization === null || store.startsWith(`${organization}/`))
  return held.map(({ certificate, store, alias, alone, anchor }) => ({
    certificate,
    where: `managed store ${store}, alias ${alias}`,
    anchor,
    ...(alone ? { stored: { store, alias } } : {}),
  }))
}

/**
 * What stores and the runtime hold, as evidence for what a chain lacks; the most telling place of a certificate first.
 * `others` are of stores that no configuration has.
 */
export function knownCertificates(
  stores: ReadonlyMap<string, TrustStore>,
  others: readonly KnownCertificate[] = [],
): readonly KnownCertificate[] {
  const known = [...knownOfStores(stores), ...others]
  const held = new Set(known.map(({ certificate }) => certificate.sha256))
  return [...known, ...publicRoots().filter(({ certificate }) => !held.has(certificate.sha256))]
}

let roots: readonly KnownCertificate[] | null = null

/** Those that come with the runtime. */
function publicRoots(): readonly KnownCertificate[] {
  roots ??= readSource({ kind: 'bundled' }, {}).entries.map(({ certificate }) => {
    return { certificate, where: 'the public roots', anchor: true }
  })
  return roots
}

/** Everything that the configuration's stores hold. */
function knownOfStores(stores: ReadonlyMap<string, TrustStore>): readonly KnownCertificate[] {
  return [...stores.values()].flatMap((store) =>
    store.entries.map(({ certificate, role, provenance }) => ({
      certificate,
      where: `trust store ${store.name}`,
      anchor: role === 'anchor',
      ...(provenance.path === null ? {} : { file: resolve(provenance.path) }),
    })),
  )
}

export function storeContext(resolved: ResolvedOk, configFile: string, name: string): StoreContext | null {
  const config = resolved.config.trustStores[name]
  if (config === undefined) return null
  const spec = trustStoreSpec(name, config, dirname(resolve(configFile)))
  return {
    name,
    sources: spec.sources.map(storeSource),
    intermediates: spec.intermediates.map(storeSource),
    partialChain: spec.partialChain,
    anchors: resolved.input.stores.get(name)?.anchors.length ?? 0,
  }
}

function storeSource(source: SourceSpec): StoreSource {
  return { kind: source.kind, path: 'path' in source ? source.path : null }
}

/** The identities that targets show, each once. */
function identitiesOf({ config, input }: ResolvedOk): readonly IdentityContext[] {
  const found = new Map<string, IdentityContext>()
  for (const name of Object.keys(config.targets)) {
    // One that has ended would only be refused in another way.
    if ((input.identities.get(clientCertificatePath(name))?.leaf.notAfter ?? 0) < input.now) continue
    const identity = identityOf({ config, input }, name)
    if (identity !== null) found.set(identity.certificateFile, identity)
  }
  return [...found.values()]
}

function identityOf({ config, input }: Pick<ResolvedOk, 'config' | 'input'>, target: string): IdentityContext | null {
  const files = config.targets[target]?.tls?.clientCertificate
  const identity = input.identities.get(clientCertificatePath(target))
  if (files === undefined || identity === undefined) return null
  const place =
    'keyStore' in files
      ? { certificateFile: `${files.keyStore}/${files.alias}`, keyFile: `${files.keyStore}/${files.alias}` }
      : {
          certificateFile: resolve(input.baseDirectory, files.certificate),
          keyFile: resolve(input.baseDirectory, files.key),
        }
  return identityContext(identity.certificates, place)
}

function identityContext(
  certificates: readonly Certificate[],
  place: Pick<IdentityContext, 'certificateFile' | 'keyFile'>,
): IdentityContext | null {
  const [leaf] = certificates
  if (leaf === undefined) return null
  return {
    ...place,
    subject: renderName(leaf.subject, 'edge'),
    issuers: [...new Set(certificates.map(({ issuer }) => renderName(issuer, 'edge')))],
    notAfter: isoDate(leaf.notAfter),
  }
}

function clientCertificatePath(target: string): string {
  return printPath(['targets', target, 'tls', 'clientCertificate'])
}
