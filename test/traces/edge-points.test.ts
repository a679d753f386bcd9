import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { apigeeCode, renderApigee } from '../../src/faults/apigee.ts'
import { renderFault } from '../../src/faults/render.ts'
import type { EdgePoint, EdgeResult } from '../../src/traces/edge-model.ts'
import { edgeTransaction } from '../../src/traces/edge-points.ts'
import { transactionJson } from '../../src/traces/edge-json.ts'
import { transactionXml } from '../../src/traces/edge-xml.ts'
import type { RecordedTransaction } from '../../src/observe/recording.ts'
import { readXml } from '../../src/compat/apigee/xml.ts'
import { assertGolden } from '../observe/golden.ts'
import { good, samples, transaction } from './samples.ts'

const states = [
  'REQ_START',
  'REQ_HEADERS_PARSED',
  'PROXY_REQ_FLOW',
  'TARGET_REQ_FLOW',
  'REQ_SENT',
  'RESP_START',
  'TARGET_RESP_FLOW',
  'PROXY_RESP_FLOW',
  'RESP_SENT',
  'END',
  'PROXY_POST_RESP_SENT',
]

describe('goldens: every way a transaction can go', () => {
  for (const [name, sample] of Object.entries(samples)) {
    test(name, () => {
      assertGolden(`traces/${name}.xml`, inLines(transactionXml(edgeTransaction(sample))))
    })
  }

  for (const name of ['good', 'untrusted', 'rules']) {
    test(`${name}, JSON`, () => {
      const edge = edgeTransaction(samples[name] as RecordedTransaction)
      assertGolden(`traces/${name}.json`, `${JSON.stringify(transactionJson(edge), null, 1)}\n`)
    })
  }
})

