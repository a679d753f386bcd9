import assert from 'node:assert/strict'
import { createServer as createHttp1, type IncomingMessage } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { redactQuery } from '../../src/otlp/redact.ts'
import { parseTraceState } from '../../src/proxy/trace-context.ts'
import { startManagedGateway } from '../support/managed-gateway.ts'
import { exchangeRaw } from '../support/raw-client.ts'

/* What a caller can do with traceparent and tracestate: to the worker, and to what the backend is sent (I8, I10). */

const seen: IncomingMessage[] = []
const backend = createHttp1((request, response) => {
  seen.push(request)
  request.resume().on('end', () => response.end('ok'))
})
await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
const gateway = await startManagedGateway({
  listeners: [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }],
  // Nobody is there, and need not be.
  otlp: { endpoint: 'http://127.0.0.1:9' },
  tracing: { sample: 1 },
  targets: { t: { url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}` } },
  proxies: { p: { basePath: '/', target: 't' } },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  backend.closeAllConnections()
  backend.close()
})

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const valid = `00-${trace}-00f067aa0ba902b7-01`
const whole = (text: string): boolean => /\r\n\r\n/.test(text)

/** @returns status, and names with values that the backend was sent, of trace fields and the others */
async function send(lines: readonly string[], body = '') {
  const before = seen.length
  const head = ['POST /x HTTP/1.1', 'Host: h', 'X-Before: 1', ...lines, 'X-After: 2', 'Connection: close']
  const framing = body === '' ? ['Content-Length: 0'] : ['Transfer-Encoding: chunked', 'Trailer: traceparent']
  const text = await exchangeRaw(gateway.port, `${[...head, ...framing].join('\r\n')}\r\n\r\n${body}`, whole)
  return { status: Number(text.slice(9, 12)), ...fieldsOf(seen.slice(before)) }
}

function fieldsOf(requests: readonly IncomingMessage[]) {
  const pairs = requests.flatMap(({ rawHeaders }) =>
    rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? ''] as const] : [])),
  )
  const of = (wanted: string): readonly string[] => pairs.flatMap(([name, value]) => (name === wanted ? [value] : []))
  return {
    requests: requests.length,
    parents: of('traceparent'),
    states: of('tracestate'),
    names: pairs.map(([n]) => n),
  }
}

describe('what reaches the backend has one traceparent, which the gateway has written', () => {
  const table: readonly [what: string, lines: readonly string[]][] = [
    ['none came', []],
    ['a good one', [`traceparent: ${valid}`]],
    ['two that are the same', [`traceparent: ${valid}`, `Traceparent: ${valid}`]],
    ['many', Array.from({ length: 60 }, () => `traceparent: ${valid}`)],
    ['one that is none, with a state', ['traceparent: 00-xx', 'tracestate: a=1']],
    ['of a version to come, with text behind it', [`traceparent: cc-${valid.slice(3)}-${'x'.repeat(4000)}`]],
    ['a list', [`traceparent: ${valid}, ${valid}`]],
    ['connection-listed', [`traceparent: ${valid}`, 'Connection: traceparent, tracestate']],
    ['with bytes above ASCII', ['traceparent: \u00ff\u00fe', `tracestate: a=\u00e4`]],
    ['an empty one', ['traceparent:', 'tracestate:']],
  ]
  for (const [what, lines] of table) {
    it(what, async () => {
      const { status, requests, parents, states, names } = await send(lines)
      assert.deepEqual([status, requests, parents.length], [200, 1, 1], JSON.stringify({ status, parents, states }))
      assert.match(parents[0] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]$/)
      assert.notEqual(parents[0], valid)
      assert.ok(states.length <= 1)
      for (const name of ['x-before', 'x-after']) assert.equal(names.filter((each) => each === name).length, 1, name)
    })
  }

  it('of members that are not as they must be, none crosses', async () => {
    const bad = ['a=1\u00e4', 'A=1', 'b=x y=z', '=', 'c', `d=${'v'.repeat(300)}`, 'e=1\t2', 'ok=1']
    const { states } = await send([`traceparent: ${valid}`, ...bad.map((each) => `tracestate: ${each}`)])
    assert.deepEqual(states, ['ok=1'])
  })

  it('one in the trailers is not the one that counts', async () => {
    const { status, parents } = await send([`traceparent: ${valid}`], `1\r\nx\r\n0\r\ntraceparent: ${valid}\r\n\r\n`)
    assert.equal(status, 200)
    assert.equal(parents.length, 1)
    assert.notEqual(parents[0], valid)
  })

  const refused: readonly [what: string, lines: readonly string[]][] = [
    ['folded', [`traceparent: ${valid}`, ' more']],
    ['with a bare CR', [`traceparent: ${valid}\rX-Injected: 1`]],
    ['with a bare LF', [`tracestate: a=1\nX-Injected: 1`]],
    ['with NUL', ['tracestate: a=\u0000']],
    ['with white space before the colon', [`traceparent : ${valid}`]],
  ]
  for (const [what, lines] of refused) {
    it(`a field ${what} is refused, and the backend hears nothing`, async () => {
      const { status, requests } = await send(lines)
      assert.deepEqual([status, requests], [400, 0])
    })
  }
})

describe('of HTTP/2', () => {
  it('many fields make one', async () => {
    const session = connectH2(`http://127.0.0.1:${gateway.port}`)
    session.on('error', () => {})
    const ask = (headers: Readonly<Record<string, string | readonly string[]>>) =>
      new Promise<number>((resolve) => {
        const stream = session.request({ ':path': '/h2', ':method': 'GET', ...headers })
        stream.on('response', ({ ':status': status }) => resolve(status ?? 0))
        stream.on('error', () => resolve(-1))
        stream.resume().end()
      })
    const before = seen.length
    assert.equal(await ask({ traceparent: [valid, valid], tracestate: ['a=1', 'b=2'] }), 200)
    const { parents } = fieldsOf(seen.slice(before))
    assert.equal(parents.length, 1)
    assert.notEqual(parents[0], valid)
    session.close()
  })
})

