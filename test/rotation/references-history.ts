/*
 * What happened while stored trust was changed over the management API under load, as plain data, and what is wrong with
 * it. Separate from the run, so that it can be shown to find each kind of violation (references-history.test.ts).
 */

/** What a route's requests come to under what is stored. */
export type Outcome =
  /** `client`: name in the certificate that the backend is shown; '' for none. */
  { readonly kind: 'served'; readonly client: string } | { readonly kind: 'refused' }

/** A change of what decides about a route; the first of a route stands for the start. */
export interface Change {
  readonly route: string
  readonly what: string
  /** When it was asked for, and when the answer was there. */
  readonly sentAt: number
  readonly answeredAt: number
  readonly status: number
  readonly outcome: Outcome
  /** Connections to the backend, opened before it was asked for, that were still open at the end of its time. */
  readonly lingering: number
}

/** A request when a backend began to serve it. */
export interface Arrival {
  readonly at: number
  readonly connection: string
  readonly client: string
  /** The connection's TLS session was resumed. */
  readonly resumed: boolean
}

export interface RouteRequest {
  readonly sequence: number
  readonly route: string
  readonly startedAt: number
  readonly endedAt: number
  /** 0: the connection broke, or no answer came in time. */
  readonly status: number
  /** Of a fault. */
  readonly code: string
  readonly arrivals: readonly Arrival[]
}

export interface References {
  readonly changes: readonly Change[]
  readonly requests: readonly RouteRequest[]
}

const refusedStatus = 503
export const refusedCode = 'messaging.adaptors.http.flow.SslHandshakeFailed'

/** The issue's own bound for a request that was sent to the backend before the answer. */
const onTheWayMs = 1000

interface Era {
  readonly outcome: Outcome
  /** From when it may have been in force to when it may still have been. */
  readonly from: number
  readonly to: number
}

/** Every violation, in a sentence each. */
export function violations({ changes, requests }: References): readonly string[] {
  const routes = [...new Set(changes.map(({ route }) => route))]
  return [
    ...changes.filter(({ status }) => status < 200 || status > 299).map(refusedChange),
    ...changes.filter(({ lingering }) => lingering > 0).map(leftOpen),
    ...routes.flatMap((route) => {
      const eras = erasOf(changes.filter((change) => change.route === route))
      const mine = requests.filter((request) => request.route === route).sort((a, b) => a.sequence - b.sequence)
      return [...mine.flatMap((request) => judgeRequest(request, eras)), ...judgeConnections(mine, eras)]
    }),
  ]
}

const refusedChange = ({ route, what, status }: Change): string => `change of ${route}: ${what}: answered ${status}`

const leftOpen = ({ route, what, lingering }: Change): string =>
  `change of ${route}: ${what}: ${lingering} connections from before were left open`

/** A change that leaves the outcome as it was begins no era: what it had may go on. */
function erasOf(changes: readonly Change[]): readonly Era[] {
  const made = changes.filter(({ outcome }, index) => !same(outcome, changes[index - 1]?.outcome))
  return made.map(({ outcome, sentAt }, index) => ({
    outcome,
    from: index === 0 ? Number.NEGATIVE_INFINITY : sentAt,
    to: made[index + 1]?.answeredAt ?? Number.POSITIVE_INFINITY,
  }))
}

function judgeRequest(request: RouteRequest, eras: readonly Era[]): readonly string[] {
  const { sequence, route, status, code, arrivals, startedAt, endedAt } = request
  const what = `request ${sequence} to ${route}`
  const possible = eras.filter(({ from, to }) => from <= endedAt && to > startedAt).map(({ outcome }) => outcome)
  const answered = status === 0 ? `no answer after ${Math.round(endedAt - startedAt)} ms` : `answered ${status} ${code}`
  const isRefused = status === refusedStatus && code === refusedCode
  if (status !== 200 && !isRefused) return [`${what}: ${answered.trim()}`]
  const found: string[] = []
  const kind = isRefused ? 'refused' : 'served'
  if (!possible.some((outcome) => outcome.kind === kind)) {
    found.push(`${what}: ${kind} while only "${possible.map(named).join('" or "')}" was to be had`)
  }
  if (kind === 'served' && arrivals.length === 0) found.push(`${what}: answered 200, and no backend saw it`)
  for (const arrival of arrivals) {
    const allowed = possible.some((outcome) => outcome.kind === 'served' && outcome.client === arrival.client)
    if (!allowed) {
      found.push(
        `${what}: forwarded as "${arrival.client}" while only "${possible.map(named).join('" or "')}" was to be had`,
      )
    }
    const until = eras.findLast(
      ({ outcome, from }) => outcome.kind === 'served' && outcome.client === arrival.client && from <= endedAt,
    )?.to
    if (until !== undefined && arrival.at > until + onTheWayMs) {
      found.push(`${what}: came to the backend ${Math.round(arrival.at - until)} ms after the answer that ended it`)
    }
  }
  return found
}

/** I2: a connection belongs to one era, and the first of an era resumes no older session. */
function judgeConnections(requests: readonly RouteRequest[], eras: readonly Era[]): readonly string[] {
  const found: string[] = []
  const possible = new Map<string, readonly number[]>()
  const first = new Map<string, { readonly sequence: number; readonly route: string; readonly resumed: boolean }>()
  for (const { sequence, route, startedAt, endedAt, arrivals } of requests) {
    const now = eras.flatMap(({ from, to }, index) => (from <= endedAt && to > startedAt ? [index] : []))
    for (const { connection, resumed } of arrivals) {
      const both = (possible.get(connection) ?? now).filter((era) => now.includes(era))
      if (both.length === 0)
        found.push(`request ${sequence} to ${route}: over connection ${connection} of an older era`)
      possible.set(connection, both.length === 0 ? now : both)
      if (!first.has(connection)) first.set(connection, { sequence, route, resumed })
    }
  }
  const begun = new Set<number>()
  for (const [connection, { sequence, route, resumed }] of first) {
    const at = possible.get(connection) ?? []
    // Only one that certainly belongs to one era can be found guilty; any may be the first of its own.
    if (at.length === 1 && resumed && !at.some((era) => begun.has(era))) {
      found.push(`request ${sequence} to ${route}: the first connection of its era resumed a session`)
    }
    for (const era of at) begun.add(era)
  }
  return found
}

const named = (outcome: Outcome): string => (outcome.kind === 'refused' ? 'refused' : `served as ${outcome.client}`)

function same(one: Outcome, other: Outcome | undefined): boolean {
  return other !== undefined && named(one) === named(other)
}
