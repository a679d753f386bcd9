import type { ConnectionStory } from '../dial/story.ts'
import type { RecordedFault, RecordedStep, RecordedTransaction } from '../observe/recording.ts'

/** One try of a request at one server, as its steps tell it; times are ms from the start of the request. */
export interface Attempt {
  readonly target: string
  readonly server: string
  readonly startedAt: number
  /** null: no connection was there. */
  readonly connection: {
    readonly at: number
    readonly reused: boolean
    readonly uses: number
    readonly story: ConnectionStory
  } | null
  /** No connection came of it. */
  readonly failedDial: {
    readonly at: number
    readonly story: ConnectionStory | null
    readonly fault: RecordedFault
  } | null
  /** null: nothing was sent. */
  readonly sentAt: number | null
  readonly response: { readonly status: number; readonly protocol: string } | null
  readonly tunnelAt: number | null
  readonly endedAt: number
  /** Why it failed, beyond what the status says; null: it did not. */
  readonly fault: RecordedFault | null
}

type Open = { -readonly [Key in keyof Attempt]: Attempt[Key] } & { ended: boolean }

/** In their order; the last is the one whose response the client got. */
export function attemptsOf({ steps, totalMs, backend }: RecordedTransaction): readonly Attempt[] {
  const attempts: Open[] = []
  const begin = (at: number, target: string, server: string): Open => {
    const attempt: Open = {
      target,
      server,
      startedAt: at,
      connection: null,
      failedDial: null,
      sentAt: null,
      response: null,
      tunnelAt: null,
      endedAt: totalMs,
      fault: null,
      ended: false,
    }
    attempts.push(attempt)
    return attempt
  }
  const current = (at: number): Open => {
    const last = attempts.at(-1)
    return last === undefined || last.ended
      ? begin(at, last?.target ?? backend?.target ?? '', last?.server ?? '')
      : last
  }
  for (const step of steps) take(step, begin, current, attempts)
  return attempts
}

function take(
  step: RecordedStep,
  begin: (at: number, target: string, server: string) => Open,
  current: (at: number) => Open,
  attempts: readonly Open[],
): void {
  const { at } = step
  switch (step.type) {
    case 'server-chosen':
      begin(at, step.target, step.server)
      return
    case 'connected':
      current(at).connection = { at, reused: step.reused, uses: step.uses, story: step.story }
      return
    case 'connect-failed': {
      const attempt = current(at)
      attempt.failedDial = { at, story: step.story, fault: step.fault }
      end(attempt, at, step.fault)
      return
    }
    case 'request-sent':
      current(at).sentAt = at
      return
    case 'response-received':
      current(at).response = { status: step.message?.status ?? 0, protocol: step.protocol }
      return
    case 'response-body': {
      const attempt = attempts.at(-1)
      // The end of a tunnel comes later than that of the response which opened it.
      if (attempt !== undefined && !attempt.ended && attempt.tunnelAt === null) end(attempt, at, null)
      return
    }
    case 'try-failed':
      end(current(at), at, step.fault)
      return
    case 'tunnel': {
      const attempt = attempts.at(-1)
      if (attempt !== undefined) attempt.tunnelAt = at
      return
    }
    case 'fault': {
      const attempt = attempts.at(-1)
      if (attempt !== undefined && !attempt.ended) end(attempt, at, step.fault)
      return
    }
    default:
      // What goes on between client and gateway is no part of an attempt.
      return
  }
}

function end(attempt: Open, at: number, fault: RecordedFault | null): void {
  attempt.endedAt = at
  attempt.fault = fault
  attempt.ended = true
}
