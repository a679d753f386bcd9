import { isIP } from 'node:net'
import type {
  BreakerPlan,
  EgressPlan,
  EjectionPlan,
  HealthPlan,
  RetryPlan,
  RevocationPlan,
  ServerPlan,
  TargetPlan,
  TargetTlsPlan,
  TlsException,
} from '../proxy/plan.ts'
import type { CrlStore } from '../trust/crl-store.ts'
import { composeTrust, snapshotId } from '../trust/snapshot.ts'
import type { TrustStore } from '../trust/store.ts'
import { parseTargetUrl, type TargetAddress } from './addresses.ts'
import { enforcedCiphers } from './cipher-string.ts'
import { type CompileInput, identityAt } from './compile-input.ts'
import type { Path } from './document.ts'
import { endpointText } from './endpoints.ts'
import { printPath } from './raw.ts'
import type { ServerConfig, TargetConfig } from './schema.ts'
import { Retries } from './schema-resilience.ts'

type TargetTlsConfig = NonNullable<TargetConfig['tls']>

/** A target with its servers, each of them complete. */
export function compileTarget(input: CompileInput, name: string, target: TargetConfig): TargetPlan {
  const url = parseTargetUrl(target.url)
  if (url === null) throw new TypeError(`targets.${name}.url passed the schema and is no URL`)
  const { scheme, host, port, pathPrefix } = url
  const authority = endpointText({ host, port: port === (scheme === 'https' ? 443 : 80) ? null : port })
  const tls = scheme === 'https' ? compileTargetTls(input, name, host, target.tls) : null
  const servers = compileServers(input, name, target, url, tls)
  return {
    name,
    scheme,
    pathPrefix,
    authority,
    tls,
    servers,
    balance: target.balance ?? (servers.some(({ weight }) => weight !== 1) ? 'weighted' : 'round-robin'),
    health: compileHealth(target.health, authority),
    ejection: compileEjection(target.ejection),
    retries: compileRetries(target.retries),
    breaker: compileBreaker(target.breaker),
  }
}

/** The servers that the configuration lists, or else the one that the URL names. */
function compileServers(
  input: CompileInput,
  target: string,
  { servers, h2c, timeouts, limits, dns, egress }: TargetConfig,
  url: TargetAddress,
  tls: TargetTlsPlan | null,
): ServerPlan[] {
  const common = {
    target,
    scheme: url.scheme,
    h2c,
    timeouts: {
      connectMs: timeouts.connect,
      handshakeMs: timeouts.handshake,
      firstByteMs: timeouts.firstByte,
      bodyIdleMs: timeouts.bodyIdle,
      keepAliveMs: timeouts.keepAlive,
      drainMs: input.config.drain.timeout,
    },
    limits,
    dns: { servers: dns.servers, refreshMs: dns.refresh },
    egress: compileEgress(input, target, egress),
    authority: null,
  }
  const listed: readonly ServerConfig[] = servers ?? [{ address: url, weight: 1, fallback: false }]
  return listed.map(({ name, address, serverName, weight, fallback }) => {
    const { host } = address
    const port = address.port ?? url.port
    return {
      ...common,
      name: name ?? endpointText({ host, port }),
      host,
      port,
      tls: tls === null || serverName === undefined ? tls : withName(tls, serverName),
      weight,
      fallback,
    }
  })
}

function compileEgress(input: CompileInput, target: string, egress: TargetConfig['egress']): EgressPlan | null {
  if (egress === undefined) return null
  const { url, user, password, authorization } = egress
  const path = ['targets', target, 'egress']
  if (authorization !== undefined) return { ...url, authorization: secretAt(input, [...path, 'authorization']) }
  if (user === undefined || password === undefined) return { ...url, authorization: null }
  return { ...url, authorization: basicCredentials(user, secretAt(input, [...path, 'password'])) }
}

