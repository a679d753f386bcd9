import { dirname, resolve } from 'node:path'
import type { RuntimeKeystore } from '../../compat/apigee/runtime-state.ts'
import { aliasIdentity, storeLacks, storeRead, trustPem } from '../../compat/apigee/store-trust.ts'
import { trustStoreSpec } from '../../config/trust-specs.ts'
import { PosternError } from '../../core/errors.ts'
import { present } from '../../diagnosis/diagnose.ts'
import { type SeenServer, type ServerChange, type Stores, whatIf } from '../../diagnosis/what-if.ts'
import { loadTrustStore, type TrustStore } from '../../trust/store.ts'
import type { AskedServer, NativeGateway } from '../gateway-view.ts'
import { managedPlace, type StoreUse, storeUses } from './store-uses.ts'

/** What a reference would lead its users to if it named another store. */
export interface Survey {
  readonly users: readonly StoreUse[]
  /** Servers that trust what the reference leads to, judged under the new store. */
  readonly servers: readonly ServerProof[]
  /** Aliases that users show, and whether the new store has them. */
  readonly identities: readonly {
    readonly user: string
    readonly alias: string
    readonly fits: boolean
    readonly why: string
  }[]
  /** Why no gateway would take it up; '' where it would. */
  readonly refused: string
  /** Everything that can be proved is. */
  readonly ready: boolean
}

export interface ServerProof extends ServerChange {
  /** Where the chain was seen; null: nowhere. */
  readonly from: 'probe' | 'traffic' | null
  readonly proved: boolean
}

export interface SurveyQuestion {
  /** `ORG/ENV` */
  readonly place: string
  readonly reference: string
  readonly from: RuntimeKeystore | null
  readonly to: RuntimeKeystore | null
  /** Each server is asked for its chain now; else what it showed last counts. */
  readonly probe: boolean
}

/** Who uses the reference, and what the new store would make of each of them. */
export async function survey(gateway: NativeGateway, question: SurveyQuestion): Promise<Survey> {
  const { place, reference, to } = question
  const users = storeUses(gateway).references.get(`${place}/${reference}`) ?? []
  const asked = askedServers(gateway, place, reference)
  const seen = await seenServers(gateway, asked, question.probe)
  const { changes, refused } = judged(gateway, question, seen)
  const servers = changes.map((change): ServerProof => {
    const one = seen.find(({ server }) => server.target === change.target && server.name === change.server)
    const proved = refused === '' && change.after?.code === 'trusted'
    return { ...change, from: one?.from ?? null, proved }
  })
  const identities = users.flatMap((use) => identityFor(use, to) ?? [])
  const ready = refused === '' && servers.every(({ proved }) => proved) && identities.every(({ fits }) => fits)
  return { users, servers, identities, refused, ready }
}

interface Asked extends AskedServer {
  /** Stores of the configuration that it trusts; null: a target of stored objects, which has this one. */
  readonly trust: readonly string[] | null
}

/** https servers whose trust is what the reference leads to, in the plan in force. */
export function askedServers({ plan, resolved }: NativeGateway, place: string, reference: string): readonly Asked[] {
  const written = `ref://${reference}`
  const { config, origins } = resolved
  return plan.targets.flatMap((target) => {
    const origin = origins.get(target.name)
    return target.servers.flatMap((server): Asked[] => {
      if (server.tls === null) return []
      if (origin !== undefined) {
        const here = `${origin.organization}/${origin.environment}` === place
        const named = origin.servers.get(server.name)?.trustStore?.written === written
        return here && named ? [{ target, server, trust: null }] : []
      }
      const trust = config.targets[target.name]?.tls?.trust ?? []
      return trust.some((name) => leadsBy(config, name, place, reference)) ? [{ target, server, trust }] : []
    })
  })
}

/** Whether a store of the configuration has what the reference leads to. */
function leadsBy(
  config: NativeGateway['resolved']['config'],
  store: string,
  place: string,
  reference: string,
): boolean {
  const found = config.trustStores[store]
  return [...(found?.sources ?? []), ...(found?.intermediates ?? [])].some((source) => {
    if (!('managed' in source)) return false
    const { home, written } = managedPlace(source.managed, config)
    return written === `ref://${reference}` && `${home.organization}/${home.environment}` === place
  })
}

interface Seen extends SeenServer {
  readonly from: 'probe' | 'traffic' | null
  readonly stored: boolean
}

/** Name of the store in what-if, for targets of stored objects. */
const stored = 'the reference'

