import { setTimeout as sleep } from 'node:timers/promises'
import type { ResolvedOk } from '../config/resolve.ts'
import { faultKindOf } from '../dial/classify.ts'
import { Resolver } from '../dial/resolver.ts'
import type { TargetTrust } from '../dial/target-trust.ts'
import type { Fault } from '../faults/fault.ts'
import { judge } from '../judge/judge.ts'
import { type DiagnosisQuestion, type ExactCause, failureKey, pathTells } from '../proxy/control-port.ts'
import type { GenerationPlan, ServerPlan, TargetPlan, TargetTlsPlan } from '../proxy/plan.ts'
import { remediesForLog } from '../verdict/remedies.ts'
import { configContext, type ContextPlace, knownCertificates, storedCertificates } from './config-context.ts'
import { type Diagnosis, diagnose } from './diagnose.ts'
import { clipped, clippedRemedy } from './clipped.ts'
import { SharedTrusts } from './shared-trusts.ts'
import { trustMaterial } from './trust-material.ts'

export interface LiveHooks {
  /** A cause was found out that was not known before. */
  found(question: DiagnosisQuestion, diagnosis: Diagnosis, ms: number): void
  /** Every probe, whatever came of it; for the inventory. */
  probed(server: ServerPlan, diagnosis: Diagnosis): void
  /** A fault of this program: a diagnosis that threw, or that contradicts the handshake. */
  failed(message: string): void
}

/** Probes of one server begin at least this far apart. */
const spacingMs = 5_000
/** An answer is given again for this long without another probe. */
const rememberMs = 60_000
/** I10. */
const maxRemembered = 1024
const maxAtOnce = 4
const maxWaiting = 64
/** A backend that keeps its probe waiting does not keep others from theirs: after so long the probe gives its place away. */
const patienceMs = 1000
const maxHanging = 60
/** More than an honest chain takes. For each millisecond beyond, so many pass before the next probe, at most `maxPauseMs`. */
const freeJudgingMs = 10
const pauseFactor = 9
const maxPauseMs = 30_000

interface Remembered {
  readonly until: number
  readonly answer: Promise<ExactCause | null>
}

/** What the running generation says of a server. */
interface Served {
  readonly target: TargetPlan
  readonly server: ServerPlan & { readonly tls: TargetTlsPlan }
  readonly trust: TargetTrust
}

/**
 * Finds the exact cause of failures that the workers report, on the main thread: one probe for all workers and all failures
 * with the same evidence, so many for a server and no more, and no answer where the probe saw something else than the
 * request did (I5).
 */
export class LiveDiagnosis {
  readonly #hooks: LiveHooks
  readonly #where: ContextPlace
  readonly #resolver = new Resolver(0)
  readonly #ended = new AbortController()
  readonly #answers = new Map<string, Remembered>()
  /** When the last probe of a server began, by target, server and snapshot. */
  readonly #probed = new Map<string, number>()
  #trusts = new SharedTrusts()
  readonly #queue: (() => void)[] = []
  #running = 0
  /** Probes under way that have given their place away. */
  #hanging = 0
  /** Until when (`performance.now()`) no probe begins: the thread has others to serve than backends that are dear to judge. */
  #pausedUntil = 0
  #resolved: ResolvedOk
  #plan: GenerationPlan

  constructor(resolved: ResolvedOk, where: ContextPlace, hooks: LiveHooks) {
    this.#resolved = resolved
    this.#plan = resolved.plan
    this.#where = where
    this.#hooks = hooks
  }

  /** Another generation is in force. What was found out under its snapshots stays true. */
  follow(resolved: ResolvedOk, plan: GenerationPlan): void {
    this.#resolved = resolved
    this.#plan = plan
    // Contexts of lists that are no longer trusted are of no more use.
    this.#trusts = new SharedTrusts()
  }

