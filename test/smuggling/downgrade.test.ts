import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { before, describe, it } from 'node:test'
import { h2Refusals } from '../../src/wire/h2/refusals.ts'
import { RequestFieldReader } from '../../src/wire/h2/request-fields.ts'
import { requestGrammar } from '../wire/reading.ts'
import { careless, liberal, readAll } from './backend-readers.ts'
import { readAllStreams, type StreamOptions } from './downgrade-exchange.ts'
import { downgradeExceptions } from './downgrade-exceptions.ts'
import { downgradeFieldMessages } from './downgrade-field-messages.ts'
import { downgradeLengthMessages } from './downgrade-length-messages.ts'
import { blockOf, type StreamMessage } from './downgrade-message.ts'
import { downgradePseudoMessages } from './downgrade-pseudo-messages.ts'
import {
  type GatewayDoor,
  installed,
  knownVersions,
  type OtherPeer,
  type Peer,
  startGateways,
  startHaproxy,
  startNginx,
} from './peers.ts'
import { broken, comparable, forwardedBy, markerRead, type Reading } from './reading.ts'

const downgradeMessages: readonly StreamMessage[] = [
  ...downgradeFieldMessages,
  ...downgradePseudoMessages,
  ...downgradeLengthMessages,
]

const nginx = installed('nginx')
const haproxy = installed('haproxy')
const skip = existsSync(new URL('../../src/proxy/h2-client.ts', import.meta.url))
  ? false
  : 'the gateway takes no HTTP/2 from clients yet'

describe('HTTP/2 to HTTP/1.1: field blocks', () => {
  it('the table names each message once, and there are enough of them', () => {
    assert.equal(new Set(downgradeMessages.map((each) => each.name)).size, downgradeMessages.length)
    assert.ok(downgradeMessages.length >= 200)
  })

  for (const each of downgradeMessages) {
    it(`${each.name}: ${each.refusal === null ? 'read' : each.refusal}`, () => {
      const reader = new RequestFieldReader({
        tableBytes: 4096,
        listBytes: 16_384,
        fieldCount: 100,
        pathBytes: 8192,
        connectProtocol: false,
      })
      const block = blockOf(each.fields)
      let refusal = reader.read(block, 0, block.length)
      if (refusal === null && each.trailers !== null) {
        const trailers = blockOf(each.trailers)
        refusal = reader.readTrailers(trailers, 0, trailers.length)
      }
      const known = each.refusal !== null && each.refusal !== 404 && each.refusal !== 'stream'
      assert.equal(refusal, known ? h2Refusals[each.refusal] : null)
    })
  }
})

