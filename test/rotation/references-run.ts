import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { type AdminAnswer, AdminRefused, oneTarget } from '../support/admin-client.ts'
import { startManagedGateway } from '../support/managed-gateway.ts'
import { startCountingBackend } from './counting-backend.ts'
import { startH2Load } from './h2-load.ts'
import { type LoadedRequest, startLoad } from './load.ts'
import type { Arrival, Change, Outcome, References, RouteRequest } from './references-history.ts'

export interface ReferencesOptions {
  /** Of the reference that four routes share; with each comes one other change. */
  readonly switches: number
  /** Requests a second; a tenth of them over HTTP/2. */
  readonly rate: number
  /** One request of so many to each route whose trust changes; the rest goes where nothing changes. */
  readonly oneIn: number
  /** From an answer to the next change. */
  readonly holdMs: number
  readonly workers?: number
}

export interface ReferencesRun {
  readonly history: References
  readonly figures: ReferencesFigures
}

export interface ReferencesFigures {
  readonly seconds: number
  readonly requests: number
  readonly missed: number
  readonly answered: Readonly<Record<string, number>>
  /** Requests that began within 20 ms after an answer, to a route that it changed. */
  readonly rightAfter: number
  readonly switches: number
  readonly changes: Readonly<Record<string, number>>
  /** From the sending of a change to its answer. */
  readonly answerMs: { readonly median: number; readonly p99: number; readonly max: number }
  readonly latencyMs: { readonly median: number; readonly p99: number; readonly max: number }
  readonly backendConnections: number
  readonly resumedConnections: number
  readonly steadyConnections: number
  readonly byWorker: Readonly<Record<string, number>>
}

/** `native`: a target of the configuration file, which resumes sessions and names the same reference. */
const routes = ['native', 'ref12', 'ref13', 'refh2', 'server', 'edited', 'replaced', 'identity'] as const
type Route = (typeof routes)[number]
const steady = 'steady'

const served = (client = ''): Outcome => ({ kind: 'served', client })
const refused: Outcome = { kind: 'refused' }

