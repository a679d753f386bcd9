import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerHttp2Stream } from 'node:http2'
import { request } from 'undici'
import { createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestConfig } from '../support/gateway.ts'
import { backendName, root, startH2Backend } from './h2-backend.ts'

/* One HTTP/2 connection carries the requests of everybody, and still never outlives its trust (I2). */

const other = await createRoot({ commonName: 'Another CA' })

function config(port: number, onTrustChange: string, drain: string): TestConfig {
  return {
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      b: {
        url: `https://127.0.0.1:${port}`,
        tls: { trust: ['test'], serverName: backendName, alpn: ['h2'], onTrustChange },
      },
    },
    proxies: { b: { basePath: '/', target: 'b' } },
    drain: { timeout: drain },
  }
}

describe('an HTTP/2 connection whose trust is withdrawn', () => {
  for (const [mode, drain, outcome] of [
    ['drain', '20s', 'lets the request that is under way end'],
    ['drain', '200ms', 'ends with it when it takes longer than the drain'],
    ['cut', '20s', 'ends at once'],
  ] as const) {
    it(`takes no further request and, with \`${mode}\` and ${drain}, ${outcome}`, async () => {
      const streams: ServerHttp2Stream[] = []
      await using backend = await startH2Backend((stream, headers) => {
        streams.push(stream)
        stream.respond({ ':status': 200 })
        if (headers[':path'] === '/long') stream.write('begun')
        else stream.end('ok')
      })
      const settings = config(backend.port, mode, drain)
      await using gateway = await startTestGateway(settings, { files: { 'ca.pem': root.certificatePem } })
      const long = await request(`${gateway.origin}/long`)
      const chunks = long.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
      assert.equal(String((await chunks.next()).value), 'begun')
      assert.equal((await request(gateway.origin)).statusCode, 200)
      assert.equal(backend.sessions.length, 1)

      await writeFile(join(gateway.directory, 'ca.pem'), other.certificatePem)
      await gateway.gateway.reload()
      const refused = await request(gateway.origin)
      await refused.body.dump()
      assert.equal(refused.statusCode, 502)
      assert.equal(streams.length, 2, 'nothing of it reached the backend')

      if (mode === 'drain' && drain === '20s') {
        streams[0]?.end(' ended')
        assert.equal(String((await chunks.next()).value), ' ended')
        assert.equal((await chunks.next()).done, true)
      } else {
        await assert.rejects(async () => {
          while ((await chunks.next()).done !== true);
        })
      }
    })
  }
})