describe('HTTP/2 to HTTP/1.1: what two readers read differently is never forwarded', () => {
  const gateways = new Map<string, ReadonlyMap<string, Reading>>()
  const others = new Map<OtherPeer, ReadonlyMap<string, Reading>>()

  before(async () => {
    const runs: Promise<unknown>[] = []
    const own = (how: string, door: GatewayDoor, options: StreamOptions): void => {
      const start = (ports: readonly number[]): Promise<Peer> => startGateways(ports, door)
      const run = readAllStreams(downgradeMessages, 2, start, { ...options, patient: true })
      runs.push(run.then((readings) => void gateways.set(how, readings)))
    }
    if (skip === false) {
      own('in one piece', 'h2c', {})
      own('frame by frame', 'h2c', { apart: true })
      own('over TLS', 'h2', { tls: true })
    }
    const other = (name: OtherPeer, start: Parameters<typeof readAllStreams>[2]): void => {
      runs.push(readAllStreams(downgradeMessages, 6, start).then((readings) => void others.set(name, readings)))
    }
    if (nginx !== null) {
      other('nginx', (ports) => startNginx('nginx', ports, true))
      other('nginx, buffering', (ports) => startNginx('nginx, buffering', ports, true))
    }
    if (haproxy !== null) other('haproxy', (ports) => startHaproxy(ports, true))
    await Promise.all(runs)
  })

  it('NGINX reads every message', { skip: nginx === null ? 'nginx is not installed' : false }, () => {
    for (const name of ['nginx', 'nginx, buffering'] as const) check(others.get(name))
  })

  it('HAProxy reads every message', { skip: haproxy === null ? 'haproxy is not installed' : false }, () => {
    check(others.get('haproxy'))
  })

  for (const each of downgradeMessages) {
    it(`${each.name}: ${each.refusal === null ? 'forwarded' : 'refused'}`, { skip }, () => {
      for (const [how, readings] of gateways) {
        const reading = readingOf(readings, each)
        checkGateway(each, reading, how)
        assert.equal(
          broken(each.name, 0, comparable(reading), forwardedByOthers(each), downgradeExceptions),
          null,
          `${how}: two readings of what was forwarded`,
        )
      }
    })
  }

  it('no exception is there for nothing', { skip }, (t) => {
    if (nginx !== knownVersions.nginx || haproxy !== knownVersions.haproxy) {
      t.skip(`the exceptions describe nginx ${knownVersions.nginx} and haproxy ${knownVersions.haproxy}`)
      return
    }
    for (const { message, peer, forwards } of downgradeExceptions) {
      const each = downgradeMessages.find(({ name }) => name === message)
      assert.ok(each !== undefined, `${message} is a message`)
      assert.deepEqual(comparable(readingOf(others.get(peer), each)), forwards, `${message}: ${peer}`)
      assert.notDeepEqual(
        comparable(readingOf(gateways.get('in one piece'), each)),
        forwards,
        `${message}: ${peer} does not differ`,
      )
    }
  })

  function forwardedByOthers(each: StreamMessage): ReadonlyMap<OtherPeer, readonly string[]> {
    return new Map([...others].map(([peer, readings]) => [peer, comparable(readingOf(readings, each))]))
  }
})

/** What holds for any peer, and shows that the harness itself speaks HTTP/2: good messages arrive, with their markers. */
function check(readings: ReadonlyMap<string, Reading> | undefined): void {
  assert.equal(readings?.size, downgradeMessages.length)
  for (const name of ['a request', 'a request with DATA', 'cookies in crumbs']) {
    const each = downgradeMessages.find((message) => message.name === name)
    assert.ok(each !== undefined)
    const reading = readingOf(readings, each)
    assert.deepEqual(comparable(reading), each.forwarded)
    assert.ok(markerRead(reading))
    assert.deepEqual(
      reading.answers.map(({ status }) => status),
      [200, 200],
    )
  }
}

function checkGateway(each: StreamMessage, reading: Reading, how: string): void {
  assert.ok(!reading.hung, `${how}: the connection ends`)
  assert.deepEqual(forwardedBy(reading), each.forwarded, how)
  assert.equal(reading.victim, '200 GET /base/victim', "another client's request right after it has its own answer")
  const [own, marker] = reading.answers
  const { seen } = reading
  if (each.refusal === null) {
    const [request] = seen.requests
    assert.deepEqual(own, { status: 200, to: `${request?.method} ${request?.target}` })
  } else {
    // A stream that was reset has status 0.
    assert.ok(own !== undefined && own.status !== 200 && own.to === '', `${how}: no answer but a refusal`)
    const early = each.refusal !== 'stream' && each.trailers === null
    if (early) assert.deepEqual(seen.unfinished, [], 'not a byte of it reaches the backend')
  }
  // Each of these is an error of its stream: the connection and what it knows of HPACK stay good.
  assert.ok(markerRead(reading))
  assert.deepEqual(marker, { status: 200, to: 'GET /base/marker' })
  for (const { open } of seen.unfinished) assert.ok(!open, 'what did not become whole is cut off')
  for (const bytes of seen.raw) {
    assert.deepEqual(readAll(liberal, bytes), readAll(careless, bytes), 'two backends read the same')
    assert.match(bytes.slice(0, bytes.indexOf('\r\n\r\n') + 4), requestGrammar)
  }
}

function readingOf(readings: ReadonlyMap<string, Reading> | undefined, each: StreamMessage): Reading {
  const reading = readings?.get(each.name)
  assert.ok(reading !== undefined, `${each.name} was not read`)
  return reading
}
