import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get } from './peer.ts'

/* What the backend learns of the client: the four modes, from a peer that is believed and from one that is not. */

const modes = ['x-forwarded', 'forwarded', 'both', 'none'] as const
const backend = await startBackend(() => ok())
const gateway = await startTestGateway({
  listeners: modes.flatMap((headers) => [
    {
      name: `${headers}-stranger`,
      address: '127.0.0.1',
      port: 0,
      forwarded: { headers, trustedProxies: ['10.0.0.0/8', '::1/128'] },
    },
    {
      name: `${headers}-trusted`,
      address: '127.0.0.1',
      port: 0,
      forwarded: { headers, trustedProxies: ['127.0.0.0/8'] },
    },
  ]),
  targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
  proxies: { b: { basePath: '/', target: 'b' } },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

const names = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'forwarded',
] as const
type Said = Partial<Record<(typeof names)[number], string>>

async function said(listener: string, ...lines: readonly string[]): Promise<Said> {
  await ask(gateway.gateway.ports[listener] ?? 0, get('/', ...lines))
  const seen = backend.requests.at(-1) ?? { lines: [] }
  return Object.fromEntries(
    names.map((name) => [name, fieldOf(seen, name)]).filter(([, value]) => value !== null),
  ) as Said
}

const legacy = { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'gateway.test' }
const standard = { forwarded: 'for=127.0.0.1;proto=http;host="gateway.test"' }
const plain: Readonly<Record<(typeof modes)[number], Said>> = {
  'x-forwarded': legacy,
  forwarded: standard,
  both: { ...legacy, ...standard },
  none: {},
}

const incoming = [
  'X-Forwarded-For: 192.0.2.1',
  'X-Forwarded-For: 192.0.2.2, 192.0.2.3',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: outer.test',
  'X-Forwarded-Port: 443',
  'X-Real-IP: 192.0.2.1',
  'Forwarded: for=192.0.2.1;proto=https',
  'Forwarded: for="[2001:db8::1]"',
]
const continuedLegacy = {
  'x-forwarded-for': '192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'outer.test',
}
const continuedStandard = {
  forwarded: 'for=192.0.2.1;proto=https, for="[2001:db8::1]", for=127.0.0.1;proto=http;host="gateway.test"',
}
const continued: Readonly<Record<(typeof modes)[number], Said>> = {
  'x-forwarded': continuedLegacy,
  forwarded: continuedStandard,
  both: { ...continuedLegacy, ...continuedStandard },
  none: {},
}

for (const mode of modes) {
  describe(`forwarded.headers: ${mode}`, () => {
    it('says who asked', async () => {
      assert.deepEqual(await said(`${mode}-stranger`), plain[mode])
      assert.deepEqual(await said(`${mode}-trusted`), plain[mode])
    })
    it('does not believe a stranger', async () => {
      assert.deepEqual(await said(`${mode}-stranger`, ...incoming), plain[mode])
    })
    it('continues what a trusted proxy said', async () => {
      assert.deepEqual(await said(`${mode}-trusted`, ...incoming), continued[mode])
    })
  })
}

describe('a client without Host', () => {
  it('leaves the host out', async () => {
    await ask(gateway.gateway.ports['both-stranger'] ?? 0, 'GET / HTTP/1.0\r\n\r\n')
    const seen = backend.requests.at(-1) ?? { lines: [] }
    assert.equal(fieldOf(seen, 'x-forwarded-host'), null)
    assert.equal(fieldOf(seen, 'forwarded'), 'for=127.0.0.1;proto=http')
  })
})
