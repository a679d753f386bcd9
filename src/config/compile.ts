import { networkInterfaces } from 'node:os'
import type { GenerationPlan, ListenerPlan, ProxyPlan, TargetPlan } from '../proxy/plan.ts'
import { enforcedCiphers } from './cipher-string.ts'
import { type CompileInput, identityAt } from './compile-input.ts'
import { compileTarget } from './compile-target.ts'
import { compileLogs, compileTracing } from './compile-telemetry.ts'
import type { Path } from './document.ts'
import type { ManagedFinding, ManagedProblem, TargetOrigin } from './managed-view.ts'
import type { ListenerConfig } from './schema.ts'

export interface Compiled {
  readonly plan: GenerationPlan
  readonly warnings: readonly { readonly path: Path; readonly message: string }[]
  /** Of stored objects. */
  readonly findings: readonly ManagedFinding[]
  /** Of stored objects; not empty: the plan must not be run. (I3) */
  readonly problems: readonly ManagedProblem[]
  /** Which stored objects targets were made of, by their name. */
  readonly origins: ReadonlyMap<string, TargetOrigin>
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
  const base = config.listeners.map((listener, index) => compileListener(input, listener, index))
  const stored = input.managed?.compile({ config, listeners: base, now })
  const plan: GenerationPlan = {
    generation,
    organization: config.organization,
    environment: config.environment,
    region: config.region,
    listeners: stored?.listeners ?? base,
    targets: stored === undefined ? targets : [...targets, ...stored.targets],
    proxies: Object.entries(config.proxies)
      .map(([name, proxy]): ProxyPlan => {
        const { hosts, basePath, target, revision, path, host } = proxy
        const faults = proxy.faults ?? config.faults
        const faultDetail = proxy.faultDetail ?? config.faultDetail
        return {
          key: name,
          name,
          organization: config.organization,
          environment: config.environment,
          listeners: null,
          hosts,
          basePath,
          route: { kind: 'target', target },
          revision,
          faults,
          faultDetail,
          path,
          host,
        }
      })
      .concat(stored?.proxies ?? []),
    logs: compileLogs(input),
    diagnosis: { live: config.diagnosis.live, waitMs: config.diagnosis.wait },
    monitoring: config.management !== undefined || config.otlp?.metrics !== undefined,
    tracing: compileTracing(input),
    drains: stored?.drains ?? {},
    trustChanged: stored?.trustChanged ?? false,
  }
  return {
    plan,
    warnings,
    findings: stored?.findings ?? [],
    problems: stored?.problems ?? [],
    origins: stored?.origins ?? new Map<string, TargetOrigin>(),
    nextExceptionEnd: ends.length === 0 ? null : Math.min(...ends),
  }
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
            // RFC 9113 section 9.2: never below TLS 1.2
            alpn: tls.alpn.filter((name) => name !== 'h2' || tls.maxVersion >= 'TLSv1.2'),
            clientAnchors: null,
          },
    h2c: listener.h2c,
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
