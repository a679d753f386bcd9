import type { FaultKind } from '../faults/fault.ts'
import type { VerdictCode } from '../verdict/codes.ts'

import { faultKinds } from '../faults/render.ts'
import { verdictCodes } from '../verdict/codes.ts'

/** How many of each a worker's counters are for: the proxies and targets of one generation, in its order. */
export interface MetricsLayout {
  readonly proxies: number
  readonly targets: number
}

/** Upper bounds in seconds; the last bucket is +Inf. */
export const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

/** Status classes in slot order; 0 is for requests that got no answer. */
export const codeClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

export const allVerdictCodes = Object.keys(verdictCodes) as readonly VerdictCode[]

/** A fault is counted by its verdict where there is one, else by its kind: a closed set either way (I10). */
export const allFaultCodes: readonly string[] = [...new Set<string>([...allVerdictCodes, ...faultKinds])]

export const verdictSlots = slots(allVerdictCodes)
export const faultSlots = slots(allFaultCodes) as Readonly<Record<VerdictCode | FaultKind, number>>

/** Slots of a proxy's row. */
export const proxyRow = {
  classes: 0,
  buckets: codeClasses.length,
  seconds: codeClasses.length + durationBuckets.length + 1,
  size: codeClasses.length + durationBuckets.length + 2,
} as const

/** Slots of a target's row. */
export const targetRow = {
  handshakes: 0,
  resumed: allVerdictCodes.length,
  handshakeSeconds: allVerdictCodes.length + 1,
  faults: allVerdictCodes.length + 2,
  opened: allVerdictCodes.length + 2 + allFaultCodes.length,
  open: allVerdictCodes.length + 3 + allFaultCodes.length,
  unhealthy: allVerdictCodes.length + 4 + allFaultCodes.length,
  ejections: allVerdictCodes.length + 5 + allFaultCodes.length,
  retries: allVerdictCodes.length + 6 + allFaultCodes.length,
  breakerOpened: allVerdictCodes.length + 7 + allFaultCodes.length,
  size: allVerdictCodes.length + 8 + allFaultCodes.length,
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
