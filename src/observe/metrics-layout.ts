import type { FaultKind } from '../faults/fault.ts'
import type { VerdictCode } from '../verdict/codes.ts'

import { faultKinds } from '../faults/render.ts'
import { verdictCodes } from '../verdict/codes.ts'

/** How many of each a worker's counters are for: the proxies and targets of one generation, in its order. */
export interface MetricsLayout {
  readonly proxies: number
  readonly targets: number
}

/** Of handshakes, upper bounds in seconds; one more bucket is for what is longer. */
export const handshakeBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

export const handshakeResults = ['verified', 'resumed', 'refused'] as const

/** Status classes in slot order; 0 is for requests that got no answer. */
export const codeClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

export const allVerdictCodes = Object.keys(verdictCodes) as readonly VerdictCode[]

/** A fault is counted by its verdict where there is one, else by its kind: a closed set either way (I10). */
export const allFaultCodes: readonly string[] = [...new Set<string>([...allVerdictCodes, ...faultKinds])]

export const verdictSlots = slots(allVerdictCodes)
export const faultSlots = slots(allFaultCodes) as Readonly<Record<VerdictCode | FaultKind, number>>

/** Slots of a proxy's row. */
export const proxyRow = { classes: 0, size: codeClasses.length } as const

/** Slots of the time of handshakes with one result: buckets, then the sum of seconds. */
export const handshakeTimeSlots = handshakeBounds.length + 2

const handshakeTimes = allVerdictCodes.length + 1
const faults = handshakeTimes + handshakeResults.length * handshakeTimeSlots
const single = faults + allFaultCodes.length

/** Slots of a target's row. */
export const targetRow = {
  handshakes: 0,
  resumed: allVerdictCodes.length,
  handshakeTimes,
  faults,
  opened: single,
  unhealthy: single + 1,
  ejections: single + 2,
  retries: single + 3,
  breakerOpened: single + 4,
  size: single + 5,
} as const

/** Slots at the start, which belong to the worker as a whole. */
export const workerRow = { clientsOpened: 0, clientsOpen: 1, logDropped: 2, size: 3 } as const

/** Each table has one row more than the layout says: for requests without a proxy, and for faults without a target. */
export function proxyOffset(index: number, layout: MetricsLayout): number {
  return workerRow.size + (index < 0 ? layout.proxies : index) * proxyRow.size
}

export function targetOffset(index: number, layout: MetricsLayout): number {
  const targets = workerRow.size + (layout.proxies + 1) * proxyRow.size
  return targets + (index < 0 ? layout.targets : index) * targetRow.size
}

/** Bytes of a worker's buffer. */
export function metricsBytes(layout: MetricsLayout): number {
  return Float64Array.BYTES_PER_ELEMENT * (targetOffset(layout.targets, layout) + targetRow.size)
}

function slots<Name extends string>(names: readonly Name[]): Readonly<Record<Name, number>> {
  return Object.fromEntries(names.map((name, slot) => [name, slot])) as Record<Name, number>
}
