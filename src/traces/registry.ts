import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { PosternError } from '../core/errors.ts'
import type { RecordedTransaction, RecordingOrder } from '../observe/recording.ts'
import type { EdgeSession } from './edge-model.ts'
import { type Held, importedRequest, isSame, orderOf, shown } from './held-session.ts'
import { maskTransaction } from './masking.ts'
import type { ImportPlace, SessionRequest, Traces, TraceSession } from './types.ts'

export interface TraceLimits {
  /** Sessions that run, in all and of one organization. */
  readonly atOnce: number
  readonly atOnceOfOrganization: number
  /** Sessions with their data, those that run included. */
  readonly kept: number
  /** After a session has ended. */
  readonly keptMs: number
  /** Of all transactions, as JSON. */
  readonly bytes: number
  /** Of one transaction, at the worker that records it. */
  readonly transactionBytes: number
}

const traceLimits: TraceLimits = {
  atOnce: 32,
  atOnceOfOrganization: 16,
  kept: 200,
  keptMs: 24 * 60 * 60 * 1000,
  bytes: 64 * 1024 * 1024,
  transactionBytes: 512 * 1024,
}

export interface TraceRegistry extends Traces {
  /** From the workers. Masked before anything is kept. */
  recorded(transactions: readonly RecordedTransaction[]): void
  /** Transactions that there was no room for, or that could not be masked; since the start. */
  readonly lost: number
  /** Workers get no further orders. */
  close(): void
}

export interface TracesOptions {
  /** Told whenever a session begins or ends: all that run. */
  readonly order: (orders: readonly RecordingOrder[]) => void
  readonly now?: Clock
  readonly limits?: Partial<TraceLimits>
  /** @returns takes it back; default: a timer that keeps no process alive */
  readonly timer?: (ms: number, then: () => void) => () => void
}

/** The debug sessions of this gateway. */
export function openTraces(options: TracesOptions): TraceRegistry {
  return new Registry(options)
}

class Registry implements TraceRegistry {
  lost = 0
  readonly #order: TracesOptions['order']
  readonly #now: Clock
  readonly #limits: TraceLimits
  readonly #timer: NonNullable<TracesOptions['timer']>
  /** In the order they began. */
  readonly #sessions = new Map<string, Held>()
  #bytes = 0
  #cancel: () => void = () => {}
  #closed = false

  constructor({ order, now = Date.now, limits = {}, timer = quietTimer }: TracesOptions) {
    this.#order = order
    this.#now = now
    this.#limits = { ...traceLimits, ...limits }
    this.#timer = timer
  }