async function seenServers(gateway: NativeGateway, asked: readonly Asked[], probe: boolean): Promise<readonly Seen[]> {
  const probed = probe ? await gateway.probe(asked) : []
  const inventory = new Map(gateway.inventory().servers.map((each) => [`${each.target}\n${each.server}`, each]))
  return asked.map(({ server, trust }, index): Seen => {
    const common = { server, trust: trust ?? [stored], fetched: [], stored: trust === null }
    const diagnosis = probed[index]
    const served = diagnosis?.probe.handshake?.served ?? []
    if (served.length > 0) {
      return { ...common, served: served.map(present), seen: new Date().toISOString(), problem: '', from: 'probe' }
    }
    const problem = diagnosis === undefined ? '' : `${diagnosis.verdict.code}: ${diagnosis.verdict.summary}`
    const last = inventory.get(`${server.target}\n${server.name}`)?.chains[0]
    if (last === undefined) {
      return { ...common, served: null, seen: '', problem: problem || 'no chain of it has been seen', from: null }
    }
    const chain = last.chain.map((pem) => present(derOf(pem)))
    return { ...common, served: chain, seen: last.lastSeen, problem, from: last.source }
  })
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')

/** What-if of every store that would change: that of stored targets, and those of the configuration that have it. */
function judged(
  gateway: NativeGateway,
  question: SurveyQuestion,
  seen: readonly Seen[],
): { readonly changes: readonly ServerChange[]; readonly refused: string } {
  const { config, input } = gateway.resolved
  const { partialChain } = config.apigee
  const { place, reference, from, to } = question
  if (to === null) return { changes: unknown(seen), refused: 'the new store is gone' }
  const changes: ServerChange[] = []
  const own = seen.filter((one) => one.stored)
  const will = storeRead(to, partialChain)
  if (own.length > 0) {
    if (will === null) return { changes: unknown(seen), refused: storeLacks(to, partialChain) }
    const was = (from === null ? null : storeRead(from, partialChain)) ?? nothing
    const of = (store: TrustStore): Stores => new Map([[stored, store]])
    const result = whatIf(stored, own, of(was), of(will), Date.now())
    if (result.refused !== '') return { changes: unknown(seen), refused: result.refused }
    changes.push(...result.servers)
  }
  const others = seen.filter((one) => !one.stored)
  if (others.length === 0) return { changes, refused: '' }
  const names = Object.keys(config.trustStores).filter((name) => leadsBy(config, name, place, reference))
  try {
    const after = new Map([
      ...input.stores,
      ...names.map((name) => [name, rebuilt(gateway, name, question, to)] as const),
    ])
    for (const name of names) {
      const done = new Set(changes.map(({ target, server }) => `${target}\n${server}`))
      const those = others.filter(
        ({ trust, server }) => trust.includes(name) && !done.has(`${server.target}\n${server.name}`),
      )
      const result = whatIf(name, those, input.stores, after, Date.now())
      if (result.refused !== '') return { changes: unknown(seen), refused: result.refused }
      changes.push(...result.servers)
    }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    return { changes: unknown(seen), refused: error.message }
  }
  return { changes, refused: '' }
}

/** A store of the configuration as it would be. */
function rebuilt(
  { resolved, configFile }: NativeGateway,
  name: string,
  { place, reference }: SurveyQuestion,
  to: RuntimeKeystore,
): TrustStore {
  const { config, input } = resolved
  const store = config.trustStores[name]
  if (store === undefined) throw new TypeError(`there is no store ${name}`)
  const spec = trustStoreSpec(name, store, dirname(resolve(configFile)), (text) => {
    const { home, written } = managedPlace(text, config)
    const here = `${home.organization}/${home.environment}` === place
    if (here && written === `ref://${reference}`) return { pem: trustPem(to) }
    return input.managed?.trustStore(text, config) ?? { why: `there is no managed store "${text}"` }
  })
  return loadTrustStore(spec, {})
}

function unknown(seen: readonly Seen[]): readonly ServerChange[] {
  return seen.map(({ server, seen: at, problem }) => {
    return {
      target: server.target,
      server: server.name,
      seen: at,
      problem,
      change: 'unknown',
      before: null,
      after: null,
    }
  })
}

const nothing: TrustStore = {
  name: stored,
  anchors: [],
  intermediates: [],
  partialChain: false,
  entries: [],
  findings: [],
  ignored: [],
  watch: [],
}

function identityFor(
  { kind, name, endpoint, as, alias }: StoreUse,
  to: RuntimeKeystore | null,
): Survey['identities'][number] | null {
  if (as !== 'key store') return null
  const user = `${kind} ${name}${endpoint === '' ? '' : `, ${endpoint}`}`
  const held = to?.aliases.get(alias)
  if (to === null || held === undefined)
    return { user, alias, fits: false, why: `the new store has no alias "${alias}"` }
  const identity = aliasIdentity(to, held)
  if (identity instanceof PosternError) return { user, alias, fits: false, why: identity.message }
  const ended = identity.leaf.notAfter < Date.now()
  return { user, alias, fits: !ended, why: ended ? 'its certificate has ended' : '' }
}
