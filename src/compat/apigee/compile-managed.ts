import type {
  Home,
  ManagedBase,
  HeldCertificate,
  ManagedFinding,
  ManagedMaterial,
  ManagedPlan,
  ManagedView,
  TargetOrigin,
} from '../../config/managed-view.ts'
import { PosternError } from '../../core/errors.ts'
import type { Environment, SystemPlaces } from '../../trust/source.ts'
import { findBasePathConflicts } from './base-path-conflicts.ts'
import { type CompiledDeployment, compileDeployment, objectOf } from './compile-deployment.ts'
import { newNotes, type Notes } from './compile-notes.ts'
import { compileProxies } from './compile-proxies.ts'
import { drainsOf } from './drains.ts'
import { blockingHooks } from './flow-hooks.ts'
import type { RuntimeDeployment, RuntimeKeystore, RuntimeState } from './runtime-state.ts'
import type { ApigeeSettings } from './ssl-info-plan.ts'
import { findStore, Pinboard, referencePrefix, type SameIn, StateLookups } from './state-lookups.ts'
import { aliasIdentity, heldCertificates, storeFindings, storeName, SystemRoots, trustPem } from './store-trust.ts'
import { type NamedVirtualHost, serveVirtualHosts } from './virtual-host-listeners.ts'

export interface ManagedViewOptions {
  /** The view in force: what is unchanged since is not compiled again, and stores that are pinned stay pinned. */
  readonly previousView?: ManagedView
  /** For `SSL_CERT_FILE` and `SSL_CERT_DIR`; taken over from the view before. */
  readonly environment?: Environment
  readonly systemPlaces?: SystemPlaces
}

/** The stored objects as the configuration and the gateway know them. */
export function managedView(state: RuntimeState, options: ManagedViewOptions = {}): ManagedView {
  const previous = options.previousView === undefined ? undefined : memories.get(options.previousView)
  const memory: Memory = {
    state,
    trustChanged: previous !== undefined && !sameTrust(previous.state, state),
    before: previous?.deployments ?? new Map(),
    deployments: previous?.deployments ?? new Map(),
    pinboard: new Pinboard(previous?.pinboard ?? null),
    system: previous?.system ?? new SystemRoots(options.environment ?? {}, options.systemPlaces),
  }
  const view: ManagedView = {
    trustStore: (name, home) => material(state, name, home),
    identity: (store, alias, home) => identity(state, store, alias, home),
    certificates: (partialChain) => certificates(state, partialChain),
    compile: (base) => compile(state, memory, base),
    inForce: (config) => memory.pinboard.inForce(config),
  }
  memories.set(view, memory)
  return view
}

/** What a view hands on to the one after it. */
interface Memory {
  readonly state: RuntimeState
  /** Since the view before. */
  readonly trustChanged: boolean
  /** Those of the view before. */
  readonly before: ReadonlyMap<string, Compiled>
  /** By `org/env/apis/api/rev`. */
  deployments: ReadonlyMap<string, Compiled>
  /** Of `takesEffect: edge`. */
  readonly pinboard: Pinboard
  /** Read once for all views that follow from each other. */
  readonly system: SystemRoots
}

interface Compiled {
  readonly deployment: RuntimeDeployment
  /** As text: equal settings are equal text. */
  readonly settings: string
  readonly result: CompiledDeployment
  readonly origins: ReadonlyMap<string, TargetOrigin>
  readonly notes: Notes
  readonly uses: readonly SameIn[]
  readonly stores: ReadonlySet<RuntimeKeystore>
}

const memories = new WeakMap<ManagedView, Memory>()

function compile(state: RuntimeState, memory: Memory, base: ManagedBase): ManagedPlan {
  const { config } = base
  const settings: ApigeeSettings = { apigee: config.apigee, drainMs: config.drain.timeout }
  const { pinboard } = memory
  pinboard.begin(config.apigee.takesEffect === 'edge')
  const results = compileDeployments(state, memory, settings)
  const hosts = virtualHosts(state, results, pinboard)
  pinboard.end(config)
  const notes = newNotes()
  const hooks = blockingHooks(state, settings, notes)
  const { listeners, served } = serveVirtualHosts(base, hosts, notes)
  const proxies = results.flatMap(({ deployment, result }) => {
    const block = hooks.get(`${deployment.org}/${deployment.env}`) ?? null
    return compileProxies(state, served, deployment, result, block, notes)
  })
  findBasePathConflicts(config, listeners, proxies, notes)
  const used = new Set(proxies.flatMap(({ targets }) => targets))
  const stores = new Set([
    ...results.flatMap((result) => [...result.stores]),
    ...hosts.flatMap(({ lookups }) => [...lookups.stores]),
  ])
  return {
    listeners,
    targets: results.flatMap(({ result }) => result.targets.filter(({ name }) => used.has(name))),
    proxies: proxies.map(({ plan }) => plan),
    trustChanged: memory.trustChanged,
    drains: drainsOf([...memory.before.values()], results),
    origins: new Map(results.flatMap(({ origins }) => [...origins].filter(([name]) => used.has(name)))),
    findings: [
      ...results.flatMap((result) => result.notes.findings),
      ...notes.findings,
      ...[...stores].flatMap((store) => lint(store, base)),
    ],
    problems: [...results.flatMap((result) => result.notes.problems), ...notes.problems],
  }
}

