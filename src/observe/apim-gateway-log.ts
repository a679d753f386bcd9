import type { ProxyPlan } from '../proxy/plan.ts'
import type { AccessRecord } from './events.ts'

import { apimError } from '../faults/apim.ts'
import { faultCode } from '../faults/rendering.ts'
import { jsonSafe, jsonString } from './line-safe.ts'
import { wholeMillis } from './log-times.ts'

/** How a field name is written before its value: `, name: ` or `,"name":`. */
export type KeySyntax = (name: string) => string

/**
 * The `GatewayLogs` fields, in the order of the self-hosted gateway's own lines; text and JSON form differ in how keys
 * and the time are written, and in nothing else. Our fields (`verdict` and after) follow the last of the vendor's. The
 * result starts with the separator of its first key.
 */
export function createGatewayLogFields(
  syntax: KeySyntax,
  region: string,
): (record: AccessRecord, timeGenerated: string) => string {
  const key = Object.fromEntries(fieldNames.map((name) => [name, syntax(name)])) as Record<FieldName, string>
  const category = `${key.category}"GatewayLogs"${key.callerIpAddress}`
  const regionPart = `${key.region}${jsonSafe(region)}${key.correlationId}`
  const apis = new WeakMap<ProxyPlan, string>()
  const apiId = (proxy: ProxyPlan): string => {
    let id = apis.get(proxy)
    if (id === undefined) apis.set(proxy, (id = key.apiId + jsonSafe(proxy.name)))
    return id
  }
  return (record, timeGenerated) => {
    const { backend, proxy, status } = record
    return (
      `${key.isRequestSuccess}${isSuccess(status)}${key.totalTime}${wholeMillis(record.totalMs)}` +
      `${category}"${record.clientAddress}"${key.timeGenerated}${timeGenerated}${regionPart}${jsonString(record.id)}` +
      `${key.method}${jsonString(record.method)}${key.url}${jsonString(urlOf(record))}` +
      (backend !== null && backend.status > 0 ? key.backendResponseCode + backend.status : '') +
      `${key.responseCode}${status}${key.responseSize}${record.responseBytes}${key.cache}"none"` +
      (backend === null ? '' : key.backendTime + wholeMillis(backend.totalMs)) +
      `${key.requestSize}${record.requestBytes}` +
      (proxy === null ? '' : apiId(proxy)) +
      (record.clientProtocol === '' ? '' : `${key.clientProtocol}"${record.clientProtocol}"`) +
      (backend === null || backend.protocol === '' ? '' : key.backendProtocol + jsonString(backend.protocol)) +
      (proxy === null ? '' : key.apiRevision + jsonString(proxy.revision)) +
      (record.clientTls === '' ? '' : `${key.clientTlsVersion}"${tlsVersionNumber(record.clientTls)}"`) +
      (backend === null
        ? ''
        : `${key.backendMethod}${jsonString(record.method)}${key.backendUrl}${jsonString(backend.url)}`) +
      errorPart(record, key) +
      (backend === null || backend.snapshot === '' ? '' : `${key.trustVersion}"${backend.snapshot}"`)
    )
  }
}

const fieldNames = [
  'isRequestSuccess',
  'totalTime',
  'category',
  'callerIpAddress',
  'timeGenerated',
  'region',
  'correlationId',
  'method',
  'url',
  'backendResponseCode',
  'responseCode',
  'responseSize',
  'cache',
  'backendTime',
  'requestSize',
  'apiId',
  'clientProtocol',
  'backendProtocol',
  'apiRevision',
  'clientTlsVersion',
  'backendMethod',
  'backendUrl',
  'lastError',
  'errors',
  'verdict',
  'party',
  'summary',
  'trustVersion',
] as const

type FieldName = (typeof fieldNames)[number]

function errorPart(record: AccessRecord, key: Record<FieldName, string>): string {
  const { backend, fault } = record
  if (fault === null) return ''
  const context = {
    address: backend?.address ?? '',
    target: backend?.target ?? '',
  }
  // A fault ends its request, so the time of the fault is the time of the whole, less what it took to say so.
  const error = jsonSafe({ elapsed: Math.max(0, Math.floor(record.totalMs)), ...apimError(fault, context) })
  return (
    `${key.lastError}${error}${key.errors}[${error}]` +
    `${key.verdict}${jsonString(faultCode(fault))}${key.party}"${fault.party}"${key.summary}${jsonString(fault.summary)}`
  )
}

/** 101 as well: a switched connection is what its client asked for. */
function isSuccess(status: number): boolean {
  return (status >= 200 && status < 400) || status === 101
}

function urlOf(record: AccessRecord): string {
  const { host, target } = record
  // Absolute form already is a URL; without a Host there is no more to say than the path.
  if (host === '' || !target.startsWith('/')) return target
  return (record.clientTls === '' ? 'http://' : 'https://') + host + target
}

/** `TLSv1.3` is `1.3`, `TLSv1` is `1.0`. */
function tlsVersionNumber(version: string): string {
  const number = version.replace('TLSv', '')
  return number === '1' ? '1.0' : number
}
