import { resolve } from 'node:path'
import { configContext, knownCertificates, storeContext } from '../diagnosis/config-context.ts'
import type { RemedyBase } from '../diagnosis/diagnose.ts'
import type { KnownCertificate } from '../judge/types.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { loadIdentity } from '../trust/identity.ts'
import type { Environment } from '../trust/source.ts'
import type { TrustStore } from '../trust/store.ts'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { commandName } from './command-name.ts'
import type { CheckedServer } from '../diagnosis/report-json.ts'
import { type CheckOptions, hasAdHocSettings } from './tls-check-options.ts'
import type { LoadedConfig } from './tls-config.ts'
import { type EndpointSpec, readEndpoint, usage } from './tls-endpoint.ts'
import type { ListEntry } from './tls-list.ts'
import { type AdHocEndpoint, type AdHocPlans, adHocPlans, type TrustChoice } from './tls-plans.ts'

/** A server to check, made when its turn comes: plans of a long list are not all in memory. */
export interface PlannedServer {
  plan(): CheckedServer
  context(server: ServerPlan): RemedyBase
}

export interface CheckPlan {
  readonly servers: readonly PlannedServer[]
  /** Certificates that say what is missing, wherever they are. */
  readonly known: readonly KnownCertificate[]
}

/** Everything that can be wrong with what was asked for is found here, before the first connection. */
export function planCheck(
  options: CheckOptions,
  entries: readonly ListEntry[],
  config: LoadedConfig | null,
  env: Environment,
): CheckPlan {
  const adHoc = adHocPlans(
    { trust: options.trust, identity: identityOf(options), tls: options.tls, timeoutMs: options.timeoutMs },
    config?.resolved ?? null,
    env,
  )
  const servers: PlannedServer[] = []
  let adHocEndpoints = 0
  const faults: string[] = []
  for (const entry of entries) {
    try {
      const spec = readEndpoint(entry.endpoint, config?.targets ?? null)
      if (spec.kind === 'target') servers.push(...targetServers(entry, spec.name, config, options, env))
      else {
        adHocEndpoints += 1
        servers.push(adHocServer(entry, spec, adHoc, options, config, env))
      }
    } catch (error) {
      if (codeOf(error) !== 'usage') throw error
      faults.push(entry.line === 0 ? messageOf(error) : `${options.from}:${entry.line}: ${messageOf(error)}`)
      if (faults.length === maxFaults) break
    }
  }
  if (faults.length > 0) throw usage(faults.join('\n'))
  if (adHocEndpoints === 0 && hasAdHocSettings(options)) {
    throw usage(
      'options of trust, names, client certificate and versions are for endpoints that are no target; a target is checked as it is configured',
    )
  }
  return { servers, known: knownTo(config, adHoc) }
}

/** As many as a person mends in one go. */
const maxFaults = 20

function identityOf({ identity }: CheckOptions) {
  if (identity === null) return null
  try {
    return loadIdentity({
      label: 'client certificate',
      certificate: { path: resolve(identity.certificate) },
      key: { path: resolve(identity.key) },
      purpose: 'client',
    })
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    throw usage(`--cert ${identity.certificate}: ${error.message}`)
  }
}

function targetServers(
  { entry, name, ca, stores }: ListEntry,
  target: string,
  config: LoadedConfig | null,
  { timeoutMs }: CheckOptions,
  env: Environment,
): PlannedServer[] {
  const found = config?.resolved.plan.targets.find((each) => each.name === target)
  if (config === null || found === undefined) throw new TypeError(`target ${target} was found and is not there`)
  if (name !== null || ca.length > 0 || stores.length > 0) {
    throw usage(
      `"${target}" is a target, which is checked as it is configured; name=, ca= and store= are for other endpoints`,
    )
  }
  if (found.tls === null)
    throw usage(`target ${target} is plain HTTP: it shows no certificate, so nothing can be checked`)
  const where = { configFile: config.file, posternCommand: commandName(env) }
  return found.servers.map((server) => {
    const timed =
      timeoutMs === null
        ? server
        : { ...server, timeouts: { ...server.timeouts, connectMs: timeoutMs, handshakeMs: timeoutMs } }
    return {
      plan: () => ({ entry, server: timed, target }),
      context: () => configContext(config.resolved, found, server, where),
    }
  })
}

function adHocServer(
  { entry, name, ca, stores }: ListEntry,
  spec: Extract<EndpointSpec, { kind: 'address' }>,
  adHoc: AdHocPlans,
  { serverName, verifyName, trust }: CheckOptions,
  config: LoadedConfig | null,
  env: Environment,
): PlannedServer {
  const own: TrustChoice | null =
    ca.length > 0 || stores.length > 0 ? { ca, stores, system: false, bundled: false } : null
  const endpoint: AdHocEndpoint = {
    host: spec.host,
    port: spec.port,
    serverName: name ?? serverName,
    verifyName: name === null ? verifyName : null,
    trust: own,
  }
  adHoc.prepare(own)
  return {
    plan: () => ({ entry, server: adHoc.planOf(endpoint), target: null }),
    context: (server) => adHocContext(server, (own ?? trust).stores, config, env),
  }
}

/** A store of the configuration can be changed by a command, a file of the caller's cannot. */
function adHocContext(
  { host, port, tls }: ServerPlan,
  stores: readonly string[],
  config: LoadedConfig | null,
  env: Environment,
): RemedyBase {
  const named = config === null ? [] : stores.flatMap((name) => storeContext(config.resolved, config.file, name) ?? [])
  return {
    posternCommand: commandName(env),
    configFile: config === null || named.length === 0 ? null : resolve(config.file),
    host,
    port,
    target: null,
    stores: named,
    storeNames: config === null ? [] : [...config.resolved.input.stores.keys()],
    serverName: tls?.serverName ?? null,
    verifyNames: tls?.verifyNames ?? [],
    clientCertificate: null,
    identities: [],
    minVersion: tls?.minVersion ?? 'TLSv1.2',
    maxVersion: tls?.maxVersion ?? 'TLSv1.3',
    ciphers: tls?.ciphers ?? null,
    edge: null,
    kubernetes: null,
  }
}

function knownTo(config: LoadedConfig | null, adHoc: AdHocPlans): readonly KnownCertificate[] {
  const stores = config?.resolved.input.stores ?? new Map<string, TrustStore>()
  const others = [...adHoc.stores.values()].filter(({ name }) => !stores.has(name))
  return knownCertificates(
    stores,
    others.flatMap(({ name, anchors }) => anchors.map((certificate) => ({ certificate, where: name, anchor: true }))),
  )
}
