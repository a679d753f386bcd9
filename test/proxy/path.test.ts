import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, request, statusOf } from './peer.ts'

/* Paths and queries reach the backend byte for byte; what the configuration changes is the base path and nothing else. */

const backend = await startBackend(() => ok())
const url = `http://127.0.0.1:${backend.port}`
const gateway = await startTestGateway({
  targets: { root: { url }, deep: { url: `${url}/v2/api` } },
  proxies: {
    plain: { basePath: '/plain', target: 'root' },
    deep: { basePath: '/deep', target: 'deep' },
    kept: { basePath: '/kept', target: 'root', path: 'keep' },
    keptDeep: { basePath: '/kept-deep', target: 'deep', path: 'keep' },
    keepHost: { basePath: '/keep-host', target: 'root', host: 'keep' },
    everything: { basePath: '/', target: 'root' },
    everythingDeep: { hosts: ['deep.test'], basePath: '/', target: 'deep' },
  },
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

async function lineSeen(text: string): Promise<string> {
  assert.equal(statusOf(await ask(port, text)), 200)
  return backend.requests.at(-1)?.start ?? ''
}

describe('the request line the backend sees', () => {
  const cases: readonly (readonly [what: string, asked: string, seen: string])[] = [
    ['the base path is replaced by the root', '/plain/x', '/x'],
    ['an empty suffix becomes the root', '/plain', '/'],
    ['an empty suffix with a query', '/plain?a=1', '/?a=1'],
    ['a trailing slash stays', '/plain/', '/'],
    ['a trailing question mark stays', '/plain/x?', '/x?'],
    ['several question marks', '/plain/x??a?b', '/x??a?b'],
    ['percent-encodings are not decoded', '/plain/%41%2f%2F%20%zz%', '/%41%2f%2F%20%zz%'],
    ['percent-encodings of the query', '/plain/x?q=%2541&r=%', '/x?q=%2541&r=%'],
    ['case is kept', '/plain/AbC%aF', '/AbC%aF'],
    ['double slashes stay', '/plain//a//b/', '//a//b/'],
    ['path parameters stay', '/plain/a;v=1;w/b;x', '/a;v=1;w/b;x'],
    ['inner dot segments stay', '/plain/a/../b/./c', '/a/../b/./c'],
    ['a path in the query is none', '/plain/x?/plain/../../y', '/x?/plain/../../y'],
    ['sub-delimiters and marks', "/plain/!$&'()*+,=:@-._~", "/!$&'()*+,=:@-._~"],
    ['a fragment mark in the query of a target path', '/deep?x', '/v2/api?x'],
    ['the target path goes before the suffix', '/deep/x/y?z', '/v2/api/x/y?z'],
    ['the target path alone', '/deep', '/v2/api'],
    ['the target path and a trailing slash', '/deep/', '/v2/api/'],
    ['a kept base path', '/kept/x?y', '/kept/x?y'],
    ['a kept base path alone', '/kept', '/kept'],
    ['a kept base path after a target path', '/kept-deep/x', '/v2/api/kept-deep/x'],
    ['a longer word is another path', '/plainer', '/plainer'],
    ['the base path in another case is another path', '/Plain/x', '/Plain/x'],
    ['an encoded base path is another path', '/%70lain/x', '/%70lain/x'],
  ]
  for (const [what, asked, seen] of cases) {
    it(`${what}: ${asked}`, async () => {
      assert.equal(await lineSeen(get(asked)), `GET ${seen} HTTP/1.1`)
    })
  }

  it('the root proxy forwards everything as it is, after the target path where there is one', async () => {
    assert.equal(await lineSeen(get('/')), 'GET / HTTP/1.1')
    assert.equal(await lineSeen('GET /a?b HTTP/1.1\r\nHost: deep.test\r\n\r\n'), 'GET /v2/api/a?b HTTP/1.1')
    assert.equal(await lineSeen('GET / HTTP/1.1\r\nHost: deep.test\r\n\r\n'), 'GET /v2/api/ HTTP/1.1')
  })

  it('of an absolute target the path and query', async () => {
    assert.equal(
      await lineSeen('GET http://gateway.test/plain/x?y HTTP/1.1\r\nHost: gateway.test\r\n\r\n'),
      'GET /x?y HTTP/1.1',
    )
    assert.equal(await lineSeen('GET http://gateway.test HTTP/1.1\r\nHost: gateway.test\r\n\r\n'), 'GET / HTTP/1.1')
    assert.equal(await lineSeen('GET http://gateway.test?q HTTP/1.1\r\nHost: gateway.test\r\n\r\n'), 'GET /?q HTTP/1.1')
  })

  it('OPTIONS * stays what it is, whatever the target path', async () => {
    assert.equal(await lineSeen(request('OPTIONS', '*')), 'OPTIONS * HTTP/1.1')
    assert.equal(await lineSeen('OPTIONS * HTTP/1.1\r\nHost: deep.test\r\n\r\n'), 'OPTIONS * HTTP/1.1')
  })

  for (const method of [
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'PATCH',
    'OPTIONS',
    'TRACE',
    'PROPFIND',
    "X!#$%&'*+-.^_`|~9",
    'get',
  ]) {
    it(`the method ${method}`, async () => {
      assert.equal(await lineSeen(request(method, '/plain/m')), `${method} /m HTTP/1.1`)
    })
  }

  it('dot segments that lead out of the base path are refused, and the backend sees nothing', async () => {
    const before = backend.requests.length
    for (const path of ['/plain/../x', '/plain/a/../../x', '/plain/%2e%2e/x', '/plain/..%2fx', '/plain/..;a/x']) {
      assert.equal(statusOf(await ask(port, get(path))), 400, path)
    }
    assert.equal(backend.requests.length, before)
  })
})

describe('the Host the backend sees', () => {
  it("is the target's", async () => {
    await ask(port, get('/plain/x'))
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'host'), `127.0.0.1:${backend.port}`)
  })
  it("is the client's where the proxy keeps it, as it was written", async () => {
    await ask(port, 'GET /keep-host/x HTTP/1.1\r\nHost: GateWay.test:81\r\n\r\n')
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'host'), 'GateWay.test:81')
  })
  it("is the target's where a client of HTTP/1.0 sent none", async () => {
    await ask(port, 'GET /keep-host/x HTTP/1.0\r\n\r\n')
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'host'), `127.0.0.1:${backend.port}`)
  })
  it('is the authority of an absolute target', async () => {
    await ask(port, 'GET http://abs.test:8/keep-host/x HTTP/1.1\r\nHost: abs.test:8\r\n\r\n')
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'host'), 'abs.test:8')
  })
})
