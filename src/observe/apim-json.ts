import type { EventLevel } from './event-level.ts'
import type { AccessFormatter, EventFormatter, LogContext } from './log-context.ts'

import { apimEvent } from './apim-events.ts'
import { createGatewayLogFields } from './apim-gateway-log.ts'
import { jsonSafe } from './line-safe.ts'
import { isoMillis } from './log-times.ts'

/** The original's JSON shape of a request: no level, no timestamp, no eventType; `category` tells it from events. */
export function apimJsonAccess(context: LogContext): AccessFormatter {
  const fields = createGatewayLogFields((name) => `,"${name}":`, context.region)
  // The first key brings a comma that JSON does not want.
  return (record) => `{${fields(record, `"${ticks(record.startedAt)}"`).slice(1)}}\n`
}

/** Events in the original's key order, ours after; serialised, never concatenated. */
export function apimJsonEvent(): EventFormatter {
  return (event) => {
    const apim = apimEvent(event)
    if (apim === null) return ''
    const { failure } = apim
    const proxy = failure?.request.proxy ?? null
    const line = {
      level: levels[apim.level],
      timestamp: ticks(event.at),
      eventType: apim.eventType,
      ...(proxy === null ? {} : { apiId: proxy.name }),
      ...(failure === undefined ? {} : { tags: 0, httpMethod: failure.request.method }),
      ...(apim.source === '' ? {} : { source: apim.source }),
      ...(failure === undefined ? {} : { serviceName: 'apim-gateway' }),
      ...(apim.message === undefined ? {} : { message: apim.message }),
      ...(failure === undefined
        ? {}
        : {
            exception: failure.exception,
            transportError: failure.transportError,
            httpError: 0,
            correlationId: failure.request.id,
          }),
      ...Object.fromEntries(apim.own),
    }
    return `${jsonSafe(line)}\n`
  }
}

const levels = {
  verbose: 'Verbose',
  info: 'Informational',
  warn: 'Warning',
  error: 'Error',
} as const satisfies Record<EventLevel, string>

/** .NET's round-trip time: seven digits, of which we know three. */
function ticks(at: number): string {
  return `${isoMillis(at)}0000Z`
}
