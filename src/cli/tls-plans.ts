import { statSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { PosternError } from '../core/errors.ts'
import { compileTarget } from '../config/compile-target.ts'
import { endpointText } from '../config/endpoints.ts'
import type { ResolvedOk } from '../config/resolve.ts'
import { ConfigSchema, type TargetConfig } from '../config/schema.ts'
import type { ServerPlan, TargetTlsPlan } from '../proxy/plan.ts'
import type { Identity } from '../trust/identity.ts'
import { snapshotId } from '../trust/snapshot.ts'
import type { Environment, SourceSpec } from '../trust/source.ts'
import { loadTrustStore, type TrustStore } from '../trust/store.ts'
import { fileProblem } from './file-problem.ts'
import { listedSome, usage } from './tls-endpoint.ts'

/** Whom to trust where the endpoint is no target; all of it together. Nothing at all means the system's roots. */
export interface TrustChoice {
  /** Names of the configuration's stores. */
  readonly stores: readonly string[]
  /** Files or directories. */
  readonly ca: readonly string[]
  readonly system: boolean
  readonly bundled: boolean
}

/** What holds for every endpoint that is no target. */
export interface AdHocSettings {
  readonly trust: TrustChoice
  readonly identity: Identity | null
  /** The fields of a target's `tls` that the command sets. */
  readonly tls: Partial<Pick<NonNullable<TargetConfig['tls']>, 'minVersion' | 'maxVersion'>>
  /** For the connection and, as long again, for the handshake; null: a target's defaults. */
  readonly timeoutMs: number | null
}

/** One endpoint, and what is said of it alone. */
export interface AdHocEndpoint {
  readonly host: string
  readonly port: number
  /** SNI to send; and to verify unless `verifyName` is given. null: the host, where that is a name. */
  readonly serverName: string | null
  readonly verifyName: string | null
  /** null: as the settings say. */
  readonly trust: TrustChoice | null
}

/** Plans for endpoints that are no target, and the stores that were loaded for them. */
export interface AdHocPlans {
  /** Loads a choice of trust ahead of its first endpoint, so that what is wrong with it is found at the start. */
  prepare(trust: TrustChoice | null): void
  planOf(endpoint: AdHocEndpoint): ServerPlan
  /** By the name that reports call them. */
  readonly stores: ReadonlyMap<string, TrustStore>
}

/**
 * An endpoint is checked as a target would be that has nothing but its URL and these settings: compiled by the same code
 * with the same defaults (I4). Compiled once for each choice of trust; what the endpoints of a long list share, they share
 * as the same object, so that it is made ready once.
 */
export function adHocPlans(settings: AdHocSettings, config: ResolvedOk | null, env: Environment): AdHocPlans {
  const stores = new Map<string, TrustStore>()
  const templates = new Map<string, ServerPlan>()
  const templateFor = (trust: TrustChoice): ServerPlan => {
    const asked = JSON.stringify(trust)
    let template = templates.get(asked)
    if (template === undefined) {
      template = compileTemplate(storesOf(trust, stores, config, env), stores, settings)
      templates.set(asked, template)
    }
    return template
  }
  return {
    stores,
    prepare: (trust) => void templateFor(trust ?? settings.trust),
    planOf: (endpoint) => withEndpoint(templateFor(endpoint.trust ?? settings.trust), endpoint),
  }
}

/** Loads what has not been loaded yet. @returns the names under which they are among `stores` */
function storesOf(
  choice: TrustChoice,
  stores: Map<string, TrustStore>,
  config: ResolvedOk | null,
  env: Environment,
): readonly string[] {
  const load = (name: string, source: SourceSpec): string => {
    if (!stores.has(name)) stores.set(name, loadOne(name, source, env))
    return name
  }
  const names = choice.stores.map((name) => {
    const store = config?.input.stores.get(name)
    if (store === undefined) throw usage(noSuchStore(name, config))
    stores.set(name, store)
    return name
  })
  names.push(...choice.ca.map((path) => load(`file ${path}`, { kind: kindOf(path), path: resolve(path) })))
  if (choice.system || (names.length === 0 && !choice.bundled)) names.push(load('system roots', { kind: 'system' }))
  if (choice.bundled) names.push(load('bundled roots', { kind: 'bundled' }))
  return names
}

function loadOne(name: string, source: SourceSpec, env: Environment): TrustStore {
  try {
    return loadTrustStore({ name, sources: [source], intermediates: [], partialChain: false }, env)
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    const hint = source.kind === 'system' ? '; give --ca FILE, or --bundled for the public roots of the runtime' : ''
    throw usage(`${error.message}${hint}`)
  }
}

function kindOf(path: string): 'file' | 'directory' {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    throw usage(`--ca ${path}: ${fileProblem(error)}`)
  }
}

function noSuchStore(name: string, config: ResolvedOk | null): string {
  if (config === null) return `--store ${name} is a store of the configuration, and there is none: name it with -c FILE`
  return `--store ${name}: there is no such store; there are ${listedSome([...config.input.stores.keys()])}`
}

const anyName = 'endpoint'

function compileTemplate(
  trust: readonly string[],
  stores: ReadonlyMap<string, TrustStore>,
  { tls, identity, timeoutMs }: AdHocSettings,
): ServerPlan {
  const timeouts = timeoutMs === null ? {} : { connect: timeoutMs, handshake: timeoutMs }
  const config = ConfigSchema.parse({
    listeners: [{ name: 'none', port: 0 }],
    targets: { [anyName]: { url: `https://${anyName}`, tls, timeouts } },
  })
  const parsed = config.targets[anyName]
  if (parsed?.tls === undefined) throw new TypeError('a target with tls was parsed to one without')
  // The stores' names are for people here, and what `clientCertificate` would name has been read.
  const clientCertificate = identity === null ? {} : { clientCertificate: { certificate: '', key: '' } }
  const target = { ...parsed, tls: { ...parsed.tls, trust: [...trust], ...clientCertificate } }
  const identities = new Map(identity === null ? [] : [[`targets.${anyName}.tls.clientCertificate`, identity]])
  const input = {
    config,
    baseDirectory: '',
    stores,
    crlStores: new Map(),
    identities,
    secrets: new Map(),
    managed: null,
    generation: 1,
    now: Date.now(),
  }
  return compileTarget(input, anyName, target).servers[0] as ServerPlan
}

function withEndpoint(template: ServerPlan, endpoint: AdHocEndpoint): ServerPlan {
  const { host, port } = endpoint
  const name = endpointText({ host, port })
  return { ...template, target: name, name, host, port, tls: withNames(template.tls as TargetTlsPlan, endpoint) }
}

function withNames(tls: TargetTlsPlan, { host, serverName, verifyName }: AdHocEndpoint): TargetTlsPlan {
  const sent = serverName ?? (isIP(host) === 0 ? host : null)
  const plan = { ...tls, serverName: sent, verifyNames: [verifyName ?? serverName ?? host] }
  return { ...plan, snapshotId: snapshotId(plan) }
}
