import type { Fault } from '../faults/fault.ts'
import type { PosternEvent } from './events.ts'
import type { EventFormatter, LogContext } from './log-context.ts'

import { javaCause } from '../faults/apigee.ts'
import { faultCode } from '../faults/rendering.ts'
import { receivedAlert } from '../faults/tls-alerts.ts'
import { describeEvent } from './event-text.ts'
import { plainText } from './line-safe.ts'
import { isoMillis, wholeMillis } from './log-times.ts'

type RequestFailed = Extract<PosternEvent, { type: 'request-failed' }>

/**
 * The message processor's log. A failed handshake gives its two records with their fixed texts, so that a search by
 * message id ends at the last `Caused by`; a `POSTERN` line follows, for every failed request, with the cause itself.
 * Other events have a line only where an operator must act.
 */
export function edgeSystemEvent(context: LogContext): EventFormatter {
  const org = plainText(context.organization)
  const env = plainText(context.environment)
  return (event) => {
    if (event.type === 'request-failed') {
      const { proxy } = event.request
      return proxy === null
        ? failureLines(event, org, env)
        : failureLines(event, plainText(proxy.organization), plainText(proxy.environment))
    }
    const { level, message } = describeEvent(event)
    // A handshake of a request comes again as `request-failed`, with its message id.
    if ((level !== 'warn' && level !== 'error') || event.type === 'handshake') return ''
    const place = `org:${org} env:${env} NIOThread@${event.worker}`
    return `${logbackTime(event.at)}  ${place} ${level.toUpperCase()} POSTERN - ${event.type}: ${plainText(message)}\n`
  }
}

function failureLines(event: RequestFailed, org: string, env: string): string {
  const { fault, request } = event
  const api = request.proxy === null ? '-' : plainText(request.proxy.name)
  const rev = request.proxy === null ? '-' : plainText(request.proxy.revision)
  const id = plainText(request.id)
  const start = `${logbackTime(event.at)}  org:${org} env:${env} api:${api} rev:${rev} messageid:${id} NIOThread@${event.worker} ERROR`
  const cause = `verdict:${faultCode(fault)} party:${fault.party} target:${plainText(event.target) || '-'} summary:${plainText(fault.summary)}`
  return `${isHandshake(fault) ? handshakeRecords(event, start) : ''}${start} POSTERN - ${cause}\n`
}

function isHandshake(fault: Fault): boolean {
  return fault.kind === 'tls-untrusted' || fault.kind === 'tls-failed' || fault.kind === 'client-certificate'
}

/** The two records, fixed texts word for word; stack frames as far as the playbook prints them. */
function handshakeRecords(event: RequestFailed, start: string): string {
  const { fault } = event
  const alert = receivedAlert(fault)
  const message =
    alert === null ? 'General SSLEngine problem' : `Received fatal alert: ${alert.name === '' ? alert.id : alert.name}`
  const age = wholeMillis(event.connectionAgeMs)
  const number = handle(event.request.id)
  const remote = plainText(event.remoteAddress) || '-'
  const local = plainText(event.localAddress) || '-'
  return (
    `${start} HTTP.CLIENT - HTTPClient$Context.handshakeFailed() : SSLClientChannel[Connected: Remote:${remote} Local:${local}]@${number % 100_000}` +
    ` useCount=${Math.max(1, event.connectionUses)} bytesRead=0 bytesWritten=0 age=${age}ms  lastIO=${age}ms isOpen=true handshake failed, message: ${message}\n` +
    `${start} ADAPTORS.HTTP.FLOW - RequestWriteListener.onException() : RequestWriteListener.onException(HTTPRequest@${number.toString(16)})\n` +
    `javax.net.ssl.SSLHandshakeException: ${message}\n` +
    '\tat sun.security.ssl.Handshaker.checkThrown(Handshaker.java:1478)\n' +
    '\tat sun.security.ssl.SSLEngineImpl.checkTaskThrown(SSLEngineImpl.java:535)\n' +
    '\t... <snipped>\n' +
    `Caused by: javax.net.ssl.SSLHandshakeException: ${message}\n` +
    '\tat sun.security.ssl.Alerts.getSSLException(Alerts.java:203)\n' +
    '\tat sun.security.ssl.SSLEngineImpl.fatal(SSLEngineImpl.java:1728)\n' +
    '\t... <snipped>\n' +
    `Caused by: ${javaCause(fault)}\n` +
    (fault.kind === 'tls-untrusted'
      ? '\tat sun.security.validator.PKIXValidator.doBuild(PKIXValidator.java:397)\n' +
        '\tat sun.security.validator.PKIXValidator.engineValidate(PKIXValidator.java:302)\n' +
        '\t... <snipped>\n'
      : '')
  )
}

/** Stands for Java's identity hash in `@64596` and `HTTPRequest@1522922c`: any number, but the same for one request. */
function handle(id: string): number {
  let hash = 0
  for (let i = 0; i < id.length; i++) hash = (Math.imul(hash, 31) + id.charCodeAt(i)) >>> 0
  return hash
}

/** `2026-01-23 07:26:27,601`: Logback's default, as far as is known of the original's prefix. */
function logbackTime(at: number): string {
  return isoMillis(at).replace('T', ' ').replace('.', ',')
}
