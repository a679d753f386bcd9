import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { type Scenario, type ScenarioName, scenarioNames, scenarios } from '../../src/lab/scenarios.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type Answer, get, type LabGateway, startLabGateway, writtenLines } from './lab-gateway.ts'

type Line = Readonly<Record<string, unknown>>

const refused = scenarioNames.filter((name) => (scenarios[name] as Scenario).expect.verdict !== 'trusted')

describe('a request that meets a backend that cannot be trusted', () => {
  let setup: LabGateway
  const answers = new Map<ScenarioName, readonly [Answer, Answer]>()
  let lines: readonly Line[] = []

  before(async () => {
    setup = await startLabGateway({
      // The first failure of a kind waits for its cause here however busy the machine is.
      change: (config) => ({ ...config, diagnosis: { live: true, wait: '5s' } }),
    })
    for (let at = 0; at < refused.length; at += 6) {
      await Promise.all(
        refused.slice(at, at + 6).map(async (name) => {
          const { expect }: Scenario = scenarios[name]
          const ask = () => get(setup.port, `/native/${name}`)
          const first = await ask()
          let second = await ask()
          // Nobody waits for the cause of a deadline, and the probe runs into deadlines too.
          for (
            let more = 0;
            more < 5 && expect.fault === 'tls-timeout' && !second.body.includes(expect.verdict);
            more++
          ) {
            second = await ask()
          }
          answers.set(name, [first, second])
        }),
      )
    }
    const last = [...answers.values()].at(-1)?.[1].headers['x-request-id'] ?? ''
    await setup.gateway.logLines('native.log', (line) => line.includes(last) && line.includes('"access"'))
    lines = (await writtenLines(setup.gateway, 'native.log')).map((line) => JSON.parse(line) as Line)
  })
  after(() => setup[Symbol.asyncDispose]())

  for (const name of refused) {
    const { expect }: Scenario = scenarios[name]
    it(`${name}: hears ${expect.verdict}, and so does its operator, the first time and the second`, () => {
      for (const [turn, answer] of (answers.get(name) ?? []).entries()) {
        const body = JSON.parse(answer.body) as { code: string }
        if (turn === 0 && expect.fault === 'tls-timeout' && body.code === expect.trafficVerdict) continue
        assert.equal(body.code, expect.verdict, `request ${turn + 1}`)
        const id = answer.headers['x-request-id']
        const access = lines.find((line) => line['type'] === 'access' && line['id'] === id)
        assert.equal(access?.['verdict'], expect.verdict)
        const event = lines.find((line) => line['type'] === 'request-failed' && idOf(line) === id)
        const fault = event?.['fault'] as Line | undefined
        assert.deepEqual([fault?.['code'], fault?.['party']], [expect.verdict, expect.party])
      }
    })
  }

  it('has the guilty certificate, what is to be done, and what would come next beside the verdict, in one event', () => {
    const event = diagnosed('missing-root')
    assert.equal(event?.['verdict'], 'missing-root')
    assert.ok(Array.isArray(event?.['remedy']) && event['remedy'].length > 0)
    assert.match(JSON.stringify(event), /Elsewhere Root CA/)
    assert.deepEqual(Object.keys(event?.['guilty'] as object), ['subject', 'sha256'])
  })

  for (const name of ['client-certificate-required', 'client-certificate-required-tls12'] as const) {
    it(`${name}: has an event with what is to be done, though TLS 1.3 tells of it after the handshake`, () => {
      const event = diagnosed(name)
      assert.equal(event?.['verdict'], 'client-certificate-required')
      assert.ok(Array.isArray(event?.['remedy']) && event['remedy'].length > 0)
    })
  }

  it('costs a backend one diagnosis, however many requests fail', async () => {
    const { lab, port } = setup
    const before = lab.counters('expired').connections
    for (let count = 0; count < 20; count++) await get(port, '/native/expired')
    const more = lab.counters('expired').connections - before - 20
    // An answer is asked for anew after a minute, which a slow machine may need for this.
    assert.ok(more <= 1, `${more} connections more than requests`)
  })

  it('has sent the backend not one byte, nor has the diagnosis', () => {
    for (const name of refused) {
      if (verdictCodes[(scenarios[name] as Scenario).expect.verdict].stage === 'dns') continue
      assert.equal(setup.lab.counters(name).requestBytes, 0, name)
    }
  })

  const diagnosed = (target: string): Line | undefined =>
    lines.find((line) => line['type'] === 'diagnosed' && line['target'] === target)
})

const idOf = ({ request }: Line): unknown => (request as Line)['id']

describe('the first failure of a kind', () => {
  it('waits no longer for its cause than it may', async () => {
    // Refuses the first connection at once, and leaves every later one without a word: the probe is still at it.
    const open = new Set<Socket>()
    const server = createServer((socket) => {
      socket.on('error', () => {})
      if (open.size === 0) socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 40])))
      open.add(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await using gateway = await startTestGateway({
      trustStores: { public: { sources: [{ bundled: true }] } },
      targets: { mute: { url: `https://127.0.0.1:${port}`, tls: { trust: ['public'] } } },
      proxies: { mute: { basePath: '/', target: 'mute' } },
      diagnosis: { live: true, wait: '50ms' },
    })
    const answer = await get(gateway.gateway.ports['http'] ?? 0, '/')
    assert.equal((JSON.parse(answer.body) as Line)['code'], 'peer-alert')
    // The probe was on its way, and nobody waited for it.
    assert.ok([...open].some((socket) => !socket.destroyed && !socket.readableEnded))
    for (const socket of open) socket.destroy()
    server.close()
  })
})