  /**
   * Reads what every diagnosis reads and judges once, so that the first failure after a start need not wait for that too: it
   * has no more than `diagnosis.wait`.
   */
  warm(): void {
    const [one, other] = knownCertificates(this.#resolved.input.stores)
    if (one === undefined || other === undefined || !this.#plan.diagnosis.live) return
    const { certificate } = one
    judge({
      mode: 'runtime',
      served: [{ der: certificate.der, certificate, malformed: null }],
      anchors: [other.certificate],
      intermediates: [],
      fetched: [],
      known: [],
      partialChain: false,
      crls: null,
      time: Date.now(),
      purpose: 'server',
      names: ['warm.invalid'],
      maxDepth: null,
      policies: null,
      securityLevel: 2,
      skip: { chain: false, name: false },
    })
  }

  close(): void {
    this.#ended.abort()
    this.#resolver.close()
    for (const next of this.#queue.splice(0)) next()
  }

  /** @returns null where nothing better than the dialer's own word is to be had */
  cause(question: DiagnosisQuestion): Promise<ExactCause | null> {
    const now = performance.now()
    const key = failureKey(question)
    const known = this.#answers.get(key)
    if (known !== undefined && known.until > now) return known.answer
    const served = this.#serverOf(question)
    if (served === null || !this.#mayProbe(question, now)) return Promise.resolve(null)
    const answer = this.#find(question, served).catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#hooks.failed(describe(error))
      return null
    })
    remember(this.#answers, key, { until: now + rememberMs, answer }, maxRemembered)
    // What says nothing is asked for again as soon as a probe is allowed again.
    void answer.then((cause) => {
      if (cause === null && this.#answers.get(key)?.answer === answer) this.#answers.delete(key)
    })
    return answer
  }

  async #find(question: DiagnosisQuestion, { target, server, trust }: Served): Promise<ExactCause | null> {
    await this.#turn()
    let hangs = false
    let timer: NodeJS.Timeout | undefined
    try {
      const pause = this.#pausedUntil - performance.now()
      if (pause > 0) await sleep(pause, undefined, { ref: false, signal: this.#ended.signal })
      if (this.#ended.signal.aborted) return null
      const startedAt = performance.now()
      timer = setTimeout(() => {
        if (this.#hanging >= maxHanging) return
        hangs = true
        this.#hanging++
        this.#leave()
      }, patienceMs)
      const diagnosis = await diagnose({
        server,
        trust,
        material: trustMaterial(server.tls),
        resolver: this.#resolver,
        known: knownCertificates(this.#resolved.input.stores, storedCertificates(this.#resolved)),
        // A backend that cannot be trusted is not to choose, unasked, where this gateway connects to.
        fetchIssuers: null,
        settle: true,
        compare: [],
        context: configContext(this.#resolved, target, server, this.#where),
        signal: this.#ended.signal,
      })
      this.#pauseFor(diagnosis.judgingMs)
      this.#hooks.probed(server, diagnosis)
      if (diagnosis.disagreement !== '') {
        this.#hooks.failed(`diagnosis of ${server.target}: ${diagnosis.disagreement}`)
        return null
      }
      if (!sameFailure(question.fault, diagnosis)) return null
      const cause = causeOf(server, diagnosis)
      this.#hooks.found(question, diagnosis, performance.now() - startedAt)
      return cause
    } finally {
      clearTimeout(timer)
      if (hangs) this.#hanging--
      else this.#leave()
    }
  }

  #leave(): void {
    this.#running--
    this.#queue.shift()?.()
  }

  /** Waits until one of the few places is free. */
  async #turn(): Promise<void> {
    if (this.#running >= maxAtOnce) await new Promise<void>((resolve) => this.#queue.push(resolve))
    this.#running++
  }

  #pauseFor(judgingMs: number): void {
    if (judgingMs <= freeJudgingMs) return
    const now = performance.now()
    this.#pausedUntil = Math.min(Math.max(this.#pausedUntil, now) + judgingMs * pauseFactor, now + maxPauseMs)
  }

  #mayProbe({ target, server, snapshot }: DiagnosisQuestion, now: number): boolean {
    const key = JSON.stringify([target, server, snapshot])
    const last = this.#probed.get(key)
    if ((last !== undefined && now - last < spacingMs) || this.#queue.length >= maxWaiting) return false
    remember(this.#probed, key, now, maxRemembered)
    return true
  }

  /** The server as it is now; null when the question is about an earlier generation. */
  #serverOf({ target: name, server: serverName, snapshot }: DiagnosisQuestion): Served | null {
    const target = this.#plan.targets.find((each) => each.name === name)
    const server = target?.servers.find((each) => each.name === serverName)
    if (target === undefined || server === undefined || server.tls === null || server.tls.snapshotId !== snapshot)
      return null
    const { tls } = server
    return { target, server: { ...server, tls }, trust: this.#trusts.of(tls) }
  }
}

/** I5: an answer is for the failing request only where the probe failed in the same way on the same path. */
function sameFailure(fault: Fault, { probe, served, verdict }: Diagnosis): boolean {
  if (probe.fault === null) return false
  // A close right after the handshake is the same failure only where it is about our certificate.
  if (fault.kind === 'response-eof') return verdict.code === 'client-certificate-rejected'
  const { runtimeCode, alert, leaf, path } = fault.evidence
  const { evidence } = probe.fault
  if (leaf !== undefined && served[0]?.sha256 !== leaf) return false
  if (pathTells(fault) && JSON.stringify(path) !== JSON.stringify(evidence['path'])) return false
  return runtimeCode === evidence['runtimeCode'] && alert === evidence['alert']
}

/** The verdict as the data plane renders and logs it. */
function causeOf(server: ServerPlan, { verdict, findings, remedy }: Diagnosis): ExactCause {
  const { code, party, summary, certificate, at, hides, evidence } = verdict
  const [first] = remediesForLog(remedy)
  const also = findings.filter((each) => each.severity === 'fault').slice(1, 1 + maxAlso)
  return {
    kind: faultKindOf(code),
    verdict: code,
    party,
    summary: `${server.host}:${server.port}: ${code}: ${summary}`.slice(0, 1024),
    evidence: {
      diagnosed: true,
      ...(certificate === null
        ? {}
        : { guilty: { at, subject: clipped(certificate.subject), sha256: certificate.sha256 } }),
      ...(fitting(evidence) ? { because: evidence } : {}),
      ...(hides.length === 0 ? {} : { hides, also: also.map((each) => clipped(`${each.code}: ${each.summary}`)) }),
      ...(first === undefined ? {} : { remedy: clippedRemedy(first) }),
    },
  }
}

const maxAlso = 5

/** A certificate can carry thousands of names; a line about it does not. (I10) */
function fitting(evidence: Readonly<Record<string, unknown>>): boolean {
  return JSON.stringify(evidence).length <= 4096
}

function remember<T>(map: Map<string, T>, key: string, value: T, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= limit) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    break
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
