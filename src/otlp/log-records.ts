import { type EventLevel, eventLevel } from '../observe/event-level.ts'
import { knownMethods } from '../observe/known-methods.ts'
import type { LogRecord } from './messages.ts'

import { attributes, unixNano } from './messages.ts'

/**
 * A log line, without its LF, as a LogRecord. The line is the body, whole; of a line in the native format, what one looks
 * for is beside it.
 *
 * @param now when it was taken up, ms since the epoch
 */
export function logRecordOf(line: string, now: number): LogRecord {
  const observed = { observedTimeUnixNano: unixNano(now), body: { stringValue: line.toWellFormed() } }
  const fields = nativeFields(line)
  if (fields === null) return observed
  const { time, type } = fields
  const { id, proxy, method } = requestOf(fields)
  const fault = isRecord(fields['fault']) ? fields['fault'] : {}
  const [severityNumber, severityText] = severityOf(fields)
  const traceId = hex(fields['traceId'], 32)
  const spanId = hex(fields['spanId'], 16)
  return {
    ...observed,
    timeUnixNano: unixNano(time),
    severityNumber,
    severityText,
    eventName: `postern.${type}`,
    attributes: attributes({
      'postern.event': type,
      'postern.request.id': id,
      'postern.proxy': proxy,
      'postern.target': textOf(fields['target']),
      'http.request.method': method,
      'http.response.status_code':
        typeof fields['status'] === 'number' && fields['status'] > 0 ? fields['status'] : null,
      'postern.verdict': textOf(fields['verdict']),
      'postern.fault.code': textOf(fault['code']),
      'postern.party': textOf(fault['party']),
    }),
    ...(traceId === '' ? {} : { traceId }),
    ...(traceId === '' || spanId === '' ? {} : { spanId }),
  }
}

/** Longer lines are sent, but not looked into (I10). */
const maxParsed = 256 * 1024

function nativeFields(line: string): (Record<string, unknown> & { time: number; type: string }) | null {
  // Every line of the native format begins so; of other formats, none is parsed for nothing.
  if (!line.startsWith('{"time":"') || line.length > maxParsed) return null
  const fields = parsed(line)
  if (!isRecord(fields) || typeof fields['type'] !== 'string') return null
  const time = Date.parse(textOf(fields['time']))
  return Number.isNaN(time) ? null : { ...fields, time, type: fields['type'] }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // A line of another format that begins alike; its text is all that is sent.
    return null
  }
}

/** An access line is about a request, an event may have one. */
function requestOf(fields: Record<string, unknown> & { type: string }): { id: string; proxy: string; method: string } {
  const request = isRecord(fields['request']) ? fields['request'] : fields
  return {
    id: fields.type === 'access' || request !== fields ? textOf(request['id']) : '',
    proxy: textOf(request['proxy']),
    method: knownMethods.has(textOf(request['method'])) ? textOf(request['method']) : '',
  }
}

/** Logs data model, "Severity Fields". */
const debug = [5, 'DEBUG'] as const
const info = [9, 'INFO'] as const
const warn = [13, 'WARN'] as const
const error = [17, 'ERROR'] as const

const levels = { verbose: debug, info, warn, error } as const satisfies Record<EventLevel, readonly [number, string]>

/** What has gone wrong, where the level says only that somebody has to act. */
const failures: ReadonlySet<string> = new Set(['request-failed', 'diagnosed', 'generation-refused', 'trust-refused'])

function severityOf(fields: Record<string, unknown> & { type: string }): readonly [number, string] {
  const { type } = fields
  if (type === 'access') {
    const status = Number(fields['status'])
    // What the client did wrong is no error of the gateway.
    if (status >= 400 && status < 500) return warn
    return status >= 500 || isRecord(fields['fault']) ? error : info
  }
  if (failures.has(type) || (type === 'handshake' && fields['verdict'] !== 'trusted')) return error
  return levels[eventLevel({ type, verdict: fields['verdict'], healthy: fields['healthy'], state: fields['state'] })]
}

function hex(value: unknown, digits: number): string {
  const id = textOf(value)
  return id.length === digits && /^[0-9a-f]+$/.test(id) && !/^0+$/.test(id) ? id : ''
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
