import type { RecordedFault, RecordedTransaction } from '../observe/recording.ts'
import { apigeeCode, apigeeFaultString, apigeeTable } from '../faults/apigee.ts'
import { apigeeErrorCause, apigeeErrorClass } from '../faults/apigee-trace.ts'
import { faultCode } from '../faults/rendering.ts'
import type { EdgePair, EdgePoint } from './edge-model.ts'

/** What the playbook reads: `error`, `error.cause`, `error.class` (apigee-edge.md 4.2, 6.1 step A2). */
export function errorPoint(
  transaction: RecordedTransaction,
  fault: RecordedFault,
  state: string,
  at: number,
): EdgePoint {
  const errorClass = apigeeErrorClass(fault)
  const properties: EdgePair[] = [
    ['error', errorText(transaction, fault)],
    ['error.cause', apigeeErrorCause(fault)],
    ...(errorClass === '' ? [] : ([['error.class', errorClass]] satisfies EdgePair[])),
    ['state', state],
    ['type', 'ErrorPoint'],
    ['Identifier', 'fault'],
  ]
  return { id: 'Error', results: [{ kind: 'DebugInfo', at, properties }] }
}

/** The variables a fault sets, and what we know of it beyond Edge's words. */
export function errorVariables(
  transaction: RecordedTransaction,
  fault: RecordedFault,
  state: string,
): readonly EdgePair[] {
  const code = apigeeCode(fault)
  return [
    ['is.error', 'true'],
    ['error.message', errorText(transaction, fault)],
    ['error.status.code', String(transaction.status || apigeeTable[fault.kind].status)],
    ['error.state', state],
    ['fault.name', code.slice(code.lastIndexOf('.') + 1)],
    ['postern.fault.code', faultCode(fault)],
    ['postern.fault.kind', fault.kind],
    ['postern.fault.party', fault.party],
    ['postern.fault.summary', fault.summary],
  ]
}

const errorText = ({ listener, uri }: RecordedTransaction, fault: RecordedFault): string =>
  apigeeFaultString({ fault, listener, target: uri })
