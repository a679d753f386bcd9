import { type EventLevel, eventLevel } from '../observe/event-level.ts'

/** What all messages of an outlet have alike. */
export interface SyslogIdentity {
  /** 0 to 23, RFC 5424 section 6.2.1. */
  readonly facility: number
  readonly hostName: string
  readonly appName: string
  readonly procId: string
  /** Private enterprise number for the request's id as structured data; null: none is sent. */
  readonly enterprise: number | null
}

/** RFC 5424 section 6.2.1. */
const severities = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const

export type SyslogFormatter = (line: string, at: number) => string

/**
 * One line, without its LF, as one message of RFC 5424. The line is the MSG as it is: formats let no control character
 * through. What can be told from its first fields goes into the header.
 *
 * There is no BOM: without one the encoding is the sender's to say (section 6.4), UTF-8 here, and receivers that parse the
 * MSG as JSON choke on it.
 */
export function createSyslogFormatter(identity: SyslogIdentity): SyslogFormatter {
  const { facility, enterprise } = identity
  const place = `${field(identity.hostName, 255)} ${field(identity.appName, 48)} ${field(identity.procId, 128)}`
  return (line, at) => {
    const { severity, time, type, id } = read(line)
    const timestamp = time ?? new Date(at).toISOString()
    const data = enterprise === null || id === null ? '-' : `[postern@${enterprise} requestId="${param(id)}"]`
    return `<${facility * 8 + severity}>1 ${timestamp} ${place} ${type === null ? '-' : field(type, 32)} ${data} ${line}`
  }
}

interface Read {
  readonly severity: number
  /** RFC 3339, as RFC 5424 section 6.2.3 wants it; null: the line has none that is exact. */
  readonly time: string | null
  readonly type: string | null
  readonly id: string | null
}

/** Ours begin so; what a client sent comes only after it. */
const nativeHead = /^\{"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","type":"([a-z-]+)"/
/** Of the self-hosted gateway's events; its seventh digit of a second is one more than RFC 5424 section 6.2.3.1 lets through. */
const apimHead = /^\{"level":"(\w+)","timestamp":"([\d-]+T[\d:]+\.\d{3})\d*Z","eventType":"(\w+)"/
const apimAccess = /^\{"isRequestSuccess":(true|false),/
/** Of the Edge router's line: its first column and its eighth. */
const routerHead = /^(\d{4}-\d\d-\d\dT[\d:]{8}\+00:00)(?:\t[^\t]*){6}\t(\d+)\t/
const accessHead = /^[^,]*,"type":"access","id":"((?:[^"\\]|\\.)*)","status":(\d{3})/
const requestId = /"request":\{"id":"((?:[^"\\]|\\.)*)"/

function read(line: string): Read {
  if (line.startsWith('{')) {
    const [, time, type] = nativeHead.exec(line) ?? []
    if (time !== undefined && type !== undefined) return native(line, time, type)
    const [, level = '', at, event] = apimHead.exec(line) ?? []
    if (event !== undefined) return { severity: severityOfLevel(level), time: `${at}Z`, type: event, id: null }
    const [, well] = apimAccess.exec(line) ?? []
    if (well !== undefined) return { severity: severityOfSuccess(well), time: null, type: 'access', id: null }
  }
  const [, time, status = ''] = routerHead.exec(line) ?? []
  if (time !== undefined) return { severity: severityOfStatus(status), time, type: 'access', id: null }
  return { severity: severityOfText(line), time: null, type: null, id: null }
}

function native(line: string, time: string, type: string): Read {
  if (type === 'access') {
    const [, id, status = ''] = accessHead.exec(line) ?? []
    return { severity: severityOfStatus(status), time, type, id: text(id) }
  }
  return { severity: severityOfEvent(line, type), time, type, id: text(requestId.exec(line)?.[1]) }
}

const severityOf = {
  error: severities.error,
  warn: severities.warning,
  info: severities.info,
  verbose: severities.debug,
} as const satisfies Record<EventLevel, number>

function severityOfEvent(line: string, type: string): number {
  const level = eventLevel({
    type,
    verdict: line.includes('"verdict":"trusted"') ? 'trusted' : '',
    healthy: line.includes('"healthy":true'),
    state: line.includes('"state":"open"') ? 'open' : '',
  })
  return severityOf[level]
}

function severityOfStatus(status: string): number {
  if (status >= '500') return severities.warning
  return status >= '400' ? severities.notice : severities.info
}

function severityOfText(line: string): number {
  const start = line.slice(0, 1024)
  const [, apim] = /^\[([A-Z][a-z]+)\] /.exec(start) ?? []
  if (apim !== undefined) {
    return start.includes(', isRequestSuccess: false,') ? severities.warning : severityOfLevel(apim)
  }
  const [, edge] = / NIOThread@-?\d+ (ERROR|WARN) /.exec(start) ?? []
  if (edge !== undefined) return edge === 'ERROR' ? severities.error : severities.warning
  // Of a handshake's records, the lines after the first.
  if (/^(?:\tat |\t\.{3} |Caused by: |javax\.net\.)/.test(start)) return severities.error
  return severities.info
}

function severityOfSuccess(well: string): number {
  return well === 'true' ? severities.info : severities.warning
}

function severityOfLevel(level: string): number {
  if (level === 'Error') return severities.error
  if (level.startsWith('Warn')) return severities.warning
  return level === 'Verbose' || level === 'Debug' ? severities.debug : severities.info
}

function text(json: string | undefined): string | null {
  return json === undefined ? null : (JSON.parse(`"${json}"`) as string)
}

/** Header fields are printable ASCII without spaces; `-` for none (section 6). */
function field(value: string, length: number): string {
  return value.replace(/[^!-~]/g, '_').slice(0, length) || '-'
}

/** Section 6.3.3. */
function param(value: string): string {
  return value.replace(/["\\\]]/g, '\\$&')
}
