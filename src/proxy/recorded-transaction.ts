import type { AccessRecord } from '../observe/events.ts'
import type { RecordedProxy, RecordedStep, RecordedTransaction, TraceContext } from '../observe/recording.ts'
import { withoutMessages } from '../observe/without-messages.ts'
import type { ProxyPlan } from './plan.ts'
import { recordedFault } from './recorded-fault.ts'
import type { Recording } from './recording.ts'

/** How a request that was recorded is told. Without sessions it is for its spans, and has no messages. */
export function recordedTransaction(
  record: AccessRecord,
  recording: Recording,
  startedAt: number,
  sessions: readonly string[],
  context: TraceContext | null,
): RecordedTransaction {
  const { steps, droppedSteps, droppedBytes } = recording
  return {
    ...common(record, startedAt, context),
    sessions,
    steps: sessions.length === 0 && recording.whole ? withoutMessages(steps) : steps,
    dropped: { steps: droppedSteps, bytes: droppedBytes },
  }
}

/** What is known of a request that failed and was not recorded. */
export function failedTransaction(record: AccessRecord, startedAt: number, context: TraceContext): RecordedTransaction {
  const { fault, totalMs } = record
  const steps: RecordedStep[] = fault === null ? [] : [{ at: totalMs, type: 'fault', fault: recordedFault(fault) }]
  steps.push({ at: totalMs, type: 'ended' })
  return { ...common(record, startedAt, context), sessions: [], steps, dropped: { steps: 0, bytes: 0 } }
}

function common(
  record: AccessRecord,
  startedAt: number,
  context: TraceContext | null,
): Omit<RecordedTransaction, 'sessions' | 'steps' | 'dropped'> {
  const { id, worker, totalMs, listener, method, host, status, requestBytes, responseBytes, backend, fault } = record
  return {
    id,
    context,
    worker,
    startedAt,
    totalMs,
    listener,
    client: {
      address: record.clientAddress,
      port: record.clientPort,
      protocol: record.clientProtocol,
      tls: record.clientTls,
    },
    method,
    uri: record.target,
    host,
    proxy: record.proxy === null ? null : recordedProxy(record.proxy),
    status,
    requestBytes,
    responseBytes,
    // A copy: the exchange uses its part again for the next request.
    backend: backend === null ? null : { ...backend },
    fault: fault === null ? null : recordedFault(fault),
  }
}

function recordedProxy(plan: ProxyPlan): RecordedProxy {
  const { key, organization, environment, name, revision, basePath, faults } = plan
  return { key, organization, environment, name, revision, basePath, faults }
}
