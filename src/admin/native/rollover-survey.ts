import { dirname, resolve } from 'node:path'
import type { RuntimeKeystore } from '../../compat/apigee/runtime-state.ts'
import { storeLacks, storeRead, trustPem } from '../../compat/apigee/store-trust.ts'
import { trustStoreSpec } from '../../config/trust-specs.ts'
import { PosternError } from '../../core/errors.ts'
import { present } from '../../diagnosis/diagnose.ts'
import { type SeenServer, type ServerChange, type Stores, whatIf } from '../../diagnosis/what-if.ts'
import { loadTrustStore, type TrustStore } from '../../trust/store.ts'
import type { Diagnosis } from '../../diagnosis/diagnose.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { type Asked, askedServers, leadsBy, notAsked } from './rollover-asked.ts'
import { identityFor, type IdentityProof, identityProof, planUnder } from './rollover-identity.ts'
import { managedPlace, type StoreUse, storeUses } from './store-uses.ts'

/** What a reference would lead its users to if it named another store. */
export interface Survey {
  readonly users: readonly StoreUse[]
  /** Servers that are trusted by the reference or shown a certificate of it, as they would be under the new store. */
  readonly servers: readonly ServerProof[]
  /** Users that no server stands for, and why. */
  readonly unasked: ReturnType<typeof notAsked>
  /** Aliases that users show, and whether the new store has them. */
  readonly identities: readonly {
    readonly user: string
    readonly alias: string
    readonly fits: boolean
    readonly why: string
  }[]
  /** Why no gateway would take it up; '' where it would. */
  readonly refused: string
  /** Everything that can be proved is, and that is something: nobody asked is no proof. */
  readonly ready: boolean
}

export interface ServerProof extends ServerChange {
  /** Where the chain was seen; null: nowhere. */
  readonly from: 'probe' | 'traffic' | null
  /** null: it is shown no certificate of the reference. */
  readonly identity: IdentityProof | null
  readonly proved: boolean
  /** One sentence, whatever came of it. */
  readonly why: string
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
  const { partialChain } = gateway.resolved.config.apigee
  const planned = asked.map((one) => (to === null ? null : planUnder(one, to, partialChain)))
  const probed = question.probe
    ? await gateway.probe(asked.map((one, index) => ({ target: one.target, server: planned[index] ?? one.server })))
    : []
  // What was asked as traffic does is kept; a certificate that is not in force yet was shown to the others.
  for (const [index, { server, shows }] of asked.entries()) {
    const diagnosis = probed[index]
    if (diagnosis !== undefined && shows === null) gateway.recordCheck(server, diagnosis)
  }
  const seen = seenServers(gateway, asked, probed)
  const trusting = seen.filter((_, index) => asked[index]?.trusts === true)
  const { changes, refused } = judged(gateway, question, trusting)
  const servers = asked.map((one, index): ServerProof => {
    const { server } = one
    const shown = seen[index]
    const change = changes.find(({ target, server: name }) => target === server.target && name === server.name)
    const identity = identityProof(gateway, one, planned[index] ?? null, probed[index])
    const trusted = !one.trusts || (refused === '' && change?.after?.code === 'trusted')
    const facts = change ?? {
      target: server.target,
      server: server.name,
      seen: shown?.seen ?? '',
      problem: shown?.problem ?? '',
      change: 'unknown',
      before: null,
      after: null,
    }
    const proved = trusted && identity?.proved !== false
    const why = !trusted ? whyNot(facts, refused) : (identity?.why ?? 'its chain verifies under the new store')
    return { ...facts, from: shown?.from ?? null, identity, proved, why }
  })
  const identities = users.flatMap((use) => identityFor(use, to) ?? [])
  const ready =
    refused === '' &&
    servers.length > 0 &&
    servers.every(({ proved }) => proved) &&
    identities.every(({ fits }) => fits)
  return { users, servers, unasked: notAsked(gateway, users, asked), identities, refused, ready }
}

function whyNot({ after, problem }: ServerChange, refused: string): string {
  if (after !== null && after.code !== 'trusted') return `${after.code}: ${after.summary}`
  return problem || refused || 'its chain has not been judged'
}

interface Seen extends SeenServer {
  readonly from: 'probe' | 'traffic' | null
  readonly stored: boolean
}

/** Name of the store in what-if, for targets of stored objects. */
const stored = 'the reference'

function seenServers(gateway: NativeGateway, asked: readonly Asked[], probed: readonly Diagnosis[]): readonly Seen[] {
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
      return {
        ...common,
        served: null,
        seen: '',
        problem: problem || 'no chain of it has been seen: check asks it, and traffic shows one',
        from: null,
      }
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
