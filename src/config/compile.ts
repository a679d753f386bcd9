import { networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import type { GenerationPlan, ListenerPlan, ProxyPlan, TargetPlan, TargetTlsPlan, TlsException } from '../proxy/plan.ts'
import type { Identity } from '../trust/identity.ts'
import { composeTrust, snapshotId } from '../trust/snapshot.ts'
import type { TrustStore } from '../trust/store.ts'
import { parseTargetUrl } from './addresses.ts'
import { enforcedCiphers } from './cipher-string.ts'
import type { Path } from './document.ts'
import { printPath } from './raw.ts'
import type { Config, ListenerConfig, TargetConfig } from './schema.ts'

export interface CompileInput {
  readonly config: Config
  /** Folder of the configuration file; relative paths start here. */
  readonly baseDirectory: string
  readonly stores: ReadonlyMap<string, TrustStore>
  /** By the place that names them, such as `targets.billing.tls.clientCertificate`. */
  readonly identities: ReadonlyMap<string, Identity>
  readonly generation: number
  /** Decides which exceptions are in force; milliseconds since the epoch. */
  readonly now: number
}

export interface Compiled {
  readonly plan: GenerationPlan
  readonly warnings: readonly { readonly path: Path; readonly message: string }[]
  /** When the next exception ends and the plan has to be made again; null: never. */
  readonly nextExceptionEnd: number | null
}

/**
 * Makes the plan that workers run from a configuration whose files have been read. Pure: the same input gives the same
 * plan, so a supervisor can make it again when an exception ends, whatever has happened to the files since (I1).
 */
export function compileGeneration(input: CompileInput): Compiled {
  const { config, generation, now } = input
  const warnings: { path: Path; message: string }[] = []
  const ends: number[] = []
  const targets = Object.entries(config.targets).map(([name, target]): TargetPlan => {
    const plan = compileTarget(input, name, target)
    for (const end of (target.tls?.exceptions ?? []).map((each) => each.until)) {
      if (end !== undefined && end > now) ends.push(end)
    }
    if (plan.tls !== null && plan.tls.anchors.length === 0 && !plan.tls.skipChain) {
      const message = 'nothing is trusted and no exception is in force: every request to this target fails'
      warnings.push({ path: ['targets', name, 'tls', 'trust'], message })
    }
    return plan
  })
  const plan: GenerationPlan = {
    generation,
    organization: config.organization,
    environment: config.environment,
    region: config.region,
    listeners: config.listeners.map((listener, index) => compileListener(input, listener, index)),
    targets,
    proxies: Object.entries(config.proxies).map(([name, proxy]): ProxyPlan => {
      const { hosts, basePath, target, revision, path, host } = proxy
      const faults = proxy.faults ?? config.faults
      const faultDetail = proxy.faultDetail ?? config.faultDetail
      return { name, hosts, basePath, target, revision, faults, faultDetail, path, host }
    }),
    logs: config.logs.map(({ format, file }) => ({
      format,
      sink: file === undefined ? { kind: 'stdout' } : { kind: 'file', path: resolve(input.baseDirectory, file) },
    })),
  }
  return { plan, warnings, nextExceptionEnd: ends.length === 0 ? null : Math.min(...ends) }
}

/** The address for `*`: `::` takes IPv4 clients too, and is refused by a system without IPv6. */
export function listenAddress(address: string): string {
  if (address !== '*') return address
  const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ family }) => family === 'IPv6'))
  return hasIpv6 ? '::' : '0.0.0.0'
}

function compileListener(input: CompileInput, listener: ListenerConfig, index: number): ListenerPlan {
  const { config } = input
  const { name, port, tls, limits, timeouts } = listener
  const identities = (tls?.certificates ?? []).map((_, at) => {
    return identityAt(input, ['listeners', index, 'tls', 'certificates', at])
  })
  return {
    name,
    address: listenAddress(listener.address),
    port,
    tls:
      tls === undefined
        ? null
        : {
            certificates: identities.map(({ names, chain, key }) => ({ names, chain, key })),
            minVersion: tls.minVersion,
            maxVersion: tls.maxVersion,
            ciphers: tls.ciphers === undefined ? null : enforcedCiphers(tls.ciphers),
          },
    probes: listener.probes,
    faults: listener.faults ?? config.faults,
    faultDetail: listener.faultDetail ?? config.faultDetail,
    limits: { ...limits, bodyBytes: limits.bodyBytes === 'unlimited' ? null : limits.bodyBytes },
    timeouts: {
      headMs: timeouts.head,
      bodyIdleMs: timeouts.bodyIdle,
      keepAliveMs: timeouts.keepAlive,
      handshakeMs: timeouts.handshake,
      tunnelIdleMs: timeouts.tunnelIdle,
    },
    forwarded: listener.forwarded,
  }
}

function compileTarget(input: CompileInput, name: string, target: TargetConfig): TargetPlan {
  const address = parseTargetUrl(target.url)
  if (address === null) throw new TypeError(`targets.${name}.url passed the schema and is no URL`)
  const { scheme, host, port, pathPrefix } = address
  const bracketed = isIP(host) === 6 ? `[${host}]` : host
  const { timeouts, limits } = target
  return {
    name,
    scheme,
    host,
    port,
    pathPrefix,
    authority: port === (scheme === 'https' ? 443 : 80) ? bracketed : `${bracketed}:${port}`,
    tls: scheme === 'https' ? compileTargetTls(input, name, host, target.tls) : null,
    timeouts: {
      connectMs: timeouts.connect,
      handshakeMs: timeouts.handshake,
      firstByteMs: timeouts.firstByte,
      bodyIdleMs: timeouts.bodyIdle,
      keepAliveMs: timeouts.keepAlive,
      drainMs: input.config.drain.timeout,
    },
    limits,
  }
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
    onTrustChange: tls.onTrustChange,
  }
  return { snapshotId: snapshotId(plan), ...plan }
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

function identityAt({ identities }: CompileInput, path: Path): Identity {
  const identity = identities.get(printPath(path))
  if (!identity) throw new TypeError(`the certificate and key of ${printPath(path)} have not been loaded`)
  return identity
}
