import type { ApimFailure } from './apim-events.ts'
import type { EventLevel } from './event-level.ts'
import type { AccessFormatter, EventFormatter, LogContext } from './log-context.ts'

import { apimEvent } from './apim-events.ts'
import { createGatewayLogFields } from './apim-gateway-log.ts'
import { plainText } from './line-safe.ts'
import { isoMillis } from './log-times.ts'

/** `[Info] TIME [GatewayLogs], key: value, ...`: strings quoted, the time is that of the request's start. */
export function apimTextAccess(context: LogContext): AccessFormatter {
  const fields = createGatewayLogFields((name) => `, ${name}: `, context.region)
  return (record) => {
    const time = isoMillis(record.startedAt)
    return `[Info] ${time} [GatewayLogs], correlationId: ${plainText(record.id)}${fields(record, time)}\n`
  }
}

/** `[Level] TIME [Event], key: value, ...`: values raw, but never with a line break in them. */
export function apimTextEvent(context: LogContext): EventFormatter {
  return (event) => {
    const apim = apimEvent(event)
    if (apim === null) return ''
    const { failure } = apim
    const vendor: string[] = []
    if (failure !== undefined) vendor.push(...failureFields(failure, apim.source, context.multiline === true))
    else {
      if (apim.message !== undefined) vendor.push(field('message', apim.message))
      if (apim.source !== '') vendor.push(field('source', apim.source))
    }
    const own = apim.own.map(([name, value]) => field(name, value))
    return `[${levels[apim.level]}] ${isoMillis(event.at)} [${apim.eventType}]${vendor.join('')}${own.join('')}\n`
  }
}

const levels = {
  verbose: 'Debug',
  info: 'Info',
  warn: 'Warn',
  error: 'Error',
} as const satisfies Record<EventLevel, string>

function failureFields(failure: ApimFailure, source: string, multiline: boolean): readonly string[] {
  const { id, method, proxy } = failure.request
  const stack = multiline ? failure.stack.map((line) => `\n${line}`).join('') : ''
  return [
    field('ActivityId', id),
    field('correlationId', id),
    ...(proxy === null ? [] : [field('apiId', proxy.name)]),
    field('tags', 0),
    field('httpMethod', method),
    field('source', source),
    field('serviceName', 'apim-gateway'),
    field('exception', failure.exception) + stack,
    field('transportError', failure.transportError),
    field('httpError', 0),
  ]
}

function field(name: string, value: string | number): string {
  return `, ${name}: ${typeof value === 'number' ? value : plainText(value)}`
}
