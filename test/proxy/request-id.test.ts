import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, statusOf } from './peer.ts'

/* One id links the response header, the log line, the event of a failure and the header the backend sees. */

const backend = await startBackend(() =>
  ok('ok', 'X-Request-ID: of-the-backend', 'X-Apigee-Message-ID: of-the-backend', 'x-ms-request-id: azure'),
)
const profiles = ['native', 'apigee', 'apim'] as const
const gateway = await startTestGateway({
  organization: 'acme',
  targets: { b: { url: `http://127.0.0.1:${backend.port}` }, gone: { url: 'http://127.0.0.1:1' } },
  proxies: Object.fromEntries(
    profiles.flatMap((faults) => [
      [faults, { basePath: `/${faults}`, target: 'b', faults }],
      [`${faults}-gone`, { basePath: `/${faults}-gone`, target: 'gone', faults }],
    ]),
  ),
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

const headers = { native: 'X-Request-ID', apigee: 'X-Apigee-Message-ID', apim: 'X-Request-ID' }
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const form = { native: uuid, apigee: /^acme-\d+-\d+-\d+$/, apim: uuid }

async function logged(id: string, type: string): Promise<Record<string, unknown>> {
  const matches = (line: string): boolean => {
    const entry = JSON.parse(line) as { id?: string; request?: { id?: string } | null; type: string }
    return entry.type === type && (entry.id === id || entry.request?.id === id)
  }
  const lines = await gateway.logLines('postern.log', matches)
  return JSON.parse(lines.find(matches) ?? '') as Record<string, unknown>
}

for (const profile of profiles) {
  describe(`the id under the profile ${profile}`, () => {
    it('is in the response, in the log and at the backend', async () => {
      const response = await ask(port, get(`/${profile}/x`))
      const id = fieldOf(response, headers[profile]) ?? ''
      assert.match(id, form[profile])
      assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'x-request-id'), id)
      assert.equal((await logged(id, 'access'))['status'], 200)
      // Azure's own backends answer with this one, which is theirs.
      assert.equal(fieldOf(response, 'x-ms-request-id'), 'azure')
      for (const other of Object.values(headers)) {
        if (other !== headers[profile]) assert.equal(fieldOf(response, other), null, other)
      }
    })
    it('is in the fault, in its log line and in the event that explains it', async () => {
      const response = await ask(port, get(`/${profile}-gone/x`))
      const id = fieldOf(response, headers[profile]) ?? ''
      assert.match(id, form[profile])
      const access = await logged(id, 'access')
      assert.equal(access['status'], statusOf(response))
      assert.equal((access['fault'] as { code: string }).code, 'connection-refused')
      assert.equal(((await logged(id, 'request-failed'))['fault'] as { code: string }).code, 'connection-refused')
    })
  })
}

describe('ids', () => {
  it('differ from request to request, on one connection and across', async () => {
    const ids = new Set<string>()
    for (let i = 0; i < 50; i++) ids.add(fieldOf(await ask(port, get('/native/x')), 'x-request-id') ?? '')
    assert.equal(ids.size, 50)
  })
  it("of the client reach the backend and no one else: the answer carries the gateway's", async () => {
    const response = await ask(port, get('/native/x', 'X-Request-ID: of-the-client'))
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'x-request-id'), 'of-the-client')
    assert.match(fieldOf(response, 'x-request-id') ?? '', uuid)
  })
  it('are given to requests without a route, and to those that could not be read', async () => {
    for (const [text, status] of [
      [get('/nowhere'), 404],
      ['nonsense\r\n\r\n', 400],
    ] as const) {
      const response = await ask(port, text)
      assert.equal(statusOf(response), status)
      assert.equal((await logged(fieldOf(response, 'x-request-id') ?? '', 'access'))['status'], status)
    }
  })
})
