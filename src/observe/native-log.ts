import type { ProxyPlan } from '../proxy/plan.ts'
import type { AccessRecord, BackendRecord, PosternEvent, RequestRef } from './events.ts'
import type { AccessFormatter, EventFormatter } from './log-context.ts'

import { faultCode } from '../faults/rendering.ts'
import { jsonSafe, jsonString } from './line-safe.ts'
import { isoMillis, millis } from './log-times.ts'

/**
 * One JSON line per request. Built by concatenation, with no object per call: it runs for every request, and only
 * fields that a client or a backend chose can need escaping.
 */
export function nativeAccess(): AccessFormatter {
  const proxyPart = createProxyPart()
  const method = lastJson()
  const host = lastJson()
  const userAgent = lastJson()
  const listener = lastJson()
  const backendPart = createBackendPart()
  return (record) => {
    const { backend, fault } = record
    return (
      `{"time":"${isoMillis(record.startedAt)}Z","type":"access","id":${jsonString(record.id)},"status":${record.status}` +
      `,"method":${method(record.method)},"host":${host(record.host)},"path":${jsonString(record.target)}` +
      (record.proxy === null ? ',"proxy":null,"target":null' : proxyPart(record.proxy, backend)) +
      (fault === null ? '' : faultPart(record)) +
      `,"totalMs":${millis(record.totalMs)},"requestBytes":${record.requestBytes}` +
      `,"responseBytes":${record.responseBytes},"responseBodyBytes":${record.responseBodyBytes}` +
      `,"client":"${addressPort(record)}","protocol":"${record.clientProtocol}","tls":"${record.clientTls}"` +
      `,"userAgent":${userAgent(record.userAgent)}` +
      (record.forwardedFor === '' ? '' : `,"forwardedFor":${jsonString(record.forwardedFor)}`) +
      `,"listener":${listener(record.listener)},"worker":${record.worker}` +
      (record.traceId === '' ? '' : `,"traceId":"${record.traceId}"`) +
      (backend === null ? '' : backendPart(backend)) +
      '}\n'
    )
  }
}

/** Events share the stream; `type` tells them apart. They are rare, so they are serialised plainly. */
export function nativeEvent(): EventFormatter {
  return (event) => `${jsonSafe({ time: `${isoMillis(event.at)}Z`, ...eventFields(event) })}\n`
}

/** More than this in one line helps nobody and fills queues (I10). */
const maxEvidenceCharacters = 8192

function eventFields(event: PosternEvent): Record<string, unknown> {
  const { at: _at, type, worker, ...rest } = event
  const fields: Record<string, unknown> = { type, ...rest, worker }
  if ('request' in event) fields['request'] = event.request === null ? null : requestFields(event.request)
  if (event.type === 'certificate-presented') {
    fields['leaf'] = { ...event.leaf, notAfter: new Date(event.leaf.notAfter).toISOString() }
  }
  if (event.type === 'exception-in-force' && event.until !== null) {
    fields['until'] = new Date(event.until).toISOString()
  }
  if (event.type === 'request-failed') {
    const { kind, party, summary, evidence } = event.fault
    const fits = jsonSafe(evidence).length <= maxEvidenceCharacters
    const shown = fits ? { evidence } : { evidenceOmitted: `longer than ${maxEvidenceCharacters} characters` }
    fields['fault'] = { code: faultCode(event.fault), kind, party, summary, ...shown }
  }
  return fields
}

function requestFields(request: RequestRef): Record<string, unknown> {
  const { id, method, elapsedMs, proxy } = request
  return { id, proxy: proxy === null ? null : proxy.name, method, elapsedMs: Math.round(elapsedMs * 1000) / 1000 }
}

/**
 * `"proxy"` never changes, nor does `"target"` where a proxy has one for all requests, so their JSON is made once. Weak: a
 * plan goes with its generation.
 */
function createProxyPart(): (proxy: ProxyPlan, backend: BackendRecord | null) => string {
  const parts = new WeakMap<ProxyPlan, string>()
  const target = lastJson()
  return (proxy, backend) => {
    let part = parts.get(proxy)
    if (part === undefined) {
      const { name, route } = proxy
      part = `,"proxy":${jsonSafe(name)},"target":${route.kind === 'target' ? jsonSafe(route.target) : ''}`
      parts.set(proxy, part)
    }
    return proxy.route.kind === 'target' ? part : part + (backend === null ? 'null' : target(backend.target))
  }
}

function addressPort(record: AccessRecord): string {
  // The address comes from the kernel: digits, letters, ':', '.' and '%' only.
  return record.clientAddress.includes(':')
    ? `[${record.clientAddress}]:${record.clientPort}`
    : `${record.clientAddress}:${record.clientPort}`
}

function faultPart(record: AccessRecord): string {
  if (record.fault === null) return ''
  const { verdict, kind, party, summary } = record.fault
  return `${verdict === null ? '' : `,"verdict":"${verdict}"`},"fault":{"code":"${verdict ?? kind}","kind":"${kind}","party":"${party}","summary":${jsonString(summary)}}`
}

function createBackendPart(): (backend: BackendRecord) => string {
  const protocol = lastJson()
  return (backend) =>
    `,"backend":{"address":"${backend.address}","url":${jsonString(backend.url)},"status":${backend.status}` +
    `,"protocol":${protocol(backend.protocol)},"totalMs":${millis(backend.totalMs)}` +
    `,"firstByteMs":${millis(backend.firstByteMs)},"reused":${backend.reused},"snapshot":"${backend.snapshot}"}`
}

/** `jsonString` of values that are mostly those of the line before: telling so is cheaper than looking for what to escape. */
function lastJson(): (value: string) => string {
  let last = ''
  let json = '""'
  return (value) => {
    if (value !== last) {
      last = value
      json = jsonString(value)
    }
    return json
  }
}