  start(request: SessionRequest): TraceSession {
    this.#sweep()
    const id = randomUUID()
    const named = request.name === '' ? { ...request, name: id.slice(0, 8) } : request
    const same = [...this.#sessions.values()].find((each) => isSame(each, named))
    if (same?.ended === '') throw refusal('trace-exists', `a debug session ${named.name} of it runs already`)
    this.#refuseTooMany(named.organization)
    // Its data would be found under the new one's name.
    if (same !== undefined) this.#drop(same)
    const startedAt = this.#now()
    const until = startedAt + named.timeoutSeconds * 1000
    const slots = new SharedArrayBuffer(8)
    new Int32Array(slots)[1] = named.maxTransactions
    const session: Held = {
      id,
      request: named,
      startedAt,
      imported: null,
      transactions: [],
      slots,
      until,
      ended: '',
      bytes: 0,
    }
    this.#keep(session)
    this.#orders()
    return shown(session)
  }

  importSession(imported: EdgeSession, place: ImportPlace): TraceSession {
    this.#sweep()
    const startedAt = this.#now()
    this.#makeRoom(place.bytes)
    if (this.#bytes + place.bytes > this.#limits.bytes) {
      throw refusal('trace-limit', 'there is no room for it beside the sessions that run')
    }
    const session: Held = {
      id: randomUUID(),
      request: importedRequest(imported, place),
      startedAt,
      imported,
      transactions: [],
      slots: new SharedArrayBuffer(8),
      until: startedAt,
      ended: 'imported',
      bytes: place.bytes,
    }
    this.#bytes += place.bytes
    this.#keep(session)
    return shown(session)
  }

  list(organization: string, environment: string, proxy: string, revision: string | null): readonly TraceSession[] {
    return this.all().filter(({ request }) => {
      const here = request.organization === organization && request.environment === environment
      const ofRevision = revision === null || request.revision === null || request.revision === revision
      return here && request.proxy === proxy && ofRevision
    })
  }

  all(): readonly TraceSession[] {
    this.#sweep()
    return [...this.#sessions.values()].map(shown)
  }

  get(id: string): TraceSession | null {
    this.#sweep()
    const session = this.#sessions.get(id)
    return session === undefined ? null : shown(session)
  }

  find(id: string): ReturnType<Traces['find']> {
    this.#sweep()
    for (const session of this.#sessions.values()) {
      if (session.request.showCredentials) continue
      const transaction = session.transactions.find((each) => each.id === id)
      if (transaction !== undefined) return { session: shown(session), transaction }
    }
    return null
  }

  delete(id: string): boolean {
    this.#sweep()
    const session = this.#sessions.get(id)
    if (session === undefined) return false
    const ran = session.ended === ''
    this.#drop(session)
    if (ran) this.#orders()
    this.#watch()
    return true
  }

  recorded(transactions: readonly RecordedTransaction[]): void {
    this.#sweep()
    let ended = false
    for (const transaction of transactions) {
      for (const id of transaction.sessions) {
        const session = this.#sessions.get(id)
        if (session !== undefined) ended = this.#take(session, transaction) || ended
      }
    }
    if (ended) this.#orders()
    this.#watch()
  }

  close(): void {
    this.#closed = true
    this.#cancel()
    this.#sessions.clear()
    this.#bytes = 0
  }

  /** A request that began before its session's end may come after it. @returns whether the session has ended by it */
  #take(session: Held, transaction: RecordedTransaction): boolean {
    const { request, transactions } = session
    if (session.imported !== null || transactions.length >= request.maxTransactions) return false
    const masked = maskedOrNull(transaction, request)
    if (masked === null) {
      this.lost++
      return false
    }
    const kept = { ...masked, sessions: [session.id] }
    const bytes = JSON.stringify(kept).length
    this.#makeRoom(bytes, session)
    const fits = this.#bytes + bytes <= this.#limits.bytes
    if (fits) {
      transactions.push(kept)
      session.bytes += bytes
      this.#bytes += bytes
    } else this.lost++
    if (session.ended !== '' || (fits && transactions.length < request.maxTransactions)) return false
    this.#end(session, 'full')
    return true
  }

  #end(session: Held, why: 'timeout' | 'full'): void {
    session.ended = why
    if (why === 'full') session.until = Math.min(session.until, this.#now())
  }

  #refuseTooMany(organization: string): void {
    const running = [...this.#sessions.values()].filter(({ ended }) => ended === '')
    const own = running.filter(({ request }) => request.organization === organization)
    const { atOnce, atOnceOfOrganization } = this.#limits
    if (own.length < atOnceOfOrganization && running.length < atOnce) return
    const most = own.length < atOnceOfOrganization ? `${atOnce} debug sessions` : `${own.length} of ${organization}`
    throw refusal('trace-limit', `${most} run already; end one, or wait`)
  }

  #keep(session: Held): void {
    this.#sessions.set(session.id, session)
    while (this.#sessions.size > this.#limits.kept && this.#dropOldest(session)) {
      // One after the other.
    }
    this.#watch()
  }

  #makeRoom(bytes: number, not: Held | null = null): void {
    while (this.#bytes + bytes > this.#limits.bytes && this.#dropOldest(not)) {
      // One after the other.
    }
  }

  /** Of those that have ended, the one that did first. */
  #dropOldest(not: Held | null): boolean {
    let oldest: Held | null = null
    for (const each of this.#sessions.values()) {
      if (each !== not && each.ended !== '' && (oldest === null || each.until < oldest.until)) oldest = each
    }
    if (oldest === null) return false
    this.#drop(oldest)
    return true
  }

  #drop(session: Held): void {
    this.#sessions.delete(session.id)
    this.#bytes -= session.bytes
  }

  /** What time has ended, and what is too old to be kept. */
  #sweep(): void {
    const now = this.#now()
    let ended = false
    for (const session of this.#sessions.values()) {
      if (session.ended === '' && session.until <= now) {
        this.#end(session, 'timeout')
        ended = true
      }
      if (session.ended !== '' && session.until + this.#limits.keptMs <= now) this.#drop(session)
    }
    if (ended) this.#orders()
  }

  /** Until the next thing that time brings. */
  #watch(): void {
    this.#cancel()
    if (this.#closed || this.#sessions.size === 0) return
    const times = [...this.#sessions.values()].map(({ ended, until }) => {
      return ended === '' ? until : until + this.#limits.keptMs
    })
    this.#cancel = this.#timer(Math.max(1, Math.min(...times) - this.#now()), () => {
      this.#sweep()
      this.#watch()
    })
  }

  #orders(): void {
    if (this.#closed) return
    const running = [...this.#sessions.values()].filter(({ ended }) => ended === '')
    this.#order(running.map((session) => orderOf(session, this.#limits.transactionBytes)))
  }
}

/** null: it cannot be masked, so nothing of it may be kept. What a client has sent must not end the gateway. */
function maskedOrNull(transaction: RecordedTransaction, request: SessionRequest): RecordedTransaction | null {
  try {
    return maskTransaction(transaction, request)
  } catch {
    // Whoever asks sees the count: postern_observability_lost_total.
    return null
  }
}

function refusal(code: 'trace-exists' | 'trace-limit', message: string): PosternError {
  return new PosternError(code, message, { party: 'client' })
}

function quietTimer(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, Math.min(ms, 2 ** 31 - 1))
  timer.unref()
  return () => clearTimeout(timer)
}
