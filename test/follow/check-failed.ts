import assert from 'node:assert/strict'
import { textField } from '../scenarios/logs.ts'
import { outcomeOf, type Outcome } from '../scenarios/outcomes.ts'
import type { Case } from './cases.ts'
import { attributeOf, type Found } from './evidence.ts'
import { propertyOf } from './traced.ts'

type Fields = Readonly<Record<string, unknown>>

/** Access lines, `request-failed` and its kin, and the line of the system log that names the verdict. */
export function checkLogs(each: Case, { traced, lines }: Found): void {
  const { proxy, code, verdict, fault: kind, party, profile } = each
  const { target } = traced.summary
  const { nativeAccess, nativeEvents, gatewayLogJson, gatewayLogText, edgeAccess, edgeSystem } = lines
  assert.equal(nativeAccess['proxy'], proxy)
  assert.equal(nativeAccess['target'], target)
  assert.equal(nativeAccess['verdict'] ?? '', verdict)
  const fault = nativeAccess['fault'] as Fields
  assert.deepEqual([fault['code'], fault['kind'], fault['party']], [code, kind, party])
  assert.equal(gatewayLogJson['verdict'], code)
  assert.equal(textField(gatewayLogText, 'verdict'), `"${code}"`)
  assert.deepEqual(edgeAccess.slice(16, 20), ['true', 'target', outcome(each).apigee.errorcode, 'null/null'])

  const failed = nativeEvents.filter(({ type }) => type === 'request-failed')
  assert.equal(failed.length, 1)
  const told = failed[0]?.['fault'] as Fields
  assert.deepEqual([told['code'], told['party'], told['summary']], [code, party, fault['summary']])
  const apim = lines.apimEventsJson.filter(({ eventType }) => eventType === 'FailedToProcessRequest')
  assert.deepEqual(
    apim.map(({ verdict }) => verdict),
    [code],
  )
  const [last = ''] = edgeSystem.toReversed()
  assert.ok(last.includes(` POSTERN - verdict:${code} party:${party} target:${target} summary:`), last)

  const { answer } = traced
  if (profile === 'apigee' && answer.headers['x-apigee-fault-code'] !== undefined) {
    assert.equal(answer.headers['x-apigee-fault-code'], edgeAccess[18])
    assert.equal(answer.headers['x-apigee-fault-source'], edgeAccess[17])
  }
  if (profile === 'native') assert.match(answer.headers['proxy-status'] ?? '', new RegExp(`; details="${code}"$`))
}

/** Each way to read the debug session, and what the connection's own story says. */
export function checkTrace({ code, fault, party }: Case, { traced, lines }: Found): void {
  const { recorded, summary, shown } = traced
  assert.equal(summary.code, code)
  assert.equal(summary.faultCode, lines.edgeAccess[18])
  assert.deepEqual(
    [recorded.fault?.verdict ?? recorded.fault?.kind, recorded.fault?.kind, recorded.fault?.party],
    [code, fault, party],
  )
  for (const step of recorded.steps) {
    if (step.type !== 'fault' && step.type !== 'connect-failed') continue
    assert.equal(step.fault.verdict ?? step.fault.kind, code, step.type)
    if (step.type === 'connect-failed') assert.equal(step.story?.failure?.verdict, step.fault.verdict, 'of the story')
  }
  assert.equal(Object.keys(shown).length, 3)
  for (const [way, points] of Object.entries(shown)) {
    assert.equal(propertyOf(points, 'postern.fault.code'), code, way)
    assert.equal(propertyOf(points, 'postern.fault.party'), party, way)
    assert.equal(propertyOf(points, 'postern.fault.summary'), recorded.fault?.summary, way)
    const failed = propertyOf(points, 'postern.attempt.failed')
    if (failed !== null) assert.equal(failed, code, way)
    const ended = recorded.steps.some(({ type }) => type === 'connect-failed')
    const verdict = propertyOf(points, 'postern.tls.verdict')
    if (ended && verdict !== null) assert.equal(verdict, code, `${way}: of the handshake`)
    assert.equal(points.filter(({ id }) => id === 'Error').length, 1, way)
  }
}

