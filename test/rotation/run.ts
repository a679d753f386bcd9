import { setTimeout as sleep } from 'node:timers/promises'
import type { PosternEvent } from '../../src/observe/events.ts'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import type { TlsVersion } from '../../src/proxy/plan.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'
import type { History, RequestSeen, Swap } from './history.ts'
import { type LoadedRequest, startLoad } from './load.ts'
import { createVolume } from './volume.ts'

export interface Variant {
  readonly version: TlsVersion
  readonly resumption: boolean
}

export interface RunOptions {
  readonly variants: readonly Variant[]
  /** Requests a second, over all variants. */
  readonly rate: number
  readonly swaps: number
  /** How long each bundle stays after the gateway has dealt with it. */
  readonly holdMs: number
  readonly connections?: number
  /** One request of so many goes to a backend under the root B, the others to one under A; 4 unless told. */
  readonly oneToBOf?: number
  readonly seed?: number
}

export interface Run {
  readonly history: History
  readonly figures: Figures
}

export interface Figures {
  readonly seconds: number
  readonly requests: number
  readonly answered: Readonly<Record<string, number>>
  /** Requests that found no free client connection at their time. */
  readonly missed: number
  readonly latencyMs: { readonly median: number; readonly p99: number; readonly max: number }
  readonly swaps: Readonly<Record<string, number>>
  readonly generations: number
  /** From the swap of the volume to the generation on all workers. */
  readonly takeUpMs: { readonly median: number; readonly max: number }
  readonly backendConnections: number
  readonly resumedConnections: number
}

