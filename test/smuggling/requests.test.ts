import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { nativeTable } from '../../src/faults/native.ts'
import { refusals } from '../../src/wire/h1/refusal.ts'
import { requestGrammar } from '../wire/reading.ts'
import { careless, liberal, readAll } from './backend-readers.ts'
import { chunkMessages } from './chunk-messages.ts'
import { contentLengthMessages } from './content-length-messages.ts'
import { readAllMessages } from './exchange.ts'
import { fieldMessages } from './field-messages.ts'
import { lineMessages } from './line-messages.ts'
import type { Message } from './messages.ts'
import { installed, knownVersions, type OtherPeer, startGateways, startHaproxy, startNginx } from './peers.ts'
import { broken, comparable, forwardedBy, markerRead, type Reading } from './reading.ts'
import { requestExceptions } from './request-exceptions.ts'
import { transferEncodingMessages } from './transfer-encoding-messages.ts'

const messages: readonly Message[] = [
  ...transferEncodingMessages,
  ...contentLengthMessages,
  ...chunkMessages,
  ...lineMessages,
  ...fieldMessages,
]

const nginx = installed('nginx')
const haproxy = installed('haproxy')

describe('request smuggling: what two readers read differently is never forwarded', () => {
  let gateway: ReadonlyMap<string, Reading>
  let dribbled: ReadonlyMap<string, Reading>
  const others = new Map<OtherPeer, ReadonlyMap<string, Reading>>()

  before(async () => {
    const runs: Promise<unknown>[] = [
      readAllMessages(messages, 2, startGateways).then((readings) => (gateway = readings)),
      readAllMessages(
        messages.filter((each) => each.bytes.length < 400),
        2,
        startGateways,
        { dribble: true },
      ).then((readings) => (dribbled = readings)),
    ]
    const other = (name: OtherPeer, start: Parameters<typeof readAllMessages>[2]): void => {
      runs.push(readAllMessages(messages, 6, start).then((readings) => void others.set(name, readings)))
    }
    if (nginx !== null) {
      other('nginx', (ports) => startNginx('nginx', ports))
      other('nginx, buffering', (ports) => startNginx('nginx, buffering', ports))
    }
    if (haproxy !== null) other('haproxy', (ports) => startHaproxy(ports))
    await Promise.all(runs)
  })

  it('the table names each message once, and there are enough of them', () => {
    assert.equal(new Set(messages.map((each) => each.name)).size, messages.length)
    assert.ok(messages.length >= 300)
    assert.ok(messages.filter((each) => each.refusal !== null).length >= 200)
  })

  it('NGINX reads every message', { skip: nginx === null ? 'nginx is not installed' : false }, () => {
    for (const name of ['nginx', 'nginx, buffering'] as const) assert.equal(others.get(name)?.size, messages.length)
  })

  it('HAProxy reads every message', { skip: haproxy === null ? 'haproxy is not installed' : false }, () => {
    assert.equal(others.get('haproxy')?.size, messages.length)
  })

  for (const each of messages) {
    it(`${each.name}: ${outcome(each)}`, () => {
      const reading = readingOf(gateway, each)
      check(each, reading)
      const forwarded = forwardedBy(reading)
      assert.equal(
        broken(each.name, each.lead, comparable(reading), forwardedByOthers(each), requestExceptions),
        null,
        'two readings of what was forwarded',
      )
      if (dribbled.has(each.name)) {
        const late = readingOf(dribbled, each)
        assert.deepEqual(forwardedBy(late), forwarded, 'one byte at a time, the same is forwarded')
        assert.deepEqual(
          late.answers.map(({ status }) => status),
          reading.answers.map(({ status }) => status),
          'one byte at a time, the answers are the same',
        )
        assert.ok(!late.hung)
      }
    })
  }

  it('the peers do differ: the table is about something', (t) => {
    if (nginx === null || haproxy === null) {
      t.skip('nginx or haproxy is not installed')
      return
    }
    const differ = messages.filter((each) => {
      const [first, ...rest] = [...forwardedByOthers(each).values()].map((texts) => JSON.stringify(texts))
      return rest.some((text) => text !== first)
    })
    assert.ok(differ.length >= 100, `${differ.length} messages are read differently by the others`)
  })

  it("the rule is broken as soon as NGINX or HAProxy stands in the gateway's place", (t) => {
    if (nginx === null || haproxy === null) {
      t.skip('nginx or haproxy is not installed')
      return
    }
    for (const peer of ['nginx', 'haproxy'] as const) {
      const violations = messages.filter((each) => {
        const readings = new Map(forwardedByOthers(each))
        const own = readings.get(peer) ?? []
        readings.delete(peer)
        return broken(each.name, each.lead, own, readings, requestExceptions) !== null
      })
      assert.ok(violations.length >= 10, `${peer}: ${violations.length}`)
    }
  })

  it('no exception is there for nothing', (t) => {
    if (nginx !== knownVersions.nginx || haproxy !== knownVersions.haproxy) {
      t.skip(`the exceptions describe nginx ${knownVersions.nginx} and haproxy ${knownVersions.haproxy}`)
      return
    }
    for (const { message, peer, forwards } of requestExceptions) {
      const each = messages.find(({ name }) => name === message)
      assert.ok(each !== undefined, `${message} is a message`)
      assert.deepEqual(comparable(readingOf(others.get(peer), each)), forwards, `${message}: ${peer}`)
      assert.notDeepEqual(comparable(readingOf(gateway, each)), forwards, `${message}: ${peer} does not differ`)
    }
  })

  function forwardedByOthers(each: Message): ReadonlyMap<OtherPeer, readonly string[]> {
    return new Map([...others].map(([peer, readings]) => [peer, comparable(readingOf(readings, each))]))
  }
})

