import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { connect } from 'node:http2'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { ask as askH2 } from './h2-client-rig.ts'
import { ask, fieldOf, get, request, statusOf } from './peer.ts'

/* A fault is the same over HTTP/2 as over HTTP/1.1, in every profile. */

const unused = createServer()
unused.listen(0, '127.0.0.1')
await once(unused, 'listening')
const { port: refusing } = unused.address() as AddressInfo
unused.close()
const profiles = ['native', 'apigee', 'apim'] as const
const gateway = await startTestGateway({
  listeners: [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }],
  targets: { refusing: { url: `http://127.0.0.1:${refusing}` } },
  proxies: Object.fromEntries(
    profiles.map((faults) => [faults, { basePath: `/${faults}`, target: 'refusing', faults, faultDetail: 'verbose' }]),
  ),
})
after(() => gateway[Symbol.asyncDispose]())
const port = gateway.gateway.ports['http'] ?? 0

/** What differs between any two requests. */
function plain(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+/g, '<id>')
    .replace(/\b[\w-]*[0-9a-f]{12,}[\w-]*\b/g, '<id>')
    .replace(/rrt[\w-]+/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, '<time>')
}

const cases: readonly (readonly [what: string, method: string, path: (profile: string) => string])[] = [
  ['a backend that cannot be reached', 'GET', (profile) => `/${profile}/x`],
  ['no route', 'GET', () => '/nowhere'],
  ['a way out of the base path', 'GET', (profile) => `/${profile}/../x`],
  ['HEAD', 'HEAD', (profile) => `/${profile}/x`],
]

describe('a fault', () => {
  for (const profile of profiles) {
    for (const [what, method, path] of cases) {
      it(`of profile ${profile}: ${what}`, async () => {
        const before = await ask(port, method === 'GET' ? get(path(profile)) : request(method, path(profile)))
        const client = connect(`http://127.0.0.1:${port}`)
        const answer = await askH2(client, {
          ':method': method,
          ':path': path(profile),
          ':authority': 'gateway.test',
        })
        client.destroy()
        assert.equal(answer.status, statusOf(before))
        assert.equal(plain(answer.body.toString('latin1')), plain(before.body))
        const hop = new Set(['connection', 'keep-alive'])
        const expected = before.lines
          .map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
          .filter((name) => !hop.has(name))
        assert.deepEqual(
          Object.keys(answer.headers)
            .filter((name) => name !== ':status')
            .sort(),
          [...new Set(expected)].sort(),
        )
        assert.equal(answer.headers['content-type'], fieldOf(before, 'content-type') ?? undefined)
      })
    }
  }
})
