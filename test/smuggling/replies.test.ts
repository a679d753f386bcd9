import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { responseGrammar } from '../wire/reading.ts'
import { installed, type OtherPeer, startGateways, startHaproxy, startNginx } from './peers.ts'
import { broken } from './reading.ts'
import { readAllReplies, type ReplyReading } from './reply-exchange.ts'
import { leak, replies, type Reply } from './reply-messages.ts'
import { readReplies } from './reply-readers.ts'

const nginx = installed('nginx')
const haproxy = installed('haproxy')

describe('response splitting: no response is delivered for another request', () => {
  let gateway: ReadonlyMap<string, ReplyReading>
  const others = new Map<OtherPeer, ReadonlyMap<string, ReplyReading>>()

  before(async () => {
    const runs: Promise<unknown>[] = [
      readAllReplies(replies, 3, startGateways).then((readings) => (gateway = readings)),
    ]
    const other = (name: OtherPeer, start: Parameters<typeof readAllReplies>[2]): void => {
      runs.push(readAllReplies(replies, 4, start).then((readings) => void others.set(name, readings)))
    }
    if (nginx !== null) other('nginx', (ports) => startNginx('nginx', ports))
    if (haproxy !== null) other('haproxy', (ports) => startHaproxy(ports))
    await Promise.all(runs)
  })

  it('the table names each reply once, and there are enough of them', () => {
    assert.equal(new Set(replies.map((each) => each.name)).size, replies.length)
    assert.ok(replies.length >= 100)
  })

  it('NGINX reads every reply', { skip: nginx === null ? 'nginx is not installed' : false }, () => {
    assert.equal(others.get('nginx')?.size, replies.length)
  })

  it('HAProxy reads every reply', { skip: haproxy === null ? 'haproxy is not installed' : false }, () => {
    assert.equal(others.get('haproxy')?.size, replies.length)
  })

  for (const each of replies) {
    it(`${each.name}: ${each.outcome.length > 20 ? 'whole' : each.outcome}`, () => {
      const reading = readingOf(gateway, each)
      assert.ok(!reading.hung, 'the connections end')
      assert.equal(reading.outcome, each.outcome)
      assert.equal(reading.victim, '200 for GET /base/victim', "another client's request has its own answer")
      if (each.outcome === 'cut' || each.late !== '') assert.equal(reading.next, '')
      else assert.equal(reading.next, '200 for GET /base/next', 'the request right behind has its own answer')
      if (!each.clean)
        assert.ok(!reading.again, 'the connection serves no other request: what is left over could answer it')
      if (!each.outcome.includes(leak)) assert.ok(!reading.received.includes(leak), 'nothing more comes through')

      const methods = [each.method, 'GET']
      assert.deepEqual(
        readReplies(reading.received, methods, true),
        readReplies(reading.received, methods),
        'two clients read the same',
      )
      // A bad chunk that came with its head takes the head with it.
      if (reading.received !== '')
        assert.match(reading.received.slice(0, reading.received.indexOf('\r\n\r\n') + 4), responseGrammar)
      // No reply that is delivered here is read differently by the others, so there are no exceptions.
      assert.equal(
        broken(each.name, 0, delivered(reading), deliveredByOthers(each), []),
        null,
        'two readings of what was delivered',
      )
    })
  }

  it("the rule is broken as soon as NGINX or HAProxy stands in the gateway's place", (t) => {
    if (nginx === null || haproxy === null) {
      t.skip('nginx or haproxy is not installed')
      return
    }
    for (const peer of ['nginx', 'haproxy'] as const) {
      const violations = replies.filter((each) => {
        const readings = new Map(deliveredByOthers(each))
        const own = readings.get(peer) ?? []
        readings.delete(peer)
        return broken(each.name, 0, own, readings, []) !== null
      })
      assert.ok(violations.length >= 5, `${peer}: ${violations.length}`)
    }
  })

  function deliveredByOthers(each: Reply): ReadonlyMap<OtherPeer, readonly string[]> {
    return new Map([...others].map(([peer, readings]) => [peer, delivered(readingOf(readings, each))]))
  }
})

/** What the client had for a whole response: nothing where it was refused or cut off. */
function delivered({ outcome }: ReplyReading): readonly string[] {
  return outcome === 'refused' || outcome === 'cut' ? [] : [outcome]
}

function readingOf(readings: ReadonlyMap<string, ReplyReading> | undefined, each: Reply): ReplyReading {
  const reading = readings?.get(each.name)
  assert.ok(reading !== undefined, `${each.name} was not read`)
  return reading
}
