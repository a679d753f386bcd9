import type { Fault } from '../faults/fault.ts'
import { verdictCodes } from '../verdict/codes.ts'
import {
  type ControlPort,
  type DiagnosisAnswer,
  type DiagnosisQuestion,
  type ExactCause,
  failureKey,
} from './control-port.ts'
import type { ServerPlan } from './plan.ts'

/** Which failures are asked about, and how long the first of a kind may wait for the answer. */
export interface ConsultationPlan {
  readonly live: boolean
  readonly waitMs: number
}

/** I10: failures of different evidence that are remembered, by worker. */
const maxKnown = 512
/** An answer is used this long without asking again; an older one is still used while it is asked anew. */
const freshMs = 60_000
/** After no answer, or none that says more, the same failure is not asked about again for this long. */
const silenceMs = 5_000
/** Questions a worker may have open: a backend with a new certificate for each connection must not flood the main thread. */
const maxOpen = 32

/** One kind of failure of one server. */
interface Known {
  cause: ExactCause | null
  /** When it is to be asked about next. */
  askAgainAt: number
  /** Of the open question; 0: none. */
  question: number
  /** Until when failures may wait for the open question. */
  waitUntil: number
  readonly waiting: Set<() => void>
}

/**
 * Brings the exact cause to failed dials. The first failure of a kind asks the main thread and may wait a moment; every later
 * one with the same evidence gets the answer at once, and never waits.
 */
export class Consultation {
  readonly #port: ControlPort | null
  /** Least recently used first. */
  readonly #known = new Map<string, Known>()
  readonly #open = new Map<number, { readonly key: string; readonly leafKey: string }>()
  #plan: ConsultationPlan = { live: false, waitMs: 0 }
  #questions = 0

  constructor(port: ControlPort | null) {
    this.#port = port
  }

  /** The generation's word on it. */
  configure(plan: ConsultationPlan): void {
    this.#plan = plan
  }

  /**
   * Calls `done` once with the fault, made exact where its cause is known: now, or within the time that a failure may wait.
   *
   * @returns what makes it forget `done`
   */
  consult(server: ServerPlan, fault: Fault, done: (fault: Fault) => void): () => void {
    if (!this.#plan.live || this.#port === null || server.tls === null || !worthAsking(fault)) {
      done(fault)
      return nothing
    }
    const question = { target: server.target, server: server.name, snapshot: server.tls.snapshotId, fault }
    const known = this.#recall(failureKey(question))
    const now = performance.now()
    if (known.question === 0 && known.askAgainAt <= now && this.#open.size < maxOpen) {
      this.#ask(this.#port, question, known, now)
    }
    if (known.cause !== null || known.question === 0 || known.waitUntil <= now) {
      done(exact(fault, known.cause))
      return nothing
    }
    const answered = (): void => {
      clearTimeout(timer)
      known.waiting.delete(answered)
      done(exact(fault, known.cause))
    }
    const timer = setTimeout(answered, known.waitUntil - now)
    known.waiting.add(answered)
    return () => {
      clearTimeout(timer)
      known.waiting.delete(answered)
    }
  }

  answered({ id, cause }: DiagnosisAnswer): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    this.#open.delete(id)
    const known = this.#known.get(open.key)
    if (known === undefined) return
    known.question = 0
    known.askAgainAt = performance.now() + (cause === null ? silenceMs : freshMs)
    // Nothing new (too soon for another probe, or a backend that has changed since) takes back no cause of the same evidence.
    known.cause = cause ?? known.cause
    const { askAgainAt } = known
    // A failure of which the leaf alone was captured (docs/decisions/0008) has the cause that was last found for that leaf.
    const leafAlone = open.leafKey === open.key || cause === null ? null : this.#recall(open.leafKey)
    if (leafAlone?.question === 0) Object.assign(leafAlone, { cause, askAgainAt })
    for (const answered of [...known.waiting]) answered()
  }

  #ask(port: ControlPort, question: Omit<DiagnosisQuestion, 'id'>, known: Known, now: number): void {
    const id = ++this.#questions
    known.question = id
    // Who ran into a deadline has waited long enough, and the same may happen to the probe.
    known.waitUntil = question.fault.kind === 'tls-timeout' ? 0 : now + this.#plan.waitMs
    this.#open.set(id, { key: failureKey(question), leafKey: failureKey(question, false) })
    port.diagnose({ id, ...question })
  }

  #recall(key: string): Known {
    const known = this.#known.get(key) ?? { cause: null, askAgainAt: 0, question: 0, waitUntil: 0, waiting: new Set() }
    this.#known.delete(key)
    this.#known.set(key, known)
    if (this.#known.size > maxKnown) {
      // At most `maxOpen` of them have a question open, so one without is found soon.
      for (const [oldest, { question }] of this.#known) {
        if (question !== 0) continue
        this.#known.delete(oldest)
        break
      }
    }
    return known
  }
}

/** What TLS decides. A name without an address, or a closed port, has nothing more to show. */
function worthAsking({ kind, verdict, evidence }: Fault): boolean {
  // Also after the handshake: TLS 1.3 tells of it then.
  if (kind === 'client-certificate') return true
  if (kind === 'response-eof') return evidence['afterOurCertificate'] === true
  if (verdict === null || evidence['phase'] === 'late') return false
  const { stage } = verdictCodes[verdict]
  return stage === 'handshake' || stage === 'chain' || stage === 'identity'
}

/** The failing connection's own facts stay; what the diagnosis found is added. */
function exact(fault: Fault, cause: ExactCause | null): Fault {
  if (cause === null) return fault
  const { kind, verdict, party, summary } = cause
  return { kind, verdict, party, summary, evidence: { ...fault.evidence, ...cause.evidence } }
}

function nothing(): void {
  // Nobody waits.
}
