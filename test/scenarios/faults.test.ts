import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { FaultProfile } from '../../src/faults/fault.ts'
import { faultProfiles } from '../../src/lab/gateway-config.ts'
import type { LabBackend } from '../../src/lab/lab.ts'
import { type Expectation, type Scenario, type ScenarioName, scenarios } from '../../src/lab/scenarios.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import { type Answer, get, type LabGateway, startLabGateway } from './lab-gateway.ts'
import { allLogs, logsOf, type RequestLogs, textField } from './logs.ts'
import { type Outcome, outcomeOf } from './outcomes.ts'

const idHeaders = { native: 'x-request-id', apigee: 'x-apigee-message-id', apim: 'x-request-id' } as const

/** Ends the answer of the backend in the middle: the client has a status, and must not take the body for whole. */
const cutShort: readonly ScenarioName[] = ['closes-mid-body']

describe('every scenario of the lab under every fault profile', () => {
  let setup: LabGateway
  const answers = new Map<string, Answer>()
  let logs: (id: string) => RequestLogs

  before(async () => {
    setup = await startLabGateway({ logs: allLogs })
    await Promise.all(
      cases().map(async ({ scenario, profile }) => {
        answers.set(`${profile} ${scenario}`, await get(setup.port, `/${profile}/${scenario}/orders/7?since=1`))
      }),
    )
    logs = await logsOf(
      setup.gateway,
      cases().map(({ scenario, profile }) => answerTo(profile, scenario).headers[idHeaders[profile]] ?? 'no id'),
    )
  })
  after(() => setup[Symbol.asyncDispose]())

  const answerTo = (profile: FaultProfile, scenario: ScenarioName): Answer => {
    const answer = answers.get(`${profile} ${scenario}`)
    assert.ok(answer)
    return answer
  }
  const about = (profile: FaultProfile, scenario: ScenarioName): { answer: Answer; id: string; logs: RequestLogs } => {
    const answer = answerTo(profile, scenario)
    const id = answer.headers[idHeaders[profile]] ?? ''
    assert.notEqual(id, '', `no ${idHeaders[profile]} in the answer`)
    return { answer, id, logs: logs(id) }
  }

  for (const { scenario, profile, expect } of cases()) {
    const outcome = outcomeOf(expect)
    const ends = outcome === null ? 'passes the answer on' : `ends as ${expect.fault}`
    it(`${profile}: ${scenario} ${ends}, for the client`, () => {
      const { answer, id } = about(profile, scenario)
      if (outcome === null) checkPassed(answer, scenario)
      else if (cutShort.includes(scenario)) checkCut(answer)
      else checkers[profile](answer, outcome, expect, id)
    })
    it(`${profile}: ${scenario} ${ends}, in every log, under one id`, () => {
      const { answer, id, logs: lines } = about(profile, scenario)
      checkAccessLogs(lines, { profile, scenario, id, answer, expect, outcome })
      checkFailure(lines, { profile, scenario, id, answer, expect, outcome })
      checkConnectionEvents(lines, setup.lab.backend(scenario), id, expect, outcome)
    })
  }

  for (const [scenario, { expect }] of Object.entries(scenarios) as [ScenarioName, Scenario][]) {
    // A backend whose identity holds, and that then refuses ours, has not been sent anything either.
    const verified = expect.verdict === 'trusted'
    it(`the backend ${scenario} received ${verified ? 'the requests' : 'not one byte of a request'}`, async () => {
      if (!verified) await setup.lab.settled(scenario)
      const { requestBytes, requests } = setup.lab.counters(scenario)
      if (verified) {
        assert.equal(requests, faultProfiles.length)
        assert.ok(requestBytes > 0)
      } else {
        assert.deepEqual({ requestBytes, requests }, { requestBytes: 0, requests: 0 })
      }
    })
  }
})

function cases(): { scenario: ScenarioName; profile: FaultProfile; expect: Expectation }[] {
  return (Object.entries(scenarios) as [ScenarioName, Scenario][]).flatMap(([scenario, { expect }]) =>
    faultProfiles.map((profile) => ({ scenario, profile, expect })),
  )
}

