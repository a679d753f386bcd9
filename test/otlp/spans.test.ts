import type { RecordedTransaction } from '../../src/observe/recording.ts'
import type { AnyValue, KeyValue, Span } from '../../src/otlp/messages.ts'

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as stable from '@opentelemetry/semantic-conventions'
import * as incubating from '@opentelemetry/semantic-conventions/incubating'
import * as fc from 'fast-check'
import { spansOf } from '../../src/otlp/spans.ts'
import { assertGolden } from '../observe/golden.ts'
import { cases, startedAt, step, story, tls, transaction } from './transactions.ts'

describe('spans of a request', () => {
  for (const [name, each] of Object.entries(cases)) {
    it(`${name.replaceAll('-', ' ')}: as its golden says`, () => {
      assertGolden(`otlp/${name}.txt`, render(each, spansOf(each, counter())))
    })

    it(`${name.replaceAll('-', ' ')}: ids and times are those of one trace`, () => assertOneTrace(each, spansOf(each)))
  }

  it('a request in no distributed trace has none', () => {
    assert.deepEqual(spansOf(transaction({ context: null })), [])
  })

  it('steps in any order and any times keep to the time of the request', () => {
    const steps = Object.values(cases).flatMap((each) => each.steps)
    const at = fc.double({ min: -100, max: 1e6, noNaN: true })
    const anyStep = fc.tuple(fc.constantFrom(...steps), at).map(([one, time]) => ({ ...one, at: time }))
    fc.assert(
      fc.property(
        fc.array(anyStep, { maxLength: 30 }),
        fc.double({ min: 0, max: 1e5, noNaN: true }),
        (some, totalMs) => {
          const each = transaction({ steps: some, totalMs })
          assertOneTrace(each, spansOf(each))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('attributes of spans', () => {
  const conventions = new Set(
    [...Object.entries(stable), ...Object.entries(incubating)].flatMap(([name, value]) =>
      name.startsWith('ATTR_') && typeof value === 'string' ? [value] : [],
    ),
  )
  const all = Object.values(cases).flatMap((each) => spansOf(each))

  it('are those of the conventions, or ours', () => {
    const keys = new Set(all.flatMap((span) => span.attributes.map(({ key }) => key)))
    assert.ok(conventions.has('url.full') && !conventions.has('url.fulll'))
    assert.deepEqual(
      [...keys].filter((key) => !key.startsWith('postern.') && !conventions.has(key)),
      [],
    )
    assert.ok([...keys].filter((key) => !key.startsWith('postern.')).length >= 30, `${keys.size} keys`)
  })

  it('that the conventions require of a server are there', () => {
    for (const span of all.filter(({ kind }) => kind === 2)) {
      assert.ok(value(span, 'http.request.method'), span.name)
      assert.ok(value(span, 'url.scheme'), span.name)
    }
  })

  it('that the conventions require of a client are there', () => {
    const clients = all.filter(({ kind }) => kind === 3)
    assert.ok(clients.length >= 8)
    for (const span of clients) {
      for (const key of ['http.request.method', 'server.address', 'server.port', 'url.full']) {
        assert.notEqual(value(span, key), undefined, key)
      }
    }
  })

  const table: readonly [
    what: string,
    over: Partial<RecordedTransaction>,
    span: number,
    key: string,
    expected: unknown,
  ][] = [
    ['a method that is not registered is _OTHER', { method: 'PURGE' }, 0, 'http.request.method', '_OTHER'],
    ['and is told beside it', { method: 'PURGE' }, 0, 'http.request.method_original', 'PURGE'],
    ['a lower-case method is another one', { method: 'get' }, 0, 'http.request.method', '_OTHER'],
    ['a registered method is not told twice', {}, 0, 'http.request.method_original', undefined],
    ['HTTP/2 is version 2', {}, 0, 'network.protocol.version', '2'],
    ['HTTP/1.1 is version 1.1', {}, 1, 'network.protocol.version', '1.1'],
    ['the port of the host is the port', { host: 'api.example.com:8443' }, 0, 'server.port', '8443'],
    ['without one it is that of the scheme', {}, 0, 'server.port', '443'],
    ['an IPv6 host has no brackets', { host: '[::1]:8443' }, 0, 'server.address', '::1'],
    [
      'an absolute target goes before the host',
      { uri: 'http://other.example/x?q=1' },
      0,
      'server.address',
      'other.example',
    ],
    ['and has a path of its own', { uri: 'http://other.example/x?q=1' }, 0, 'url.path', '/x'],
    ['a signature is redacted in the query', {}, 0, 'url.query', 'id=7&sig=REDACTED&access_token=REDACTED'],
    ['and in the URL of the backend', {}, 1, 'url.full', 'https://billing.internal:8443/v1/invoices?id=7&sig=REDACTED'],
    ['an empty query is none', { uri: '/billing' }, 0, 'url.query', undefined],
    ['what was not sent has no status', { status: 0 }, 0, 'http.response.status_code', undefined],
    ['a 503 is its own type of error', { status: 503 }, 0, 'error.type', '503'],
    ['a 404 is no error of the server', { status: 404 }, 0, 'error.type', undefined],
    ['a value that is too long is cut', { uri: `/${'x'.repeat(9000)}` }, 0, 'url.path', `/${'x'.repeat(4095)}`],
  ]
  for (const [what, over, index, key, expected] of table) {
    it(what, () => assert.deepEqual(value(spansOf(transaction(over))[index], key), expected))
  }

  const status: readonly [what: string, name: string, server: unknown, client: unknown][] = [
    ['a good answer leaves the status unset', 'reused-connection', undefined, undefined],
    ['a 404 is an error of the client span alone', 'backend-says-404', undefined, { code: 2 }],
    ['a 500 is an error of both, without words', 'backend-says-500', { code: 2 }, { code: 2 }],
    [
      'a 200 that was cut off is an error of both',
      'cut-off-answer',
      { message: 'The backend closed in the middle of its response.', code: 2 },
      { message: 'The backend closed in the middle of its response.', code: 2 },
    ],
    ['a bad request is the error of nobody here', 'bad-request', undefined, undefined],
  ]
  for (const [what, name, server, client] of status) {
    it(what, () => {
      const spans = spansOf(cases[name]!)
      assert.deepEqual(spans[0]?.status, server)
      assert.deepEqual(spans.find(({ kind }) => kind === 3)?.status, client)
    })
  }

  it('a handshake tells of both sides and of the certificate', () => {
    const span = spansOf(cases['new-connection']!).find(({ name }) => name === 'tls handshake')
    assert.equal(value(span, 'tls.server.hash.sha256'), 'AB'.repeat(32))
    assert.equal(value(span, 'tls.protocol.version'), '1.3')
    assert.equal(value(span, 'tls.established'), true)
    assert.equal(value(span, 'postern.trust.snapshot'), 'trust-1')
  })

  it('a resumed handshake says so, and has no certificate to tell of', () => {
    const resumed = { ...story, tls: { ...tls, resumed: true, chain: [] } }
    const steps = [step(0.3, 'chosen'), { at: 10, type: 'connected', reused: false, uses: 1, story: resumed } as const]
    const span = spansOf(transaction({ steps })).find(({ name }) => name === 'tls handshake')
    assert.equal(value(span, 'tls.resumed'), true)
    assert.equal(value(span, 'tls.server.subject'), undefined)
  })

  it('the span of the try that counts is the parent which the backend was told', () => {
    const clients = spansOf(cases['sent-again']!).filter(({ kind }) => kind === 3)
    assert.deepEqual(
      clients.map(({ spanId }) => spanId === '53995c3f42cd8ad8'),
      [false, true],
    )
    assert.deepEqual(
      clients.map((span) => value(span, 'http.request.resend_count')),
      [undefined, '1'],
    )
  })
})

function assertOneTrace(each: RecordedTransaction, spans: readonly Span[]): void {
  const [own, ...children] = spans
  assert.ok(own)
  assert.equal(own.kind, 2)
  assert.equal(own.spanId, each.context?.spanId)
  assert.equal(own.parentSpanId ?? '', each.context?.parentId)
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length, 'a span id comes twice')
  for (const span of spans) {
    assert.match(span.spanId, /^(?!0+$)[0-9a-f]{16}$/)
    assert.equal(span.traceId, each.context?.traceId)
    assert.ok(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano), `${span.name} ends before it begins`)
    assert.equal(
      new Set(span.attributes.map(({ key }) => key)).size,
      span.attributes.length,
      'an attribute comes twice',
    )
  }
  for (const span of children) {
    assert.equal(span.parentSpanId, own.spanId)
    assert.ok(BigInt(span.startTimeUnixNano) >= BigInt(own.startTimeUnixNano), `${span.name} begins before its parent`)
    assert.ok(BigInt(span.endTimeUnixNano) <= BigInt(own.endTimeUnixNano), `${span.name} ends after its parent`)
  }
}

function render(each: RecordedTransaction, spans: readonly Span[]): string {
  const kinds = { 1: 'INTERNAL', 2: 'SERVER', 3: 'CLIENT' }
  const ms = (nano: string) => Number((BigInt(nano) - BigInt(Math.round(startedAt * 1000)) * 1000n) / 1000n) / 1000
  const lines = spans.flatMap((span) => [
    `${kinds[span.kind]} ${span.name}`,
    `  id ${span.spanId} parent ${span.parentSpanId ?? 'none'} flags ${span.flags.toString(16)} state ${span.traceState ?? 'none'}`,
    `  from ${ms(span.startTimeUnixNano)} to ${ms(span.endTimeUnixNano)} ms`,
    `  status ${span.status === undefined ? 'unset' : `error ${span.status.message ?? ''}`.trim()}`,
    ...span.attributes.map((attribute) => `  ${attribute.key} = ${shown(attribute)}`),
    ...(span.events ?? []).flatMap((event) => [
      `  event ${event.name} at ${ms(event.timeUnixNano)} ms`,
      ...event.attributes.map((attribute) => `    ${attribute.key} = ${shown(attribute)}`),
    ]),
  ])
  return `trace ${each.context?.traceId}\n${lines.join('\n')}\n`
}

function shown({ value }: KeyValue): string {
  return JSON.stringify(plain(value))
}

function value(span: Span | undefined, key: string): unknown {
  const found = span?.attributes.find((attribute) => attribute.key === key)
  return found === undefined ? undefined : plain(found.value)
}

function plain(value: AnyValue): unknown {
  return 'arrayValue' in value ? value.arrayValue.values.map(plain) : Object.values(value)[0]
}

function counter(): () => string {
  let last = 0
  return () => (last += 1).toString(16).padStart(16, '0')
}