/** RFC 7617 section 2. */
function basicCredentials(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`
}

function secretAt({ secrets }: CompileInput, path: Path): string {
  const secret = secrets.get(printPath(path))
  if (secret === undefined) throw new TypeError(`the secret of ${printPath(path)} has not been read`)
  return secret
}

function compileHealth(health: TargetConfig['health'], authority: string): HealthPlan | null {
  if (health === undefined) return null
  const { http, interval, timeout, healthyAfter, unhealthyAfter } = health
  return {
    check:
      http === undefined
        ? { kind: 'tcp' }
        : { kind: 'http', ...http, host: http.host ?? authority, headers: '', body: '', expectHeaders: [] },
    port: null,
    intervalMs: interval,
    timeoutMs: timeout,
    healthyAfter,
    unhealthyAfter,
  }
}

function compileEjection(ejection: TargetConfig['ejection']): EjectionPlan | null {
  if (ejection === undefined) return null
  const { base, max, ...rest } = ejection
  return { ...rest, baseMs: base, maxMs: max }
}

function compileRetries(retries: TargetConfig['retries'] = noRetries): RetryPlan {
  const { attempts, on, statuses, methods, budget } = retries
  return {
    attempts,
    on: statuses.length === 0 ? on : [...on, 'status'],
    statuses,
    methods,
    budgetPercent: budget.percent,
    budgetMinPerSecond: budget.minPerSecond,
  }
}

const noRetries = Retries.parse({ attempts: 0 })

function compileBreaker(breaker: TargetConfig['breaker']): BreakerPlan | null {
  if (breaker === undefined) return null
  const { window, open, ...rest } = breaker
  return { ...rest, windowMs: window, openMs: open }
}

function compileTargetTls(input: CompileInput, name: string, host: string, tls: TargetConfig['tls']): TargetTlsPlan {
  // the loader refuses an https target without `tls`; never degrade to plain (I1)
  if (tls === undefined) throw new TypeError(`targets.${name} is https and has no tls`)
  const trust = sharedTrust(input, tls.trust)
  const exceptions = tls.exceptions
    .map(({ until, ...rest }): TlsException => ({ ...rest, until: until ?? null }))
    .filter(({ until }) => until === null || until > input.now)
  const identity = tls.clientCertificate && identityAt(input, ['targets', name, 'tls', 'clientCertificate'])
  const plan: Omit<TargetTlsPlan, 'snapshotId'> = {
    ...trust,
    serverName: tls.serverName ?? (isIP(host) === 0 ? host : null),
    verifyNames: tls.subjectAltNames ?? [tls.serverName ?? host],
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: tls.ciphers === undefined ? null : enforcedCiphers(tls.ciphers),
    alpn: tls.alpn,
    clientCertificate: identity === undefined ? null : { chain: identity.chain, key: identity.key },
    skipChain: exceptions.some(({ skip }) => skip === 'chain'),
    skipName: exceptions.some(({ skip }) => skip === 'name'),
    exceptions,
    resumption: tls.resumption,
    revocation: compileRevocation(input, tls),
    onTrustChange: tls.onTrustChange,
  }
  return { snapshotId: snapshotId(plan), ...plan }
}

/** The same trust for a server that has a name of its own: another way of checking, so another snapshot (I2). */
function withName(tls: TargetTlsPlan, serverName: string): TargetTlsPlan {
  const plan = { ...tls, serverName, verifyNames: [serverName] }
  return { ...plan, snapshotId: snapshotId(plan) }
}

function compileRevocation({ crlStores }: CompileInput, { revocation, crls }: TargetTlsConfig): RevocationPlan {
  return revocation === 'crl' ? { mode: 'crl', crls: sharedCrls(crlStores, crls) } : { mode: revocation }
}

const sharedLists = new WeakMap<ReadonlyMap<string, CrlStore>, Map<string, readonly string[]>>()

/** As `sharedTrust`: lists can have megabytes. */
function sharedCrls(stores: ReadonlyMap<string, CrlStore>, names: readonly string[]): readonly string[] {
  const known = sharedLists.get(stores) ?? new Map<string, readonly string[]>()
  sharedLists.set(stores, known)
  const key = names.toSorted().join(' ')
  const earlier = known.get(key)
  if (earlier) return earlier
  const pems = names.flatMap((name) => {
    const store = stores.get(name)
    if (!store) throw new TypeError(`CRL store "${name}" has not been loaded`)
    return store.lists.map(({ pem }) => pem)
  })
  // By content: the order of files is nobody's intention, and two stores may hold the same list.
  const lists = [...new Set(pems)].sort()
  known.set(key, lists)
  return lists
}

interface PemTrust {
  readonly anchors: readonly string[]
  readonly intermediates: readonly string[]
  readonly partialChain: boolean
}

const shared = new WeakMap<ReadonlyMap<string, TrustStore>, Map<string, PemTrust>>()

/** Targets that trust the same stores share one list: posted to a worker, a shared list is copied once. */
function sharedTrust({ stores }: CompileInput, names: readonly string[]): PemTrust {
  const known = shared.get(stores) ?? new Map<string, PemTrust>()
  shared.set(stores, known)
  const key = names.toSorted().join(' ')
  const earlier = known.get(key)
  if (earlier) return earlier
  const composed = composeTrust(
    names.map((name) => {
      const store = stores.get(name)
      if (!store) throw new TypeError(`trust store "${name}" has not been loaded`)
      return store
    }),
  )
  const trust = {
    anchors: composed.anchors.map(({ pem }) => pem),
    intermediates: composed.intermediates.map(({ pem }) => pem),
    partialChain: composed.partialChain,
  }
  known.set(key, trust)
  return trust
}