function checkPassed(answer: Answer, scenario: ScenarioName): void {
  const notFound = scenario === 'not-found'
  assert.equal(answer.status, notFound ? 404 : 200)
  const body = JSON.parse(answer.body) as Record<string, unknown>
  assert.equal(body['url'], '/orders/7?since=1')
  assert.equal(answer.headers['x-apigee-fault-code'], undefined)
  assert.equal(answer.headers['proxy-status'], undefined)
}

function checkCut(answer: Answer): void {
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-length'], '1000')
  assert.equal(answer.body, 'x'.repeat(100))
}

interface Checked {
  readonly profile: FaultProfile
  readonly scenario: ScenarioName
  readonly id: string
  readonly answer: Answer
  readonly expect: Expectation
  readonly outcome: Outcome | null
}

/** The code by which operators know the fault: the verdict where a connection was judged, else the kind. */
function codeOf(expect: Expectation): string {
  return expect.trafficVerdict === 'trusted' ? (expect.fault ?? '') : expect.trafficVerdict
}

const checkers = {
  native(answer, outcome, expect, id) {
    const code = codeOf(expect)
    assert.equal(answer.status, outcome.native.status)
    assert.equal(answer.reason, answer.status === 504 ? 'Gateway Timeout' : 'Bad Gateway')
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(
      answer.headers['proxy-status'],
      `postern; error=${outcome.native.proxyStatus}; details="${code}"`,
      'RFC 9209',
    )
    assert.deepEqual(JSON.parse(answer.body), {
      type: `urn:postern:fault:${code}`,
      title: outcome.native.title,
      status: outcome.native.status,
      code,
      requestId: id,
    })
    assert.equal(answer.headers['content-length'], String(answer.body.length))
  },
  apigee(answer, outcome) {
    const { status, errorcode, faultstring } = outcome.apigee
    assert.equal(answer.status, status)
    assert.equal(answer.body, JSON.stringify({ fault: { faultstring, detail: { errorcode } } }))
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.equal(answer.headers['x-apigee-fault-flag'], 'true')
    assert.equal(answer.headers['x-apigee-fault-source'], 'target')
    assert.equal(answer.headers['x-apigee-fault-code'], errorcode)
    assert.equal(answer.headers['x-apigee-fault-policy'], 'null/null')
    assert.equal(answer.headers['proxy-status'], undefined)
  },
  apim(answer, _outcome, _expect, id) {
    assert.equal(answer.status, 500)
    assert.equal(answer.reason, 'Internal Server Error')
    assert.equal(answer.body, `{ "statusCode": 500, "message": "Internal server error", "activityId": "${id}" }`)
    assert.equal(answer.body.length, 111)
    assert.equal(answer.headers['content-length'], '111')
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.equal(answer.headers['proxy-status'], undefined)
  },
} satisfies Record<FaultProfile, (answer: Answer, outcome: Outcome, expect: Expectation, id: string) => void>