/** One text of Java for the client, the last `Caused by` of the system log, and `error.cause` of the trace. */
export function checkJava(each: Case, { traced, lines }: Found): void {
  const { expect, fault: kind, profile } = each
  const causes = lines.edgeSystem.flatMap((record) =>
    record.split('\n').flatMap((line) => (line.startsWith('Caused by: ') ? [line.slice('Caused by: '.length)] : [])),
  )
  const cause = causes.at(-1) ?? null
  const { handshake, apigee } = outcome(each)
  if (handshake !== null && expect.verdict === expect.trafficVerdict) assert.equal(cause, handshake.cause)
  const isHandshake = ['tls-untrusted', 'tls-failed', 'client-certificate'].includes(kind)
  assert.equal(cause !== null, isHandshake)
  const own = kind === 'response-eof' ? 'eof unexpected' : traced.recorded.fault?.summary
  for (const [way, points] of Object.entries(traced.shown)) {
    const told = propertyOf(points, 'error.cause')
    assert.equal(told, cause === null ? own : cause.replace(/^[a-z]+(\.\w+)+: /, ''), way)
    assert.equal(propertyOf(points, 'error'), apigee.faultstring, way)
  }
  if (profile !== 'apigee' || traced.answer.status === 200) return
  const { fault } = JSON.parse(traced.answer.body) as { fault: { faultstring: string } }
  assert.equal(fault.faultstring, apigee.faultstring)
  if (apigee.faultstring.startsWith('SSL Handshake failed ')) {
    assert.equal(fault.faultstring, `SSL Handshake failed ${cause}`)
  }
}

/** Its own span, the one of what failed, and the log records; under one trace id. */
export function checkSpans(
  { code, verdict, fault, party, proxy }: Case,
  { traced, lines, spans, records }: Found,
): void {
  const [own, ...parts] = spans
  assert.ok(own)
  assert.equal(attributeOf(own, 'postern.request.id'), traced.id)
  assert.equal(own['traceId'], lines.nativeAccess['traceId'])
  assert.equal(attributeOf(own, 'postern.proxy'), proxy)
  assert.equal(attributeOf(own, 'error.type'), code)
  assert.equal(attributeOf(own, 'postern.fault.kind'), fault)
  assert.equal(attributeOf(own, 'postern.party'), party)
  assert.equal(attributeOf(own, 'postern.verdict') ?? '', verdict)
  assert.ok(parts.length > 0)
  for (const part of parts) assert.equal(part['parentSpanId'], own['spanId'])
  const failed = parts.filter((part) => attributeOf(part, 'error.type') !== undefined)
  assert.deepEqual(
    failed.map((part) => attributeOf(part, 'error.type')),
    [code],
  )
  assert.ok(records.some((record) => attributeOf(record, 'postern.event') === 'request-failed'))
  const access = records.filter((record) => attributeOf(record, 'postern.event') === 'access')
  assert.equal(access.length, 1)
  for (const record of records) {
    const event = attributeOf(record, 'postern.event')
    if (event !== 'access' && event !== 'request-failed') continue
    assert.equal(attributeOf(record, 'postern.fault.code'), code)
    assert.equal(attributeOf(record, 'postern.party'), party)
    assert.equal(attributeOf(record, 'postern.target'), traced.summary.target)
  }
  assert.equal(access[0]?.['traceId'], own['traceId'])
}

/** What is stated of faults, looked up by the exact cause. */
function outcome({ expect, fault }: Case): Outcome {
  assert.ok(fault !== '')
  const found = outcomeOf({ ...expect, fault, trafficVerdict: expect.verdict })
  assert.ok(found)
  return found
}