/** Rotates the bundle again and again under a steady load, and writes down everything that the judge needs. */
export async function rotate(options: RunOptions): Promise<Run> {
  const [rootA, rootB] = await Promise.all([
    createRoot({ commonName: 'Rotation Root A' }),
    createRoot({ commonName: 'Rotation Root B' }),
  ])
  const bundles: Readonly<Record<Kind, string>> = {
    good: rootA.certificatePem,
    both: pemOf(rootA.certificate, rootB.certificate),
    reordered: pemOf(rootB.certificate, rootA.certificate),
    withdrawn: rootB.certificatePem,
    garbage: 'this is no certificate\n',
    empty: '',
    truncated: rootA.certificatePem.slice(0, rootA.certificatePem.length / 2),
    'private-key': rootA.certificatePem + rootA.keyPem,
  }
  const seen = new Map<number, { readonly connection: string; readonly resumed: boolean }[]>()
  const backend = async (name: string, root: typeof rootA): Promise<TlsBackend> =>
    startTlsBackend({
      identity: await createLeaf(root, { names: ['127.0.0.1'] }),
      remember: false,
      onRequest({ headers, connection, resumed }) {
        const sequence = Number(headers['x-sequence'])
        const before = seen.get(sequence)
        const now = { connection: `${name}${connection}`, resumed }
        if (before === undefined) seen.set(sequence, [now])
        else before.push(now)
      },
      answer(request, response) {
        request.resume()
        const sequence = Number(request.headers['x-sequence'])
        // Some are under way while a generation changes, and some need a handshake afterwards.
        if (sequence % 37 === 0) response.setHeader('connection', 'close')
        if (sequence % 10 === 3) setTimeout(() => response.end('ok'), 20 + (sequence % 60))
        else response.end('ok')
      },
    })
  await using backendA = await backend('A', rootA)
  await using backendB = await backend('B', rootB)
  await using volume = await createVolume({ 'ca.pem': bundles.good })
  const targets = options.variants.flatMap(({ version, resumption }) =>
    (['A', 'B'] as const).map((root) => ({
      name: `${version}-${resumption ? 'resumed' : 'full'}-${root}`.replaceAll('.', ''),
      root,
      version,
      resumption,
    })),
  )
  const arrived: Arrival[] = []
  let wake = (): void => {}
  await using gateway = await startTestGateway(
    {
      trustStores: { corp: { sources: [{ directory: volume.directory }] } },
      targets: Object.fromEntries(
        targets.map(({ name, root, version, resumption }) => [
          name,
          {
            url: (root === 'A' ? backendA : backendB).url,
            tls: { trust: ['corp'], minVersion: version, maxVersion: version, resumption },
          },
        ]),
      ),
      proxies: Object.fromEntries(targets.map(({ name }) => [name, { basePath: `/${name}`, target: name }])),
    },
    {
      workers: 2,
      onEvent(event) {
        arrived.push({ event, at: performance.now() })
        wake()
      },
    },
  )

  const startedAt = performance.now()
  const requests: LoadedRequest[] = []
  const targetOf = (sequence: number): (typeof targets)[number] => {
    const variant = sequence % options.variants.length
    const root = Math.floor(sequence / options.variants.length) % (options.oneToBOf ?? 4) === 0 ? 1 : 0
    return targets[variant * 2 + root] as (typeof targets)[number]
  }
  const load = startLoad({
    port: gateway.gateway.ports['http'] ?? 0,
    rate: options.rate,
    connections: options.connections ?? 64,
    path: (sequence) => `/${targetOf(sequence).name}/${sequence}`,
    done: (request) => requests.push(request),
  })
  const swaps: Swap[] = []
  const state = (): Pick<Swap, 'generation' | 'snapshots'> => ({
    generation: gateway.gateway.generation,
    snapshots: JSON.stringify(gateway.gateway.status()['targets']),
  })
  const note = (swap: Pick<Swap, 'kind' | 'roots' | 'swappedAt' | 'settledAt'>): void => {
    swaps.push({ ...swap, refusals: [], lingering: 0, ...state() })
  }
  note({ kind: 'start', roots: ['A'], swappedAt: startedAt, settledAt: startedAt })
  let inForce = 'A'
  let inForceSince = startedAt
  const hold = async (): Promise<void> => {
    await sleep(options.holdMs)
    const last = swaps.pop()
    if (last === undefined) return
    const withdrawn = [...(inForce.includes('A') ? [] : [backendA]), ...(inForce.includes('B') ? [] : [backendB])]
    const open = (): number => withdrawn.reduce((sum, each) => sum + each.openedBefore(inForceSince), 0)
    // Requests under way at the change may keep theirs until they are answered.
    for (let waited = 0; open() > 0 && waited < 2000; waited += 20) await sleep(20)
    swaps.push({ ...last, lingering: open() })
  }
  for (const kind of plannedKinds(options.swaps, options.seed ?? 1)) {
    await hold()
    const from = arrived.length
    const swappedAt = performance.now()
    await volume.swap({ 'ca.pem': bundles[kind] })
    const roots = rootsOf[kind]
    const changes = roots?.toSorted().join() !== inForce
    const awaited = roots === null ? 'generation-refused' : changes ? 'generation-committed' : null
    const settledAt = await settled(gateway, awaited, async () => {
      await Promise.race([new Promise<void>((resolve) => (wake = resolve)), sleep(100)])
      return arrived.slice(from)
    })
    if (awaited === 'generation-committed') {
      inForce = roots?.toSorted().join() ?? ''
      inForceSince = settledAt
    }
    note({ kind, roots, swappedAt, settledAt })
  }
  await hold()
  await load.stop()
  const seconds = (performance.now() - startedAt) / 1000

  const history: History = {
    swaps: swaps.map((swap, index) => ({
      ...swap,
      refusals: refusalsBetween(arrived, swap.swappedAt, swaps[index + 1]?.swappedAt ?? Number.POSITIVE_INFINITY),
    })),
    requests: requests.flatMap((request) => asSeen(request, targetOf(request.sequence), seen)),
  }
  return {
    history,
    figures: figuresOf(history, requests, seconds, load.missed, [backendA, backendB]),
  }
}

const kinds = ['good', 'both', 'reordered', 'withdrawn', 'garbage', 'empty', 'truncated', 'private-key'] as const
type Kind = (typeof kinds)[number]

const rootsOf: Readonly<Record<Kind, readonly string[] | null>> = {
  good: ['A'],
  both: ['A', 'B'],
  reordered: ['B', 'A'],
  withdrawn: ['B'],
  garbage: null,
  empty: null,
  truncated: null,
  'private-key': null,
}