/** The lines that every request has: native access, GatewayLogs in both forms, the router's line. */
function checkAccessLogs(lines: RequestLogs, { profile, scenario, id, answer, expect, outcome }: Checked): void {
  const { nativeAccess, gatewayLogJson, gatewayLogText, edgeAccess } = lines
  assert.equal(nativeAccess['id'], id)
  assert.equal(nativeAccess['status'], answer.status)
  assert.equal(nativeAccess['proxy'], `${profile}-${scenario}`)
  assert.equal(nativeAccess['target'], scenario)

  assert.equal(gatewayLogJson['correlationId'], id)
  assert.equal(gatewayLogJson['responseCode'], answer.status)
  assert.equal(textField(gatewayLogText, 'correlationId'), id)
  assert.equal(textField(gatewayLogText, 'responseCode'), String(answer.status))
  assert.equal(textField(gatewayLogText, 'apiId'), `"${profile}-${scenario}"`)

  assert.equal(edgeAccess.length, 26)
  assert.equal(edgeAccess[7], String(answer.status))
  assert.equal(edgeAccess[12], id)

  if (outcome === null) {
    assert.equal('fault' in nativeAccess, false)
    assert.equal('verdict' in nativeAccess, false)
    assert.equal('lastError' in gatewayLogJson, false)
    assert.equal(textField(gatewayLogText, 'lastError'), undefined)
    assert.equal(textField(gatewayLogText, 'isRequestSuccess'), String(answer.status < 400))
    assert.deepEqual(edgeAccess.slice(16, 20), ['-', '-', '-', '-'])
    return
  }
  const verdict = expect.trafficVerdict
  assert.equal(nativeAccess['verdict'], verdict === 'trusted' ? undefined : verdict)
  const { summary, ...fault } = nativeAccess['fault'] as Record<string, unknown>
  assert.deepEqual(fault, { code: codeOf(expect), kind: expect.fault, party: partyOf(expect) })
  assert.equal(typeof summary, 'string')

  const error = gatewayLogJson['lastError'] as Record<string, unknown>
  const { elapsed, message, ...rest } = error
  const { reason, source, transportErrorCode } = outcome.apim
  assert.ok(typeof elapsed === 'number' && elapsed >= 0)
  assert.equal(templated(String(message)), outcome.apim.message)
  assert.deepEqual(rest, {
    source,
    path: 'forward-request\\forward-request',
    reason,
    section: 'backend',
    ...(transportErrorCode === 0 ? {} : { transportErrorCode }),
  })
  assert.deepEqual(gatewayLogJson['errors'], [error])
  assert.equal(gatewayLogJson['verdict'], codeOf(expect))
  assert.deepEqual(JSON.parse(textField(gatewayLogText, 'lastError') ?? 'null'), error)
  assert.deepEqual(JSON.parse(textField(gatewayLogText, 'errors') ?? 'null'), [error])
  assert.equal(textField(gatewayLogText, 'verdict'), `"${codeOf(expect)}"`)

  const proxyPath = `/organizations/myorg/environments/test/apiproxies/${profile}-${scenario}/revisions/1`
  assert.deepEqual(edgeAccess.slice(16, 20), ['true', 'target', outcome.apigee.errorcode, 'null/null'])
  assert.equal(edgeAccess[21], proxyPath)
}

/** The lines of a failure: `request-failed`, `FailedToProcessRequest`, the message processor's records. */
function checkFailure(lines: RequestLogs, { profile, scenario, id, expect, outcome }: Checked): void {
  const failed = lines.nativeEvents.filter((line) => line['type'] === 'request-failed')
  const failedText = lines.apimEventsText.filter((line) => line.includes('[FailedToProcessRequest]'))
  const failedJson = lines.apimEventsJson.filter((line) => line['eventType'] === 'FailedToProcessRequest')
  if (outcome === null) {
    assert.deepEqual([failed, failedText, failedJson, lines.edgeSystem], [[], [], [], []])
    return
  }
  assert.equal(failed.length, 1)
  const [{ target, fault, request }] = failed as [{ target: string; fault: Fields; request: Fields }]
  assert.equal(target, scenario)
  assert.equal(request['id'], id)
  assert.equal(request['proxy'], `${profile}-${scenario}`)
  assert.equal(fault['code'], codeOf(expect))
  assert.equal(fault['kind'], expect.fault)
  assert.equal(fault['party'], partyOf(expect))
  assert.equal(typeof fault['evidence'], 'object')

  assert.equal(failedText.length, 1)
  const [text = ''] = failedText
  assert.match(text, /^\[Warn\] /)
  assert.equal(textField(text, 'ActivityId'), id)
  assert.equal(textField(text, 'correlationId'), id)
  const exception = /, exception: (.*), transportError: (\d+),/.exec(text)
  assert.equal(templated(exception?.[1] ?? ''), `${outcome.apim.exception}: ${outcome.apim.message}`)
  assert.equal(exception?.[2], String(outcome.apim.transportErrorCode))
  assert.equal(textField(text, 'verdict'), codeOf(expect))
  assert.equal(failedJson.length, 1)
  assert.equal(failedJson[0]?.['correlationId'], id)
  assert.equal(failedJson[0]?.['verdict'], codeOf(expect))

  const own = `verdict:${codeOf(expect)} party:${partyOf(expect)} target:${scenario} `
  const [last = '', ...before] = lines.edgeSystem.toReversed()
  assert.ok(last.includes(` POSTERN - ${own}`), last)
  for (const record of lines.edgeSystem) {
    assert.ok(record.includes(` org:myorg env:test api:${profile}-${scenario} rev:1 messageid:${id} `), record)
  }
  const [exceptionRecord = '', channel = '', ...more] = before
  assert.deepEqual(more, [])
  if (outcome.handshake === null) {
    assert.deepEqual(before, [])
    return
  }
  const { message, cause } = outcome.handshake
  assert.match(channel, /Connected: Remote:127\.0\.0\.1:\d+ Local:127\.0\.0\.1:\d+\]/)
  assert.ok(channel.endsWith(`handshake failed, message: ${message}`), channel)
  const causes = exceptionRecord.split('\n').filter((line) => line.startsWith('Caused by: '))
  assert.deepEqual(causes, [`Caused by: javax.net.ssl.SSLHandshakeException: ${message}`, `Caused by: ${cause}`])
}