/** Changes what is trusted again and again over the management API, under a steady load. */
export async function runReferences(options: ReferencesOptions): Promise<ReferencesRun> {
  const [rootA, rootB] = await Promise.all([
    createRoot({ commonName: 'Trusted Root' }),
    createRoot({ commonName: 'Other Root' }),
  ])
  const [one, two] = await Promise.all([
    createLeaf(rootB, { names: ['client-1'], commonName: 'client-1' }),
    createLeaf(rootB, { names: ['client-2'], commonName: 'client-2' }),
  ])
  const arrivals = new Map<number, Arrival[]>()
  await using backend = await startCountingBackend(
    await createLeaf(rootA, { names: ['127.0.0.1'] }),
    (sequence, arrival) => {
      const before = arrivals.get(sequence)
      if (before === undefined) arrivals.set(sequence, [arrival])
      else before.push(arrival)
    },
  )
  const listeners = [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }]
  await using running = await startManagedGateway({ listeners }, { workers: options.workers ?? 2 })
  const { api, port } = running
  const [a, b] = [pemOf(rootA.certificate), pemOf(rootB.certificate)]
  for (const store of ['good', 'bad', 'edited', 'replaced', 'me-1', 'me-2']) await api.keystore(store)
  await api.alias('good', 'root', a)
  await api.alias('bad', 'root', b)
  await api.alias('edited', 'root', a)
  await api.alias('edited', 'other', b)
  await api.alias('replaced', 'root', a)
  await api.alias('me-1', 'me', one.chainPem, one.keyPem)
  await api.alias('me-2', 'me', two.chainPem, two.keyPem)
  for (const reference of ['trust', 'server-trust', 'steady-trust']) await api.reference(reference, 'good')
  await api.reference('me', 'me-1', 'KeyStore')
  const address = { host: '127.0.0.1', port: backend.port, isEnabled: true }
  const sSLInfo = { enabled: 'true', trustStore: 'ref://server-trust' }
  await api.targetServer('plain', { ...address, sSLInfo })
  await api.targetServer('h2', { ...address, protocol: 'HTTP2', sSLInfo: { ...sSLInfo, trustStore: 'ref://trust' } })
  const url = (route: string): string => `<URL>https://127.0.0.1:${backend.port}/${route}</URL>`
  const trusting = (route: string, store: string, more = ''): string =>
    `${url(route)}<SSLInfo><Enabled>true</Enabled><TrustStore>${store}</TrustStore>${more}</SSLInfo>`
  const balanced = (route: string, server: string): string =>
    `<LoadBalancer><Server name="${server}"/></LoadBalancer><Path>/${route}</Path>`
  const connections: Readonly<Record<Exclude<Route, 'native'> | typeof steady, string>> = {
    ref12: trusting('ref12', 'ref://trust', '<Protocols><Protocol>TLSv1.2</Protocol></Protocols>'),
    ref13: trusting('ref13', 'ref://trust', '<Protocols><Protocol>TLSv1.3</Protocol></Protocols>'),
    refh2: balanced('refh2', 'h2'),
    server: balanced('server', 'plain'),
    edited: trusting('edited', 'edited'),
    replaced: trusting('replaced', 'replaced'),
    identity: trusting(
      'identity',
      'good',
      '<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>ref://me</KeyStore><KeyAlias>me</KeyAlias>',
    ),
    steady: trusting('steady', 'ref://steady-trust'),
  }
  for (const [name, connection] of Object.entries(connections)) {
    await api.importBundle(name, oneTarget(name, connection))
    await api.deploy(name, 1)
  }

  await running.reconfigure({
    listeners,
    trustStores: { managed: { sources: [{ managed: 'ref://trust' }] } },
    targets: {
      native: { url: `https://127.0.0.1:${backend.port}/native`, tls: { trust: ['managed'], resumption: true } },
    },
    proxies: { native: { basePath: '/native', target: 'native', faults: 'apigee' } },
  })

  const startedAt = performance.now()
  const requests: RouteRequest[] = []
  /** For bursts: where their requests go. */
  let aimed: readonly Route[] = []
  let shot = 0
  const routeOf = new Map<number, string>()
  const path = (sequence: number): string => {
    // Mixed, so that no route has all the answers that are slow or end their connection.
    const at = (Math.imul(sequence, 0x9e37_79b1) >>> 16) % options.oneIn
    const route = aimed.length > 0 ? (aimed[shot++ % aimed.length] ?? steady) : (routes[at] ?? steady)
    routeOf.set(sequence, route)
    return `/${route}/${sequence}`
  }
  const done = ({ sequence, status, body, ...times }: LoadedRequest): void => {
    const code = status < 400 ? '' : codeIn(body)
    requests.push({ sequence, route: routeOf.get(sequence) ?? '', status, code, arrivals: [], ...times })
  }
  const load = startLoad({ port, rate: options.rate * 0.9, connections: 64, spread: true, freshOneIn: 50, path, done })
  const h2Load = await startH2Load({ port, rate: options.rate * 0.1, connections: 4, from: 100_000_000, path, done })

  const changes: Change[] = [
    ...routes.map((route) => start(route, route === 'identity' ? served('client-1') : served())),
    start(steady, served()),
  ]
  const answers: number[] = []
  const lingering = (route: Route, before: number): number => backend.openedBefore(before, [`/${route}/`])
  const change = async (
    of: readonly Route[],
    what: string,
    outcome: Outcome,
    work: () => Promise<AdminAnswer>,
  ): Promise<void> => {
    const sentAt = performance.now()
    const { status } = await work().catch((error: unknown) => {
      if (error instanceof AdminRefused) return error
      throw error
    })
    const answeredAt = performance.now()
    // At once, and over as many connections as there are: that is when an old worker or an old connection would show.
    aimed = of
    load.burst(24)
    h2Load.burst(4)
    aimed = []
    answers.push(answeredAt - sentAt)
    await sleep(options.holdMs)
    // Requests that were under way may keep theirs until they are answered.
    const left = (): number => of.reduce((sum, route) => sum + lingering(route, sentAt), 0)
    for (let waited = 0; left() > 0 && waited < 2000; waited += 20) await sleep(20)
    for (const route of of) {
      changes.push({ route, what, sentAt, answeredAt, status, outcome, lingering: lingering(route, sentAt) })
    }
  }
  await sleep(options.holdMs)
  const others = otherChanges(api, a, b)
  for (let index = 0; index < options.switches; index++) {
    const store = index % 2 === 0 ? 'bad' : 'good'
    await change(['native', 'ref12', 'ref13', 'refh2'], 'reference', store === 'bad' ? refused : served(), () =>
      api.switchReference('trust', store),
    )
    for (const other of others[index % others.length] ?? []) {
      await change([other.route], other.what, other.outcome, other.work)
    }
  }
  await Promise.all([load.stop(), h2Load.stop()])
  const seconds = (performance.now() - startedAt) / 1000
  const history: References = {
    changes,
    requests: requests.map((request) => ({ ...request, arrivals: arrivals.get(request.sequence) ?? [] })),
  }
  const byWorker = await accessesByWorker(running.logFile)
  return {
    history,
    figures: figuresOf(history, answers, {
      seconds,
      missed: load.missed,
      switches: options.switches,
      backendConnections: backend.connections,
      byWorker,
    }),
  }
}

