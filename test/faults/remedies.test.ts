import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { anyPlace, type FaultPlace, faultRemedies } from '../../src/faults/remedies.ts'
import { faultTable } from '../../src/faults/render.ts'
import { targetPlan } from '../proxy/planned-gateway.ts'

const target = targetPlan('orders', [8443])
const [server = null] = target.servers
const here: FaultPlace = { ...anyPlace, target, server, configFile: '/etc/postern/postern.yaml' }
const text = (kind: string, place: FaultPlace): string => JSON.stringify(faultRemedies(kind, place))

describe('remedies of faults', () => {
  for (const { kind } of faultTable()) {
    it(`has something to do for ${kind}, wherever it happened`, () => {
      for (const place of [anyPlace, here, { ...here, server: null }, { ...here, stored: true, configFile: null }]) {
        const all = faultRemedies(kind, place)
        assert.ok(all.length > 0)
        for (const { action, commands, weakens } of all) {
          assert.match(action, /^[A-Z].*[.]$/)
          assert.doesNotMatch(`${action}${commands.join('')}`, /undefined|null|NaN/)
          assert.equal(weakens, false)
          assert.ok(commands.length === 0 || (place.configFile !== null && !place.stored))
        }
      }
    })
  }

  it('tells the part of the answer that was waited for', () => {
    const stages: readonly (readonly [string, string, string])[] = [
      ['response head', 'firstByte', 'bodyIdle'],
      ['response body', 'bodyIdle', 'firstByte'],
      ['request', 'bodyIdle', 'firstByte'],
    ]
    for (const [stage, has, hasNot] of stages) {
      const told = text('response-timeout', { ...here, summary: `no progress of the ${stage} within its timeout` })
      assert.ok(told.includes(`timeouts.${has}`) && !told.includes(`timeouts.${hasNot}`), stage)
    }
  })

  it('speaks of idle connections only where the backend had not begun to answer', () => {
    const early = { ...here, summary: 'the backend closed the connection before the first byte of its response' }
    const late = { ...here, summary: 'the backend closed the connection inside its response' }
    assert.match(text('response-eof', early), /keepAlive/)
    assert.doesNotMatch(text('response-eof', late), /keepAlive/)
  })

  it("uses Edge's words for a deployed proxy, and no command on the file", () => {
    const stored = { ...here, stored: true, configFile: null }
    assert.match(text('response-timeout', stored), /`io\.timeout\.millis` of the TargetEndpoint/)
    assert.doesNotMatch(text('response-timeout', stored), /config set|targets\./)
    assert.match(text('overloaded', stored), /fixed for a deployed proxy/)
  })

  it('knows a target without servers, and says nothing of what is no fault', () => {
    assert.match(text('no-server', { ...here, target: { ...target, servers: [] } }), /Name a server/)
    assert.deepEqual(faultRemedies('', here), [])
    assert.deepEqual(faultRemedies('toString', here), [])
  })
})