interface Arrival {
  readonly event: PosternEvent
  readonly at: number
}

/** Rounds of all kinds, each round in another order, none twice in a row; the last bundle is a good one. */
function plannedKinds(count: number, seed: number): readonly Kind[] {
  let random = seed
  const below = (limit: number): number => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((random / 2 ** 32) * limit)
  }
  const planned: Kind[] = []
  while (planned.length < count - 1) {
    const left: Kind[] = [...kinds]
    while (left.length > 0) {
      const at = below(left.length)
      const kind = left[at] as Kind
      if (kind === planned.at(-1) && left.length > 1) continue
      left.splice(at, 1)
      if (kind !== planned.at(-1)) planned.push(kind)
    }
  }
  planned.length = count - 1
  return [...planned, planned.at(-1) === 'both' ? 'good' : 'both']
}

/** When the gateway has dealt with a swap: by the event that says so, or where none is due, once it has looked. */
async function settled(
  gateway: TestGateway,
  awaited: PosternEvent['type'] | null,
  next: () => Promise<readonly Arrival[]>,
): Promise<number> {
  if (awaited === null) {
    await sleep(150)
    await gateway.gateway.reload()
    return performance.now()
  }
  const timeout = AbortSignal.timeout(15_000)
  while (!timeout.aborted) {
    const found = (await next()).find(({ event }) => event.type === awaited)
    if (found !== undefined) return found.at
  }
  const status = JSON.stringify(gateway.gateway.status(), null, 1)
  const told = (await next()).map(({ event }) => JSON.stringify(event)).join('\n')
  throw new Error(`no ${awaited} within 15 s of a swap; the gateway says: ${status}\n${told}`)
}

function refusalsBetween(arrived: readonly Arrival[], from: number, to: number): readonly string[] {
  return arrived.flatMap(({ event, at }) =>
    event.type === 'generation-refused' && at >= from && at < to ? [event.problems.join('; ')] : [],
  )
}

/** Once for each time that a backend saw it, and once if none did. */
function asSeen(
  { sequence, startedAt, endedAt, status, body }: LoadedRequest,
  target: { readonly name: string; readonly root: string },
  seen: ReadonlyMap<number, readonly { readonly connection: string; readonly resumed: boolean }[]>,
): RequestSeen[] {
  const code = status === 200 || status === 0 ? '' : ((JSON.parse(body) as { code?: string }).code ?? '')
  const views = seen.get(sequence) ?? [{ connection: '', resumed: false }]
  return views.map((view) => ({
    sequence,
    target: target.name,
    root: target.root,
    startedAt,
    endedAt,
    status,
    code,
    ...view,
  }))
}

function figuresOf(
  history: History,
  requests: readonly LoadedRequest[],
  seconds: number,
  missed: number,
  backends: readonly TlsBackend[],
): Figures {
  const latencies = requests.map(({ startedAt, endedAt }) => endedAt - startedAt).sort((one, other) => one - other)
  const made = history.swaps.filter(({ generation }, index) => generation !== history.swaps[index - 1]?.generation)
  const takeUps = made.slice(1).map(({ swappedAt, settledAt }) => settledAt - swappedAt)
  takeUps.sort((one, other) => one - other)
  const resumed = new Set(history.requests.flatMap((each) => (each.resumed ? [each.connection] : [])))
  return {
    seconds,
    requests: requests.length,
    answered: counted(requests.map(({ status }) => String(status))),
    missed,
    latencyMs: { median: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), max: quantile(latencies, 1) },
    swaps: counted(history.swaps.slice(1).map(({ kind }) => kind)),
    generations: made.length,
    takeUpMs: { median: quantile(takeUps, 0.5), max: quantile(takeUps, 1) },
    backendConnections: backends.reduce((sum, { connections }) => sum + connections, 0),
    resumedConnections: resumed.size,
  }
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** Of sorted values. */
function quantile(values: readonly number[], share: number): number {
  const value = values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
  return Math.round(value * 10) / 10
}