/** What happened to the connection on the way, in the self-hosted gateway's words and ours. */
function checkConnectionEvents(
  lines: RequestLogs,
  backend: LabBackend,
  id: string,
  expect: Expectation,
  outcome: Outcome | null,
): void {
  const names = lines.apimEventsText.map((line) => /\[(\w+)\],/.exec(line)?.[1])
  const text = (name: string): string => lines.apimEventsText.find((line) => line.includes(`[${name}],`)) ?? ''
  // A healthy connection may have been opened for the request before, and be used again.
  if (outcome === null && names.length === 0) return
  const presents = backend.servedPem !== null && ['chain', 'identity', 'verified'].includes(stageOf(expect))
  assert.deepEqual(names.slice(0, 2), ['DnsResolutionScheduled', 'OutgoingTlsProtocolsSet'])
  assert.equal(
    text('DnsResolutionScheduled').replace(/^\S+ \S+ /, ''),
    `[DnsResolutionScheduled], message: ${backend.host}, source: RoundRobinNameResolver, correlationId: ${id}, target: ${String(lines.nativeAccess['target'])}`,
  )
  const versions = backend.target.settings.maxVersion === 'TLSv1.2' ? 'Tls12' : 'Tls12, Tls13'
  assert.ok(text('OutgoingTlsProtocolsSet').includes(`, message: ${versions}, source: TcpChannelFactory, `))
  assert.equal(
    names.includes('CertificateInfoVerificationScheduled'),
    // In TLS 1.3 the backend asks for ours after it has shown its own and the handshake is done, in TLS 1.2 before.
    presents || expect.fault === 'client-certificate',
    names.join(', '),
  )
  if (backend.servedPem === null || !names.includes('CertificateInfoVerificationScheduled')) return
  const leaf = new X509Certificate(backend.servedPem)
  const thumbprint = leaf.fingerprint.replaceAll(':', '')
  const aia = /CA Issuers - URI:(\S+)/.exec(leaf.infoAccess ?? '')?.[1] ?? ''
  const line = text('CertificateInfoVerificationScheduled')
  assert.ok(
    line.includes(
      `message: thumbprint: ${thumbprint}, subjectName: ${leaf.subject} (CRL URLs: ; AIA URLs: ${aia}), issuer: `,
    ),
    line,
  )
  assert.equal(textField(line, 'correlationId'), id)
  const native = lines.nativeEvents.find((event) => event['type'] === 'certificate-presented')
  assert.equal((native?.['leaf'] as Fields | undefined)?.['sha256'], leaf.fingerprint256.replaceAll(':', ''))
}

type Fields = Record<string, unknown>

function stageOf(expect: Expectation): string {
  return verdictCodes[expect.trafficVerdict].stage
}

/** The party of what the traffic could tell. */
function partyOf(expect: Expectation): string {
  // Whose it is depends on what was to tell: a list that is held here, or a staple.
  if (expect.trafficVerdict === 'revocation-unknown') return expect.party
  return expect.trafficVerdict === 'trusted' ? 'backend' : verdictCodes[expect.trafficVerdict].party
}

function templated(message: string): string {
  return message.replace(/127\.0\.0\.1:\d+|backend\.lab\.invalid:443/, 'BACKEND')
}
