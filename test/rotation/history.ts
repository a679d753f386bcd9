/*
 * What happened in a rotation run, as plain data, and what is wrong with it. The judge is separate from the run so that it
 * can be shown to find each kind of violation (history.test.ts).
 */

/** One swap of the bundle and what became of it; the first stands for the start. */
export interface Swap {
  readonly kind: string
  /** Roots in the bundle: what is trusted once a generation holds it. null: no bundle that may be taken up. */
  readonly roots: readonly string[] | null
  /** When the volume was swapped, and when the gateway said that it had a new generation or refused. */
  readonly swappedAt: number
  readonly settledAt: number
  readonly generation: number
  /** Snapshot ids of the targets after it. */
  readonly snapshots: string
  /** The problems of every `generation-refused` from this swap to the next. */
  readonly refusals: readonly string[]
  /** Connections, opened before, that are still open to backends whose root is not trusted, at the end of its time. */
  readonly lingering: number
}

/** One request, as its client saw it and as the backends did. */
export interface RequestSeen {
  readonly sequence: number
  readonly target: string
  /** The root under which the target's backend stands. */
  readonly root: string
  readonly startedAt: number
  readonly endedAt: number
  /** 0: the connection broke, or no answer came. */
  readonly status: number
  /** Verdict code of a fault; '' otherwise. */
  readonly code: string
  /** Connection at the backend that carried it; '' when the backend never saw it. */
  readonly connection: string
  /** That connection resumed a TLS session. */
  readonly resumed: boolean
}

export interface History {
  readonly swaps: readonly Swap[]
  readonly requests: readonly RequestSeen[]
}

/** A stretch of time under one generation: from when it may have been in force to when it may still have been. */
interface Era {
  readonly roots: readonly string[]
  readonly from: number
  readonly to: number
}

/** Every violation, in a sentence each; empty when rotation did what it must. */
export function violations(history: History): readonly string[] {
  const eras = erasOf(history.swaps)
  const requests = [...history.requests].sort((one, other) => one.sequence - other.sequence)
  return [
    ...requests.flatMap((request) => judgeRequest(request, eras)),
    ...judgeConnections(requests, eras),
    ...history.swaps.flatMap((swap, index) => judgeSwap(swap, history.swaps.slice(0, index))),
  ]
}

function judgeRequest(request: RequestSeen, eras: readonly Era[]): string[] {
  const { sequence, target, root, status, connection } = request
  const what = `request ${sequence} to ${target}`
  const trusted = possibleEras(request, eras).map((at) => eras[at]?.roots.includes(root) === true)
  const answered = `answered ${status}${request.code === '' ? '' : ` ${request.code}`}`
  if (trusted.every(Boolean)) {
    return status === 200 ? [] : [`${what}: ${answered} while its root was trusted before and after`]
  }
  if (trusted.some(Boolean) && status === 200) return []
  if (status !== 502) return [`${what}: ${answered} after its root was withdrawn`]
  return connection === '' ? [] : [`${what}: ${answered}, and yet the backend saw it`]
}

/** I2: a connection belongs to one generation of trust, and the first of a generation resumes no older session. */
function judgeConnections(requests: readonly RequestSeen[], eras: readonly Era[]): string[] {
  const found: string[] = []
  const possible = new Map<string, readonly number[]>()
  const firstSeen = new Map<string, RequestSeen>()
  for (const request of requests) {
    const { connection, sequence, target } = request
    if (connection === '') continue
    const before = possible.get(connection)
    const now = possibleEras(request, eras)
    const both = before === undefined ? now : before.filter((era) => now.includes(era))
    if (both.length === 0) {
      found.push(`request ${sequence} to ${target}: forwarded over connection ${connection} of an older generation`)
    }
    possible.set(connection, both)
    if (!firstSeen.has(connection)) firstSeen.set(connection, request)
  }
  const begun = new Set<string>()
  for (const [connection, request] of firstSeen) {
    const at = possible.get(connection) ?? []
    const names = at.map((era) => `${request.target} ${era}`)
    // Only a connection that certainly belongs to one generation can be found guilty; any may be the first of one.
    if (at.length === 1 && request.resumed && !names.some((name) => begun.has(name))) {
      found.push(
        `request ${request.sequence} to ${request.target}: the first connection of its generation resumed a session`,
      )
    }
    for (const name of names) begun.add(name)
  }
  return found
}

function judgeSwap(swap: Swap, earlier: readonly Swap[]): string[] {
  const before = earlier.at(-1)
  if (before === undefined) return []
  const what = `swap to ${swap.kind} at ${Math.round(swap.swappedAt)} ms`
  if (swap.lingering > 0) return [`${what}: ${swap.lingering} connections to withdrawn backends were left open`]
  if (swap.roots !== null) {
    const inForce = earlier.findLast(({ roots }) => roots !== null)?.roots ?? []
    const same = swap.roots.toSorted().join() === inForce.toSorted().join()
    return [
      ...(swap.refusals.length === 0 ? [] : [`${what}: refused: ${swap.refusals.join('; ')}`]),
      ...(same === (swap.generation === before.generation)
        ? []
        : [`${what}: ${same ? 'nothing new, and yet' : 'no generation after'} generation ${before.generation}`]),
    ]
  }
  const found: string[] = []
  if (swap.generation !== before.generation) found.push(`${what}: a bad bundle made generation ${swap.generation}`)
  if (swap.snapshots !== before.snapshots) found.push(`${what}: a bad bundle changed the snapshots`)
  if (swap.refusals.length !== 1) found.push(`${what}: a bad bundle was reported ${swap.refusals.length} times`)
  return found
}

/** Swaps that made a generation, each with the time in which it may have been in force on some worker. */
function erasOf(swaps: readonly Swap[]): readonly Era[] {
  const made = swaps.filter(
    (swap, index) => swap.roots !== null && (index === 0 || swap.generation !== swaps[index - 1]?.generation),
  )
  return made.map(({ roots, swappedAt }, index) => ({
    roots: roots ?? [],
    from: swappedAt,
    to: made[index + 1]?.settledAt ?? Number.POSITIVE_INFINITY,
  }))
}

/** Indexes of the generations under which the request may have been forwarded. */
function possibleEras({ startedAt, endedAt }: RequestSeen, eras: readonly Era[]): readonly number[] {
  return eras.flatMap(({ from, to }, index) => (from <= endedAt && to > startedAt ? [index] : []))
}
