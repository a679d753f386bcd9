import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { PosternError } from '../../src/core/errors.ts'
import { readSessionFile } from '../../src/traces/edge-file.ts'
import { sessionJson } from '../../src/traces/edge-json.ts'
import type { EdgePoint, EdgeResult, EdgeSession } from '../../src/traces/edge-model.ts'
import { edgeTransaction } from '../../src/traces/edge-points.ts'
import { edgeTime, readEdgeTime } from '../../src/traces/edge-time.ts'
import { sessionXml } from '../../src/traces/edge-xml.ts'
import { samples, sampleTime } from './samples.ts'

const session: EdgeSession = {
  retrieved: sampleTime,
  organization: 'acme',
  environment: 'test',
  api: 'orders',
  revision: '3',
  sessionId: 's1',
  transactions: Object.values(samples).map((each, at) => ({ ...edgeTransaction(each), id: `${each.id}-${at}` })),
}

const fromXml = (of: EdgeSession): EdgeSession => readSessionFile(Buffer.from(sessionXml(of)))
const fromJson = (of: EdgeSession): EdgeSession => readSessionFile(Buffer.from(JSON.stringify(sessionJson(of))))

describe('what was exported is imported', () => {
  test('from XML, and from JSON', () => {
    const whole = floored(session)
    assert.deepEqual(fromXml(whole), whole)
    assert.deepEqual(fromJson(whole), whole)
  })

  // Whatever XML can hold; what it cannot is told of in edge-points.test.ts.
  const text = fc
    .string({ unit: 'binary', maxLength: 20 })
    .map((each) => each.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufdcf\ufde0-\ufffd]/g, '?'))
  const pair = fc.tuple(text, text)
  const pairs = fc.array(pair, { maxLength: 4 })
  const at = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2099, 11, 31) })
  const move = fc.tuple(text, text).map(([to, from]): [string, string][] => [
    ['To', to],
    ['From', from],
  ])
  const properties = fc.oneof(
    pairs.filter(([first]) => first?.[0] !== 'From' && first?.[0] !== 'To'),
    move,
  )
  const result: fc.Arbitrary<EdgeResult> = fc.oneof(
    fc.record({ kind: fc.constant('DebugInfo' as const), at: fc.option(at), properties }),
    fc.record({ kind: fc.constant('RequestMessage' as const), headers: pairs, uri: text, verb: text, content: text }),
    fc.record({
      kind: fc.constant('ResponseMessage' as const),
      headers: pairs,
      reason: text,
      status: text,
      content: text,
    }),
    fc.record({
      kind: fc.constant('VariableAccess' as const),
      accesses: fc.array(
        fc.oneof(
          fc.record({
            kind: fc.constantFrom('get' as const, 'remove' as const),
            name: text,
            value: fc.option(text),
            success: fc.constant(false),
          }),
          fc.record({ kind: fc.constant('set' as const), name: text, value: fc.option(text), success: fc.boolean() }),
        ),
        { maxLength: 3 },
      ),
    }),
  )
  const point: fc.Arbitrary<EdgePoint> = fc.record({
    id: text.filter((id) => id !== ''),
    results: fc.array(result, { maxLength: 3 }),
  })
  const any: fc.Arbitrary<EdgeSession> = fc.record({
    retrieved: at,
    organization: text,
    environment: text,
    api: text,
    revision: text,
    sessionId: text,
    transactions: fc.array(
      fc.record({ id: text, completed: fc.boolean(), points: fc.array(point, { maxLength: 4 }) }),
      { maxLength: 3 },
    ),
  })

  test('whatever is in it', () => {
    fc.assert(
      // Plain objects: some of its own have no prototype.
      fc.property(
        any.map((each) => structuredClone(each)),
        (each) => {
          assert.deepEqual(fromXml(each), each)
          assert.deepEqual(fromJson(each), each)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('readers of others find what they look for', () => {
  const file = sessionXml(session)

  test('seven children, Messages the last, and the time with three digits', () => {
    const children = [...file.replace(/<Messages>.*<\/Messages>/s, '<Messages/>').matchAll(/<(\w+)[ />]/g)].map(
      ([, name]) => name,
    )
    assert.deepEqual(children, [
      'DebugSession',
      'Retrieved',
      'Organization',
      'Environment',
      'API',
      'Revision',
      'SessionId',
      'Messages',
    ])
    assert.match(file, /<Retrieved>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z<\/Retrieved>/)
  })

  test('a viewer that goes by position has method and URI from the third point', () => {
    // Data: Completed, three points; its second child, the message; of that the children 2 and 3.
    const pattern =
      /<Data><Completed>true<\/Completed><Point id="Paused"\/><Point id="Resumed"\/><Point id="StateChange"><DebugInfo>.*?<\/DebugInfo><RequestMessage><Headers>.*?<\/Headers><URI>(.*?)<\/URI><Verb>(.*?)<\/Verb>/g
    const found = [...file.matchAll(pattern)].map(([, uri, verb]) => `${verb} ${uri}`)
    assert.deepEqual(
      found,
      Object.values(samples).map(() => 'GET /orders/v1/7?x=1'),
    )
  })

  test('readers of X have every field in either spelling', () => {
    const json = JSON.parse(JSON.stringify(sessionJson(session))) as {
      DebugSession: Record<string, unknown>
      Messages: { completed: boolean; point: { id: string; results: Record<string, unknown>[] }[] }[]
    }
    assert.equal(json.DebugSession['Version'], '2.1')
    for (const { results } of json.Messages.flatMap(({ point }) => point)) {
      for (const each of results) {
        assert.equal(each['ActionResult'], each['actionResult'])
        if (each['ActionResult'] === 'DebugInfo') {
          const { property, properties } = each['properties'] as { property: unknown; properties: unknown }
          assert.deepEqual(property, properties)
          assert.ok(Array.isArray(property))
        }
        if (each['ActionResult'] === 'RequestMessage') assert.equal(each['uRI'], each['uri'])
      }
    }
  })

  for (const spelling of ['one', 'other'] as const) {
    test(`a file with the ${spelling} spelling alone is read`, () => {
      const words = { one: ['actionResult', 'properties', 'uri'], other: ['ActionResult', 'property', 'uRI'] }[spelling]
      const pruned = JSON.stringify(sessionJson(session), (_key, value: unknown) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
        const pairs = Object.entries(value).filter(([name, held]) => {
          // `properties` is the name of the holder, too.
          return !words.includes(name) || (name === 'properties' && !Array.isArray(held))
        })
        return Object.fromEntries(pairs)
      })
      assert.deepEqual(readSessionFile(Buffer.from(pruned)), floored(session))
    })
  }

  test("a file as Edge's own view writes it, with white space, is read", () => {
    const indented = `\ufeff${file.replaceAll('><', '>\n  <').replaceAll(/>\n {2}<\/(Content|Header|Property|URI)>/g, '></$1>')}`
    assert.equal(readSessionFile(Buffer.from(indented)).transactions.length, session.transactions.length)
  })
})

describe('a file that is none is refused with its place', () => {
  const xml = sessionXml({ ...session, transactions: session.transactions.slice(0, 1) })
  const json = JSON.stringify(sessionJson({ ...session, transactions: session.transactions.slice(0, 1) }))
  const cases: readonly (readonly [what: string, file: string, says: RegExp])[] = [
    ['nothing', '', /neither XML nor JSON/],
    ['text', 'hello', /neither XML nor JSON/],
    ['another root', '<Message/>', /the root element is Message/],
    ['an end that is missing', xml.slice(0, -3), /not well-formed XML/],
    ['no messages', xml.replace(/<Messages>.*<\/Messages>/s, ''), /DebugSession: has no Messages/],
    ['two of a field', xml.replace('<API>', '<API/><API>'), /DebugSession: has more than one API/],
    [
      'a time that is none',
      xml.replace(/<Timestamp>[^<]*/, '<Timestamp>31-02-26 07:26:26:678'),
      /Message\[1\]\/Data\/Point\[3\]\/DebugInfo\/Timestamp/,
    ],
    ['a flag that is none', xml.replace('<Completed>true', '<Completed>yes'), /Message\[1\]\/Data\/Completed/],
    ['a point without an id', xml.replace('<Point id="Paused"/>', '<Point/>'), /Point\[1\]: has no id/],
    [
      'a result of no kind',
      xml.replace('<Point id="Paused"/>', '<Point id="Paused"><A/></Point>'),
      /Point\[1\]\/A: is no part/,
    ],
    ['levels without end', '<a>'.repeat(100_000), /too deep|not well-formed/],
    ['half of JSON', json.slice(0, -3), /not JSON/],
    ['JSON without a head', '{"Messages":[]}', /DebugSession: is no object/],
    [
      'a list that is none',
      json.replace('"Messages":[', '"Messages":{"a":[').replace(/\]\}$/, ']}}'),
      /Messages: is no list/,
    ],
    [
      'a kind that is none',
      json.replaceAll('"ActionResult":"DebugInfo"', '"ActionResult":"Other"'),
      /Messages\[0\]\.point\[2\]\.results\[0\]\.ActionResult/,
    ],
    ['levels without end in JSON', `{"DebugSession":${'['.repeat(100_000)}`, /not JSON/],
  ]
  for (const [what, file, says] of cases) {
    test(what, () => {
      assert.throws(() => readSessionFile(Buffer.from(file)), { code: 'trace-file', message: says })
    })
  }

  test('bytes that are no UTF-8', () => {
    assert.throws(() => readSessionFile(Buffer.from([0x3c, 0xff])), { code: 'trace-file' })
  })

  test('whatever was done to it', () => {
    const changed = (file: string): fc.Arbitrary<string> =>
      fc
        .array(
          fc.record({
            at: fc.nat(file.length),
            cut: fc.nat(40),
            put: fc.oneof(
              fc.string({ maxLength: 8 }),
              fc.constantFrom('<', '</', '"', '{', '[', '&', '<a>', 'null', ']]>'),
            ),
          }),
          { minLength: 1, maxLength: 4 },
        )
        .map((edits) => edits.reduce((text, { at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut), file))
    fc.assert(
      fc.property(fc.oneof(changed(xml), changed(json), fc.string()), (file) => {
        try {
          readSessionFile(Buffer.from(file))
        } catch (error) {
          assert.ok(error instanceof PosternError && error.code === 'trace-file', String(error))
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('times are of UTC, to the millisecond, and none that there are not', () => {
  assert.equal(edgeTime(sampleTime), '23-01-26 07:26:26:678')
  assert.equal(readEdgeTime('23-01-26 07:26:26:678'), sampleTime)
  for (const none of [
    '',
    '23-13-26 07:26:26:678',
    '31-02-26 07:26:26:678',
    '23-01-26 07:26:26',
    '2026-01-23T07:26:26.678Z',
  ])
    assert.equal(readEdgeTime(none), null, none)
})

/** Files have whole milliseconds. */
function floored(of: EdgeSession): EdgeSession {
  return {
    ...of,
    transactions: of.transactions.map((each) => ({
      ...each,
      points: each.points.map((point) => ({
        ...point,
        results: point.results.map((result) =>
          result.kind === 'DebugInfo' && result.at !== null ? { ...result, at: Math.floor(result.at) } : result,
        ),
      })),
    })),
  }
}

test('a carriage return of CDATA is text, of a reference a carriage return', () => {
  const file = sessionXml({ ...session, transactions: [] })
  const read = (api: string): string => readSessionFile(Buffer.from(file.replace('<API>orders', `<API>${api}`))).api
  assert.equal(read('a&#13;b&#xD;c'), 'a\rb\rc')
  assert.equal(read('<![CDATA[a&#13;b]]>&#13;<![CDATA[c]]>'), 'a&#13;b\rc')
})