/** What the table says of the gateway, and what holds for whatever it forwards. */
function check(each: Message, reading: Reading): void {
  assert.ok(!reading.hung, 'the connection ends')
  assert.deepEqual(forwardedBy(reading), each.forwarded)
  assert.equal(markerRead(reading), each.marker, 'the marker')
  assert.equal(reading.victim, '200 GET /base/victim', "another client's request right after it has its own answer")

  const { answers, seen } = reading
  const served = seen.requests.map(({ method, target }) => ({ status: 200, to: `${method} ${target}` }))
  if (each.refusal === null) {
    assert.deepEqual(answers, served, 'every answer belongs to its request')
  } else {
    const status = each.refusal === 404 ? 404 : nativeTable[refusals[each.refusal].kind].status
    assert.deepEqual(answers.toSpliced(each.forwarded.length, 1), served, 'every other answer belongs to its request')
    assert.deepEqual(answers[each.forwarded.length], { status, to: '' })
    if (each.refusal !== 404) assert.ok(reading.received.includes(JSON.stringify(refusals[each.refusal].summary)))
    assert.deepEqual(seen.unfinished, [], 'not a byte of it reaches the backend')
  }
  for (const { open } of seen.unfinished) assert.ok(!open, 'what did not become whole is cut off')
  for (const bytes of seen.raw) {
    assert.deepEqual(readAll(liberal, bytes), readAll(careless, bytes), 'two backends read the same')
    for (let at = 0; ; ) {
      const read = careless(bytes.slice(at))
      if (read === null) break
      const head = bytes.slice(at, bytes.indexOf('\r\n\r\n', at) + 4)
      assert.match(head, requestGrammar)
      assert.ok((head.match(/\r\n(?:content-length|transfer-encoding):/gi)?.length ?? 0) <= 1, 'one framing')
      assert.equal(head.match(/\r\nhost:/gi)?.length, 1, 'one Host')
      at += read.size
    }
  }
}

function readingOf(readings: ReadonlyMap<string, Reading> | undefined, each: Message): Reading {
  const reading = readings?.get(each.name)
  assert.ok(reading !== undefined, `${each.name} was not read`)
  return reading
}

function outcome({ refusal, forwarded, lead, marker }: Message): string {
  if (refusal === 404) return 'for no proxy'
  if (refusal !== null) return lead > 0 ? `the second is refused (${refusal})` : `refused (${refusal})`
  if (forwarded.length === 0) return 'never whole'
  return marker ? 'forwarded' : 'forwarded, and the connection ends'
}