function start(route: string, outcome: Outcome): Change {
  return { route, what: 'start', sentAt: 0, answeredAt: 0, status: 200, outcome, lingering: 0 }
}

interface OtherChange {
  readonly route: Route
  readonly what: string
  readonly outcome: Outcome
  readonly work: () => Promise<AdminAnswer>
}

/** Taken in turn, over and over: each list ends with what was there when it began, or with what the next one finds. */
function otherChanges(
  api: Awaited<ReturnType<typeof startManagedGateway>>['api'],
  a: string,
  b: string,
): readonly (readonly OtherChange[])[] {
  const server = (store: string, outcome: Outcome): OtherChange => ({
    route: 'server',
    what: "target server's reference",
    outcome,
    work: () => api.switchReference('server-trust', store),
  })
  const identity = (client: string, store: string): OtherChange => ({
    route: 'identity',
    what: 'reference to a key store',
    outcome: served(client),
    work: () => api.switchReference('me', store, 'KeyStore'),
  })
  const replaced = (what: string, outcome: Outcome, work: () => Promise<AdminAnswer>): OtherChange => {
    return { route: 'replaced', what, outcome, work }
  }
  const edited = (what: string, outcome: Outcome, work: () => Promise<AdminAnswer>): OtherChange => {
    return { route: 'edited', what, outcome, work }
  }
  return [
    [server('bad', refused)],
    [edited('alias removed', refused, () => api.removeAlias('edited', 'root'))],
    [identity('client-2', 'me-2')],
    [replaced('alias replaced', refused, () => api.replaceAlias('replaced', 'root', b))],
    [server('good', served())],
    [edited('alias added', served(), () => api.alias('edited', 'root', a))],
    [identity('client-1', 'me-1')],
    [replaced('alias replaced', served(), () => api.replaceAlias('replaced', 'root', a))],
    [
      replaced('alias removed', refused, () => api.removeAlias('replaced', 'root')),
      replaced('alias added', served(), () => api.alias('replaced', 'root', a)),
    ],
  ]
}

function codeIn(body: string): string {
  try {
    const { fault } = JSON.parse(body) as { fault?: { detail?: { errorcode?: string } } }
    return fault?.detail?.errorcode ?? body.slice(0, 200)
  } catch {
    return body.slice(0, 200)
  }
}

async function accessesByWorker(file: string): Promise<Readonly<Record<string, number>>> {
  // Lines leave in batches.
  await sleep(300)
  const text = await readFile(file, 'utf8')
  return counted([...text.matchAll(/"type":"access".*"worker":(\d+)/g)].map(([, worker]) => `worker ${worker}`))
}

function figuresOf(
  { changes, requests }: References,
  answers: readonly number[],
  known: Pick<ReferencesFigures, 'seconds' | 'missed' | 'switches' | 'backendConnections' | 'byWorker'>,
): ReferencesFigures {
  const connections = (of: (route: string) => boolean, resumed: boolean | null): number =>
    new Set(
      requests.flatMap(({ route, arrivals }) =>
        arrivals.flatMap((each) =>
          of(route) && (resumed === null || each.resumed === resumed) ? [each.connection] : [],
        ),
      ),
    ).size
  const answeredAt = new Map<string, number[]>()
  for (const change of changes)
    answeredAt.set(change.route, [...(answeredAt.get(change.route) ?? []), change.answeredAt])
  const rightAfter = requests.filter(({ route, startedAt }) =>
    answeredAt.get(route)?.some((at) => startedAt >= at && startedAt < at + 20),
  )
  return {
    ...known,
    requests: requests.length,
    answered: counted(requests.map(({ status, code }) => `${status} ${code}`.trim())),
    rightAfter: rightAfter.length,
    changes: counted(changes.filter(({ what }) => what !== 'start').map(({ route, what }) => `${route}: ${what}`)),
    answerMs: spread(answers),
    latencyMs: spread(requests.map(({ startedAt, endedAt }) => endedAt - startedAt)),
    resumedConnections: connections(() => true, true),
    steadyConnections: connections((route) => route === steady, null),
  }
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

function spread(values: readonly number[]): { median: number; p99: number; max: number } {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (share: number): number => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    return Math.round(value * 10) / 10
  }
  return { median: at(0.5), p99: at(0.99), max: at(1) }
}