describe('a caller cannot keep a thread busy', () => {
  /** Ms; for texts of which one is four times as long as the other. */
  const times = (work: (length: number) => unknown): readonly [number, number] => {
    work(1000)
    const time = (length: number): number => {
      // The best of three: a machine with other work makes one of them slow, and a square each.
      return Math.min(
        ...[1, 2, 3].map(() => {
          const start = performance.now()
          work(length)
          return performance.now() - start
        }),
      )
    }
    return [time(50_000), time(200_000)]
  }
  const table: readonly [what: string, work: (length: number) => unknown][] = [
    ['white space within a member', (length) => parseTraceState([`a=x${' '.repeat(length)}y`])],
    ['white space of both kinds', (length) => parseTraceState([`a=x${' \t'.repeat(length / 2)}y`])],
    ['commas', (length) => parseTraceState([','.repeat(length)])],
    ['lines', (length) => parseTraceState(Array.from({ length: length / 8 }, () => 'a=1,b=2'))],
    ['a query that is one name', (length) => redactQuery(`=${'a'.repeat(length)}`)],
    ['a query of nothing but marks', (length) => redactQuery('=?&;#'.repeat(length / 5))],
  ]
  for (const [what, work] of table) {
    it(`with ${what}: time grows by the length and not by its square`, () => {
      // By the square, the longer one takes 16 times as long: a good quarter of a minute instead of a second.
      const [short, long] = times(work)
      assert.ok(long <= short * 8 + 50, `${short} and ${long} ms`)
    })
  }

  it('nor a worker, with a head as large as it may be', async () => {
    const spaces = ' '.repeat(7000)
    const lines = [`traceparent: ${valid}`, ...Array.from({ length: 8 }, () => `tracestate: a=x${spaces}y`)]
    const { status } = await send(lines)
    assert.ok(status === 200 || status === 431, `${status}`)
  })
})