/** What of a deployment's plan depends on stored objects, compiled anew where one of these has changed. */
function compileDeployments(state: RuntimeState, memory: Memory, settings: ApigeeSettings): readonly Compiled[] {
  const text = JSON.stringify(settings)
  const compiled = new Map<string, Compiled>()
  for (const deployment of state.deployments) {
    const key = objectOf(deployment)
    const pins = memory.pinboard.of(`${key}@${deployment.version}`)
    const known = memory.deployments.get(key)
    const isSame =
      known?.settings === text &&
      sameDeployment(known.deployment, deployment) &&
      known.uses.every((sameIn) => sameIn(state))
    if (isSame) {
      compiled.set(key, known)
      continue
    }
    const notes = newNotes()
    const lookups = new StateLookups(state, pins)
    const home = { organization: deployment.org, environment: deployment.env }
    const origins = new Map<string, TargetOrigin>()
    const context = { home, deployment, lookups, notes, origins, system: memory.system, settings }
    const result = compileDeployment(context, deployment)
    const { uses, stores } = lookups
    compiled.set(key, { deployment, settings: text, result, origins, notes, uses, stores })
  }
  memory.deployments = compiled
  return [...compiled.values()]
}

/** What is unchanged is the same object. */
function sameTrust(one: RuntimeState, other: RuntimeState): boolean {
  return (
    one.keystores === other.keystores &&
    one.references === other.references &&
    one.targetServers === other.targetServers
  )
}

function sameDeployment(one: RuntimeDeployment, other: RuntimeDeployment): boolean {
  return (
    one === other || (one.bundle === other.bundle && one.version === other.version && one.basePath === other.basePath)
  )
}

function virtualHosts(
  state: RuntimeState,
  compiled: readonly Compiled[],
  pinboard: Pinboard,
): readonly NamedVirtualHost[] {
  const used = new Set(
    compiled.flatMap(({ deployment: { org, env }, result }) =>
      result.endpoints.flatMap(({ endpoint }) => endpoint.virtualHosts.map((name) => `${org}/${env}/${name}`)),
    ),
  )
  return [...state.virtualHosts].map(([key, body]) => {
    const [organization = '', environment = '', name = ''] = key.split('/')
    // A changed virtual host is another owner: what it names is looked up anew.
    const pins = pinboard.of(`virtual host ${key}`, body)
    return {
      key,
      name,
      home: { organization, environment },
      body,
      lookups: new StateLookups(state, pins),
      isUsed: used.has(key),
    }
  })
}

function lint(keystore: RuntimeKeystore, { config, now }: ManagedBase): readonly ManagedFinding[] {
  const object = `${keystore.org}/${keystore.env}/keystores/${keystore.name}`
  return storeFindings(keystore, config.apigee.partialChain, now).map(({ code, severity, message }) => {
    return { code, severity, object, message }
  })
}

function material(state: RuntimeState, name: string, home: Home): ManagedMaterial | null {
  const store = storeNamed(state, name, home)
  if (store === null) return null
  return { store: storeName(store), generation: store.generation, pem: trustPem(store) }
}

function identity(
  state: RuntimeState,
  store: string,
  alias: string,
  home: Home,
): { readonly chain: string; readonly key: string } | null {
  const found = storeNamed(state, store, home)
  const held = found?.aliases.get(alias)
  if (found == null || held === undefined) return null
  const checked = aliasIdentity(found, held)
  return checked instanceof PosternError ? null : { chain: checked.chain, key: checked.key }
}

/** I10: more are evidence of nothing. */
const maxEvidence = 4096

function certificates({ keystores }: RuntimeState, partialChain: boolean): readonly HeldCertificate[] {
  const held: HeldCertificate[] = []
  for (const keystore of keystores.values()) {
    if (held.length >= maxEvidence) break
    held.push(...heldCertificates(keystore, partialChain))
  }
  return held.slice(0, maxEvidence)
}

/** `NAME`, `ENV/NAME` or `ORG/ENV/NAME`, of a store or, after `ref://`, of a reference. */
function storeNamed(state: RuntimeState, text: string, home: Home): RuntimeKeystore | null {
  const prefix = text.startsWith(referencePrefix) ? referencePrefix : ''
  const parts = text.slice(prefix.length).split('/')
  if (parts.length > 3) return null
  const name = parts.at(-1) ?? ''
  const environment = parts.at(-2) ?? home.environment
  const organization = parts.at(-3) ?? home.organization
  const named = findStore(new StateLookups(state, null), { organization, environment }, `${prefix}${name}`)
  return named.found ? named.store : null
}
