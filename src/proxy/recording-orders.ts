import type { RecordingOrder } from '../observe/recording.ts'
import type { AnyRequestHead } from './downstream.ts'
import type { ProxyRuntime } from './generation.ts'
import { queryParameters } from './query-parameters.ts'
import type { RecordingLimits } from './recording.ts'

/** What a request of a recorded proxy brings, for the filters. */
export interface FilteredRequest {
  readonly head: AnyRequestHead
  /** Values of a header, by its name in lower case. */
  header(name: string): readonly string[]
}

/** The sessions that may take one request. */
export interface Takers extends RecordingLimits {
  /** They have taken it, each with a slot of its own. */
  readonly taken: readonly RecordingOrder[]
  /** Whether they take it is known at its end. */
  readonly undecided: readonly RecordingOrder[]
}

/** The debug sessions that run, as far as this worker has heard of them. */
export class RecordingOrders {
  #orders: readonly RecordingOrder[] = []

  /** In the place of those before. */
  set(orders: readonly RecordingOrder[], proxies: Iterable<ProxyRuntime>): void {
    this.#orders = orders
    this.apply(proxies)
  }

  /** Has every proxy know its sessions: those of any other pay a null check. */
  apply(proxies: Iterable<ProxyRuntime>): void {
    for (const proxy of proxies) {
      const orders = this.#orders.filter((order) => isFor(order, proxy.plan))
      proxy.orders = orders.length === 0 ? null : orders
    }
  }
}

/** Who takes a request that begins; null: nobody. */
export function takersOf(orders: readonly RecordingOrder[], request: FilteredRequest): Takers | null {
  const now = Date.now()
  const taken: RecordingOrder[] = []
  const undecided: RecordingOrder[] = []
  let bodyBytes = 0
  let bytes = 0
  for (const order of orders) {
    if (now >= order.until || !hasSlot(order) || !matches(order, request)) continue
    if (decidedAtEnd(order)) undecided.push(order)
    else if (takeSlot(order)) taken.push(order)
    else continue
    bodyBytes = Math.max(bodyBytes, order.bodyBytes)
    bytes = Math.max(bytes, order.transactionBytes)
  }
  return taken.length + undecided.length === 0 ? null : { taken, undecided, bodyBytes, bytes }
}

/** Sessions that a request which has ended belongs to. */
export function sessionsOf({ taken, undecided }: Takers, status: number, failed: boolean): string[] {
  const sessions = taken.map(({ session }) => session)
  const now = Date.now()
  for (const order of undecided) {
    const { statuses, failuresOnly, until, session } = order
    if (now >= until || (failuresOnly && !failed)) continue
    if (statuses.length > 0 && !statuses.some(([from, to]) => status >= from && status <= to)) continue
    if (takeSlot(order)) sessions.push(session)
  }
  return sessions
}

interface Deployed {
  readonly organization: string
  readonly environment: string
  readonly name: string
  readonly revision: string
}

function isFor(order: RecordingOrder, proxy: Deployed): boolean {
  return (
    order.organization === proxy.organization &&
    order.environment === proxy.environment &&
    order.proxy === proxy.name &&
    (order.revision === null || order.revision === proxy.revision)
  )
}

function decidedAtEnd({ statuses, failuresOnly }: RecordingOrder): boolean {
  return failuresOnly || statuses.length > 0
}

function matches({ headers, query }: RecordingOrder, request: FilteredRequest): boolean {
  for (const [name, value] of headers) {
    const lines = request.header(name)
    if (!lines.includes(value) && lines.join(', ') !== value) return false
  }
  if (query.length === 0) return true
  const parameters = queryParameters(request.head.target)
  return query.every(([name, value]) => parameters.get(name)?.includes(value) ?? false)
}

function hasSlot({ slots }: RecordingOrder): boolean {
  const counts = new Int32Array(slots)
  return Atomics.load(counts, 0) < Atomics.load(counts, 1)
}

/** Exactly as many as there may be are taken, over all workers. */
function takeSlot({ slots }: RecordingOrder): boolean {
  const counts = new Int32Array(slots)
  for (;;) {
    const taken = Atomics.load(counts, 0)
    if (taken >= Atomics.load(counts, 1)) return false
    if (Atomics.compareExchange(counts, 0, taken, taken + 1) === taken) return true
  }
}