describe('states and points', () => {
  for (const [name, sample] of Object.entries(samples)) {
    test(`${name}: states follow each other in Edge's order, and the last is after END`, () => {
      const moves = moved(sample)
      assert.equal(moves[0]?.[1], 'REQ_START')
      for (const [index, [to, from]] of moves.entries()) {
        assert.ok(states.indexOf(to) > states.indexOf(from), `${from} to ${to}`)
        assert.equal(from, index === 0 ? 'REQ_START' : moves[index - 1]?.[0])
      }
      assert.deepEqual(moves.at(-1), ['PROXY_POST_RESP_SENT', 'END'])
    })

    test(`${name}: its third point has the request, its last ones what the client got`, () => {
      const points = pointsOf(sample)
      assert.deepEqual(
        points.slice(0, 3).map(({ id }) => id),
        ['Paused', 'Resumed', 'StateChange'],
      )
      assert.deepEqual(
        points[2]?.results.map(({ kind }) => kind),
        ['DebugInfo', 'RequestMessage'],
      )
      const [last, analytics] = points.slice(-2)
      assert.equal(resultOf(last, 'ResponseMessage').status, String(sample.status))
      assert.equal(analytics?.id, 'Execution')
      const headers = new Map(resultOf(analytics, 'ResponseMessage').headers)
      assert.equal(headers.get('X-Apigee-Message-ID'), sample.id)
      assert.equal(headers.get('X-Apigee-fault-code'), sample.fault === null ? undefined : apigeeCode(sample.fault))
    })
  }

  test('a good request goes through all states', () => {
    assert.deepEqual(['REQ_START', ...moved(good).map(([to]) => to)], states)
  })

  for (const name of ['untrusted', 'connection-refused', 'client-certificate', 'no-server']) {
    test(`${name}: the Error point stands directly after the transition to TARGET_REQ_FLOW`, () => {
      const points = pointsOf(samples[name] as RecordedTransaction)
      const at = points.findIndex(({ id }) => id === 'Error')
      assert.equal(propertiesOf(points[at - 1]).get('To'), 'TARGET_REQ_FLOW')
      assert.equal(propertiesOf(points[at]).get('state'), 'TARGET_REQ_FLOW')
    })
  }

  for (const [name, state] of [
    ['response-timeout', 'REQ_SENT'],
    ['response-eof', 'REQ_SENT'],
    ['route-failed', 'PROXY_REQ_FLOW'],
  ] as const) {
    test(`${name}: the Error point has the state ${state}`, () => {
      const error = pointsOf(samples[name] as RecordedTransaction).find(({ id }) => id === 'Error')
      assert.equal(propertiesOf(error).get('state'), state)
    })
  }

  test("the error of a trace is the faultstring of the client's body, for every kind of fault", () => {
    for (const sample of Object.values(samples)) {
      if (sample.fault === null || sample.proxy === null) continue
      const { fault, listener, uri, proxy, id } = sample
      const input = {
        fault,
        profile: 'apigee',
        detail: 'standard',
        requestId: id,
        listener,
        target: uri,
        organization: 'acme',
        environment: 'test',
        proxy,
      } as const
      const body = JSON.parse(renderFault(input).body) as { fault: { faultstring: string } }
      const properties = propertiesOf(pointsOf(sample).find((point) => point.id === 'Error'))
      assert.equal(properties.get('error'), body.fault.faultstring)
      assert.equal(renderApigee(input).code, apigeeCode(fault))
    }
  })

  test("an untrusted chain has the playbook's three texts", () => {
    const error = pointsOf(samples['untrusted'] as RecordedTransaction).find(({ id }) => id === 'Error')
    assert.deepEqual(
      [...propertiesOf(error)],
      [
        [
          'error',
          'SSL Handshake failed sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target',
        ],
        [
          'error.cause',
          'PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target',
        ],
        ['error.class', 'com.apigee.errors.http.server.ServiceUnavailableException'],
        ['state', 'TARGET_REQ_FLOW'],
        ['type', 'ErrorPoint'],
        ['Identifier', 'fault'],
      ],
    )
  })

  test('where no socket was opened, the five variables of it are absent; where one was, they are there', () => {
    const names = (sample: RecordedTransaction): string[] =>
      pointsOf(sample).flatMap((point) => [...propertiesOf(point).keys()])
    const five = [
      'resolvedAddress',
      'connectionStatus',
      'isTlsEnabled',
      'tlsHandshakeStatus',
      'actualTargetTlsProtocol',
    ]
    for (const each of five) {
      assert.ok(names(good).includes(`targetendpoint_default.${each}`), each)
      assert.ok(!names(samples['connection-refused'] as RecordedTransaction).some((name) => name.endsWith(`.${each}`)))
    }
  })

  test('a null route has no target flow', () => {
    const visited = moved(samples['null-route'] as RecordedTransaction).map(([to]) => to)
    assert.ok(!visited.some((state) => state.startsWith('TARGET') || state === 'REQ_SENT'))
  })

  test('a retry is sent once, and tells of the tries before', () => {
    const points = pointsOf(samples['retry'] as RecordedTransaction)
    assert.equal(moved(samples['retry'] as RecordedTransaction).filter(([to]) => to === 'REQ_SENT').length, 1)
    const failed = points.flatMap((point) => propertiesOf(point).get('postern.attempt.failed') ?? [])
    assert.deepEqual(failed, ['connection-refused', 'response-eof'])
    const servers = points.flatMap((point) => propertiesOf(point).get('loadbalancing.failedservers') ?? [])
    assert.deepEqual(servers, ['b1', 'b1,b2'])
  })

  test('a response of the backend that was cut off by it has its Error after the answer began', () => {
    const fault = { kind: 'response-eof', verdict: null, party: 'backend', summary: 's', evidence: {} } as const
    const steps = good.steps.filter(({ type }) => type !== 'ended')
    const cut = transaction([...steps, { at: 40, type: 'fault', fault }], { ...good, fault })
    const points = pointsOf(cut)
    assert.equal(propertiesOf(points.find(({ id }) => id === 'Error')).get('state'), 'PROXY_RESP_FLOW')
    assert.equal(resultOf(points.at(-2), 'ResponseMessage').content, '{"a":"ü"}')
  })

  test('bytes that are no text do not break the XML: the body is a data URL', () => {
    const headers = [['Content-Type', 'image/png']] as const
    const bytes = { text: '\u0000\u0001\u00ff]]>&<', bytes: 8 }
    const sample = transaction([
      {
        at: 0,
        type: 'request-received',
        message: { verb: 'POST', uri: '/a\u0001?<&"', status: 0, reason: '', headers },
      },
      { at: 1, type: 'request-body', body: bytes },
    ])
    const xml = transactionXml(edgeTransaction(sample))
    assert.ok(readXml(Buffer.from(xml)).ok)
    const content = resultOf(pointsOf(sample)[2], 'RequestMessage').content
    assert.equal(content, `data:image/png;base64,${Buffer.from(bytes.text, 'latin1').toString('base64')}`)
  })

  test('a character that the cut went through is left out; the rest is text', () => {
    const whole = Buffer.from('aü').toString('latin1')
    const sample = transaction([
      { at: 0, type: 'request-received', message: { verb: 'POST', uri: '/', status: 0, reason: '', headers: [] } },
      { at: 1, type: 'request-body', body: { text: whole.slice(0, 2), bytes: 3 } },
    ])
    assert.equal(resultOf(pointsOf(sample)[2], 'RequestMessage').content, 'a')
  })
})

/** A line for each element; empty ones stay together. */
const inLines = (xml: string): string =>
  `${xml.replace(/(?<=\/>|<\/\w+>|(?:Message|Headers|Properties|DebugInfo|Point|VariableAccess)(?: id="\w+")?>)(?=<)/g, '\n')}\n`

const pointsOf = (sample: RecordedTransaction): readonly EdgePoint[] => edgeTransaction(sample).points

function moved(sample: RecordedTransaction): readonly (readonly [to: string, from: string])[] {
  return pointsOf(sample)
    .filter(({ id }) => id === 'StateChange')
    .map((point) => [propertiesOf(point).get('To') ?? '', propertiesOf(point).get('From') ?? ''] as const)
}

function propertiesOf(point: EdgePoint | undefined): ReadonlyMap<string, string> {
  const info = point?.results.find(({ kind }) => kind === 'DebugInfo')
  return new Map(info?.kind === 'DebugInfo' ? info.properties : [])
}

function resultOf<K extends EdgeResult['kind']>(
  point: EdgePoint | undefined,
  kind: K,
): Extract<EdgeResult, { kind: K }> {
  const found = point?.results.find((each): each is Extract<EdgeResult, { kind: K }> => each.kind === kind)
  assert.ok(found !== undefined, `the point has no ${kind}`)
  return found
}
