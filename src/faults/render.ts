import type { FaultKind, FaultProfile } from './fault.ts'
import type { Certainty, FaultInput, RenderedFault } from './rendering.ts'

import { apigeeTable, renderApigee } from './apigee.ts'
import { apimTable, renderApim } from './apim.ts'
import { nativeTable, renderNative } from './native.ts'

/** Turns a fault into the answer for the client, in the words of the proxy's profile. Pure: no clock, no lookup. */
export function renderFault(input: FaultInput): RenderedFault {
  return renderers[input.profile](input)
}

const renderers = { native: renderNative, apigee: renderApigee, apim: renderApim } as const satisfies Record<
  FaultProfile,
  (input: FaultInput) => RenderedFault
>

/** The response header that carries the request id, on faults and good answers alike. */
export const requestIdHeaders = {
  native: 'X-Request-ID',
  apigee: 'X-Apigee-Message-ID',
  // Not x-ms-request-id: Azure's own backends answer with one, which is to reach the client.
  apim: 'X-Request-ID',
} as const satisfies Record<FaultProfile, string>

/** Every kind of fault there is. */
export const faultKinds = Object.keys(nativeTable) as readonly FaultKind[]

/** One row of the generated reference page. */
export interface FaultTableRow {
  readonly kind: FaultKind
  readonly nativeStatus: number
  readonly nativeTitle: string
  readonly proxyStatusError: string
  readonly apigeeStatus: number
  readonly apigeeCode: string
  readonly apigeeSource: string
  readonly apigeeCertainty: Certainty
  readonly apimStatus: number
  readonly apimReason: string
  readonly apimMessage: string
  readonly apimCertainty: Certainty
}

/** What every kind looks like under every profile; the reference page is generated from it. */
export function faultTable(): readonly FaultTableRow[] {
  return faultKinds.map((kind) => ({
    kind,
    nativeStatus: nativeTable[kind].status,
    nativeTitle: nativeTable[kind].title,
    proxyStatusError: nativeTable[kind].proxyError,
    apigeeStatus: apigeeTable[kind].status,
    apigeeCode: apigeeTable[kind].errorcode,
    apigeeSource: apigeeTable[kind].source,
    apigeeCertainty: apigeeTable[kind].certainty,
    apimStatus: apimTable[kind].status,
    apimReason: apimTable[kind].reason,
    apimMessage: apimTable[kind].message,
    apimCertainty: apimTable[kind].certainty,
  }))
}
