import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError, type ApiRoute, json } from '../../src/admin/api.ts'
import { operatorRoutes } from '../../src/admin/operator-routes.ts'
import { createRoot, createLeaf } from '../../src/pki/make.ts'
import { basic, makeUser, readJson, startAdmin } from './support.ts'

const authority = await createRoot({ commonName: 'Root' })
const served = await createLeaf(authority, { names: ['localhost'] })

interface Echo {
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly form: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly length?: number
}

/** Says what it was called with. */
const echo = (method: ApiRoute['method'], path: string, more: Partial<ApiRoute> = {}): ApiRoute => ({
  method,
  path,
  role: 'anyone',
  operation: '',
  async handle(call) {
    return json(200, {
      path,
      params: call.params,
      query: Object.fromEntries(call.query),
      form: Object.fromEntries(await call.form()),
      headers: call.headers,
      length: (await call.body()).length,
    })
  },
  ...more,
})

const routes: readonly ApiRoute[] = [
  echo('GET', '/v1/organizations/:org/environments/:env/keystores/:keystore'),
  echo('GET', '/v1/audits/organizations/:org'),
  echo('GET', '/v1/things/:thing'),
  echo('GET', '/v1/things/all'),
  echo('POST', '/v1/things/:thing', { maxBody: 1000 }),
  echo('PUT', '/v1/things/:thing', { handle: async (call) => json(200, await call.json()) }),
  echo('GET', '/v1/refuses', {
    handle: () => Promise.reject(new ApiError(404, 'a.code', 'a message', { thing: 1 })),
  }),
  echo('GET', '/api/refuses', {
    handle: () => Promise.reject(new ApiError(409, 'a-code', 'a message', { thing: 1 })),
  }),
  echo('GET', '/api/fails', { handle: () => Promise.reject(new Error('the key is s3cret')) }),
  echo('GET', '/api/empty', { handle: async () => json(200, undefined) }),
  echo('GET', '/api/zip', {
    handle: async () => ({ status: 200, bytes: Buffer.from('PK'), type: 'application/octet-stream' }),
  }),
]

test('a path means the same in every spelling that clients use', async () => {
  await using server = await startAdmin(routes)
  const long = '/v1/organizations/acme/environments/test/keystores/a%20b%25'
  for (const path of [
    long,
    '/v1/o/acme/e/test/keystores/a%20b%25',
    '/v1/o/acme/environments/test/keystores/a%20b%25/',
    '//v1///organizations/acme//e/test/keystores//a%20b%25//',
    `http://elsewhere.example${long}`,
  ]) {
    const answer = await raw(server.admin.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 200 /, path)
    assert.deepEqual(JSON.parse(bodyOf(answer)).params, { org: 'acme', env: 'test', keystore: 'a b%' }, path)
  }
  const named = await readJson<Echo>(await fetch(`${server.origin}/v1/o/o/e/e/keystores/o`))
  assert.deepEqual(named.params, { org: 'o', env: 'e', keystore: 'o' }, 'names that look like short spellings stay')
  const audits = await readJson<Echo>(await fetch(`${server.origin}/v1/audits/o/e`))
  assert.deepEqual(audits.params, { org: 'e' })
})

test('a fixed segment wins over a name', async () => {
  await using server = await startAdmin(routes)
  assert.equal((await readJson<Echo>(await fetch(`${server.origin}/v1/things/all`))).path, '/v1/things/all')
  assert.equal((await readJson<Echo>(await fetch(`${server.origin}/v1/things/other`))).path, '/v1/things/:thing')
  const posted = await fetch(`${server.origin}/v1/things/all`, { method: 'POST' })
  assert.equal(
    (await readJson<Echo>(posted)).path,
    '/v1/things/:thing',
    'where the fixed one has no such method, the name has',
  )
})

for (const [what, path] of [
  ['an encoded slash', '/v1/things/a%2Fb'],
  ['an encoded slash, small', '/v1/things/a%2fb'],
  ['an encoded backslash', '/v1/things/a%5Cb'],
  ['a backslash', '/v1/things/a\\b'],
  ['a dot segment', '/v1/x/../things/a'],
  ['an encoded dot segment', '/v1/x/%2E%2e/things/a'],
  ['a half encoded dot segment', '/v1/things/.%2e'],
  ['a NUL', '/v1/things/a%00'],
  ['a line end', '/v1/things/a%0d%0aX'],
  ['an escape that is not UTF-8', '/v1/things/%ff'],
  ['half an escape', '/v1/things/a%2'],
  ['an overlong slash', '/v1/things/%c0%af'],
  ['bytes that are not encoded', '/v1/things/\u00e4'],
  ['a fragment', '/v1/things/a#b'],
] as const) {
  test(`a path with ${what} is refused`, async () => {
    await using server = await startAdmin(routes)
    const answer = await raw(server.admin.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 400 /)
  })
}

test('each segment is decoded once', async () => {
  await using server = await startAdmin(routes)
  const answer = await readJson<Echo>(await fetch(`${server.origin}/v1/things/a%252Fb`))
  assert.deepEqual(answer.params, { thing: 'a%2Fb' })
})

test('an error has the shape of its paths, and headers that keep it from caches and other readings', async () => {
  await using server = await startAdmin(routes)
  const edge = await fetch(`${server.origin}/v1/refuses`)
  assert.equal(edge.status, 404)
  assert.deepEqual(await edge.json(), { code: 'a.code', message: 'a message', contexts: [] })
  assert.equal(edge.headers.get('content-type'), 'application/json')
  assert.equal(edge.headers.get('cache-control'), 'no-store')
  assert.equal(edge.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(edge.headers.get('access-control-allow-origin'), null)
  const native = await fetch(`${server.origin}/api/refuses`)
  assert.equal(native.status, 409)
  assert.deepEqual(await native.json(), { error: { code: 'a-code', message: 'a message', thing: 1 } })
  assert.deepEqual(await (await fetch(`${server.origin}/v1/nothing`)).json(), {
    code: 'not-found',
    message: 'there is nothing at this path',
    contexts: [],
  })
  assert.equal(
    (await readJson<{ error: { code: string } }>(await fetch(`${server.origin}/nothing`))).error.code,
    'not-found',
  )
})

test('an unexpected error tells the client an id, and the log the rest', async () => {
  await using server = await startAdmin(routes)
  const answer = await fetch(`${server.origin}/api/fails`)
  const text = await answer.text()
  assert.equal(answer.status, 500)
  assert.match(text, /[0-9a-f-]{36}/)
  assert.doesNotMatch(text, /s3cret|server\.test|at /)
  assert.deepEqual(server.errors.map(String), ['Error: the key is s3cret'])
})

test('a method that is not there is 405 with those that are; HEAD is there with GET', async () => {
  await using server = await startAdmin(routes)
  for (const method of ['DELETE', 'OPTIONS', 'PROPFIND']) {
    const answer = await fetch(`${server.origin}/v1/things/a`, { method })
    assert.equal(answer.status, 405, method)
    assert.equal(answer.headers.get('allow'), 'GET, HEAD, POST, PUT')
  }
  const got = await fetch(`${server.origin}/api/zip`)
  const head = await fetch(`${server.origin}/api/zip`, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('content-length'), got.headers.get('content-length'))
  assert.equal(await head.text(), '')
})

test('no type of a body and no wish for one is refused (apigee-edge.md 1.3, rules 5 and 10)', async () => {
  await using server = await startAdmin(routes)
  for (const type of ['application/x-www-url-form-encoded', 'text/nonsense', 'application/octet-stream', '']) {
    const headers = { 'content-type': type, accept: 'application/xml' }
    const answer = await fetch(`${server.origin}/v1/things/a`, { method: 'POST', headers })
    assert.equal(answer.status, 200, type)
  }
  const zip = await fetch(`${server.origin}/api/zip`, { headers: { accept: 'application/json' } })
  assert.equal(zip.headers.get('content-type'), 'application/octet-stream')
  const empty = await fetch(`${server.origin}/api/empty`)
  assert.deepEqual([empty.status, await empty.text()], [200, ''])
})

test('parameters come in the query, in a form, or in both', async () => {
  await using server = await startAdmin(routes)
  const answer = await fetch(`${server.origin}/v1/things/a?action=deploy`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: 'override=true&delay=5',
  })
  assert.deepEqual((await readJson<Echo>(answer)).form, { action: 'deploy', override: 'true', delay: '5' })
})

test('JSON that is none is 400 and is not repeated', async () => {
  await using server = await startAdmin(routes)
  const put = (body: string | Uint8Array<ArrayBuffer>) => fetch(`${server.origin}/v1/things/a`, { method: 'PUT', body })
  const answer = await put('{"password": hunter2}')
  const text = await answer.text()
  assert.equal(answer.status, 400)
  assert.match(text, /bad-json/)
  assert.doesNotMatch(text, /hunter2|hunt/)
  assert.equal((await put(new Uint8Array([0xff]))).status, 400)
  assert.deepEqual(await (await put('')).json(), {})
})

test('a route is never told the credentials', async () => {
  await using server = await startAdmin(routes)
  const headers = { authorization: basic('admin'), cookie: 'a=b', 'x-else': 'kept' }
  const answer = await readJson<Echo>(await fetch(`${server.origin}/v1/things/a`, { headers }))
  assert.equal(answer.headers['x-else'], 'kept')
  assert.equal('authorization' in answer.headers || 'cookie' in answer.headers, false)
})

test('a body up to the limit is taken, with a length or in chunks; one byte more is 413', async () => {
  await using server = await startAdmin(routes)
  const post = async (size: number, chunked: boolean) => {
    const bytes = Buffer.alloc(size)
    const body = chunked ? ReadableStream.from([bytes.subarray(0, 10), bytes.subarray(10)]) : bytes
    const answer = await fetch(`${server.origin}/v1/things/a`, { method: 'POST', body, duplex: 'half' })
    return [answer.status, (await readJson<Echo>(answer)).length ?? null]
  }
  for (const chunked of [false, true]) {
    assert.deepEqual(await post(1000, chunked), [200, 1000])
    assert.deepEqual(await post(1001, chunked), [413, null])
  }
})

test('the answer 413 comes before the body was sent, and reaches a client that goes on sending', async () => {
  await using server = await startAdmin(routes)
  const head = 'POST /v1/things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n'
  const socket = connect(server.admin.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(head)
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.match(first.toString(), /^HTTP\/1\.1 413 /)
  assert.match(first.toString(), /connection: close/i)
  socket.destroy()
  const errors: Error[] = []
  const sender = connect(server.admin.port, '127.0.0.1')
  sender.on('error', (error) => errors.push(error))
  const answer = whole(sender)
  sender.write(head)
  for (let sent = 0; sent < 10; sent++) {
    sender.write(Buffer.alloc(100_000))
    await sleep(30)
  }
  assert.deepEqual([errors, sender.readableEnded], [[], false], 'no connection is closed while its client sends')
  sender.end()
  assert.match(await answer, /^HTTP\/1\.1 413 /)
})

test('a client that asks whether to go on is told so after it is known who it is', async () => {
  await using server = await startAdmin([echo('POST', '/v1/private', { role: 'viewer' })])
  await makeUser(server.services, 'ann', { '*': 'viewer' })
  const ask = (authorization: string) =>
    `POST /v1/private HTTP/1.1\r\nHost: x\r\n${authorization}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`
  const stranger = await raw(server.admin.port, ask(''))
  assert.match(stranger, /^HTTP\/1\.1 401 /)
  const socket = connect(server.admin.port, '127.0.0.1')
  socket.write(ask(`Authorization: ${basic('ann')}\r\nConnection: close\r\n`))
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.match(first.toString(), /^HTTP\/1\.1 100 /)
  socket.write('ok')
  assert.match(await whole(socket), /HTTP\/1\.1 200 /)
})

test('clients that go in the middle of a request or of an answer harm nobody', async () => {
  await using server = await startAdmin([
    ...routes,
    echo('GET', '/api/large', { handle: async () => json(200, 'x'.repeat(20_000_000)) }),
  ])
  for (const text of [
    'POST /v1/things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc',
    'POST /v1/things/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab',
    'GET /api/large HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /v1/thi',
  ]) {
    const socket = connect(server.admin.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(text)
    await sleep(20)
    socket.resetAndDestroy()
  }
  assert.equal((await fetch(`${server.origin}/v1/things/a`)).status, 200)
  assert.deepEqual(server.errors, [])
})

test('requests that leave their length ambiguous are refused', async () => {
  await using server = await startAdmin(routes)
  for (const fields of [
    'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n',
    'Content-Length: 3\r\nContent-Length: 4\r\n',
    'Transfer-Encoding: gzip\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Content-Length: +3\r\n',
    'Content-Length : 3\r\n',
  ]) {
    const answer = await raw(server.admin.port, `POST /v1/things/a HTTP/1.1\r\nHost: x\r\n${fields}\r\nabc`)
    assert.match(answer, /^HTTP\/1\.1 400 /, fields)
  }
})

test('heads and bodies that come too slowly or are too large end with an answer', async () => {
  await using server = await startAdmin(routes, { limits: { head: 300, request: 600, keepAlive: 300 } })
  const { port } = server.admin
  assert.match(await raw(port, 'GET /v1/things/a HTTP/1.1\r\nHost: x\r\n'), /^HTTP\/1\.1 408 /)
  assert.match(
    await raw(port, 'POST /v1/things/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na'),
    /^HTTP\/1\.1 408 |^$/,
  )
  assert.match(
    await raw(port, `GET /v1/things/a HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  )
  assert.match(await raw(port, `GET /v1/${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 431 /)
  assert.match(await raw(port, 'GET /v1/things/a HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)
  assert.match(await raw(port, '\x16\x03\x01\x00\x05hello\r\n\r\n'), /^HTTP\/1\.1 400 |^$/)
})

test('bodies have less time where nobody is asked who he is, and more where they are large', async () => {
  const limits = { head: 300, strangerBody: 100, body: 600, request: 1_500 }
  const open = echo('POST', '/v1/open')
  const own = echo('POST', '/v1/own', { role: 'viewer', maxBody: 4_000_000 })
  await using server = await startAdmin([open, own], { limits })
  await makeUser(server.services, 'ann', { '*': 'viewer' })
  const { port } = server.admin
  // What the password costs is not counted.
  assert.equal((await ask(server.origin, basic('ann'))).status, 404)
  const sent = async (path: string, length: number): Promise<readonly [answer: string, ms: number]> => {
    const started = performance.now()
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('ann')}\r\nContent-Length: ${length}\r\n\r\na`
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(head)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return [answer.toString().slice(0, 12), performance.now() - started]
  }
  const [[stranger, first], [small, second], [large, third]] = await Promise.all([
    sent('/v1/open', 5),
    sent('/v1/own', 5),
    sent('/v1/own', 2_000_000),
  ])
  assert.deepEqual([stranger, small, large], Array(3).fill('HTTP/1.1 408'))
  assert.ok(first + 150 < second && second + 250 < third, `${first}, ${second} and ${third} ms`)
  const most = (size: number) => fetch(`${server.origin}/v1/open`, { method: 'POST', body: Buffer.alloc(size) })
  assert.equal((await most(16 * 1024)).status, 200)
  assert.equal((await most(16 * 1024 + 1)).status, 413)
})

const ask = (origin: string, authorization: string) => fetch(`${origin}/v1/nothing`, { headers: { authorization } })

test('a second Host field is refused, whatever it says', async () => {
  await using server = await startAdmin(routes)
  for (const [fields, status] of [
    ['Host: x\r\n', 200],
    ['Host: x\r\nHost: x\r\n', 400],
    ['Host: x\r\nhOST: y\r\n', 400],
  ] as const) {
    const answer = await raw(server.admin.port, `GET /v1/things/a HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`)
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${fields}: ${answer.slice(0, 40)}`)
  }
})

for (const tls of [undefined, { cert: served.chainPem, key: served.keyPem, minVersion: 'TLSv1.2' as const }]) {
  test(`connections of strangers from one address are bounded, of users not: ${tls ? 'TLS' : 'plain'}`, async () => {
    const own = echo('GET', '/v1/own', { role: 'user' })
    await using server = await startAdmin([...routes, own], {
      limits: { strangersHere: 3 },
      ...(tls === undefined ? {} : { tls }),
    })
    await makeUser(server.services, 'ann', {})
    const { port } = server.admin
    const opened: Socket[] = []
    const open = async (): Promise<'open' | 'closed'> => {
      const socket =
        tls === undefined
          ? connect(port, '127.0.0.1')
          : tlsConnect({ port, host: '127.0.0.1', ca: authority.certificatePem, servername: 'localhost' })
      opened.push(socket)
      const closed = new Promise<'closed'>((resolve) => {
        for (const end of ['close', 'error'] as const) socket.on(end, () => resolve('closed'))
      })
      await Promise.race([once(socket, tls === undefined ? 'connect' : 'secureConnect').catch(() => {}), closed])
      return Promise.race([closed, sleep(60, 'open' as const)])
    }
    const get = async (socket: Socket, path: string, authorization = ''): Promise<string> => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization}\r\n`)
      return String(((await once(socket, 'data')) as [Buffer])[0]).slice(0, 12)
    }
    try {
      for (let at = 0; at < 3; at++) assert.equal(await open(), 'open')
      assert.equal(await get(opened[0] as Socket, '/v1/things/a'), 'HTTP/1.1 200', 'this is open to strangers')
      assert.equal(await open(), 'closed')
      assert.equal(
        await get(opened[1] as Socket, '/v1/own', `Authorization: ${basic('ann', 'wrong')}\r\n`),
        'HTTP/1.1 401',
      )
      assert.equal(await open(), 'closed')
      assert.equal(await get(opened[1] as Socket, '/v1/own', `Authorization: ${basic('ann')}\r\n`), 'HTTP/1.1 200')
      assert.equal(await open(), 'open', 'that one is counted no more')
      assert.equal(await open(), 'closed')
      opened[2]?.destroy()
      await sleep(60)
      assert.equal(await open(), 'open', 'that one is gone')
      opened[1]?.destroy()
      await sleep(60)
      assert.equal(await open(), 'closed', 'that one was not counted')
    } finally {
      for (const socket of opened) socket.destroy()
    }
  })

  test(`a connection over which nothing has come is not waited for at the end: ${tls ? 'TLS' : 'plain'}`, async () => {
    const gate = Promise.withResolvers<void>()
    const slow = echo('GET', '/api/slow', { handle: () => gate.promise.then(() => json(200, {})) })
    await using server = await startAdmin([slow], tls === undefined ? {} : { tls })
    const { port } = server.admin
    const silent = connect(port, '127.0.0.1')
    silent.on('error', () => {})
    const gone = once(silent, 'close')
    const under =
      tls === undefined
        ? connect(port, '127.0.0.1')
        : tlsConnect({ port, host: '127.0.0.1', ca: authority.certificatePem, servername: 'localhost' })
    await once(under, tls === undefined ? 'connect' : 'secureConnect')
    const answer = whole(under)
    under.write('GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n')
    await sleep(60)
    const closing = server.admin.close(60_000)
    await gone
    gate.resolve()
    assert.match(await answer, /^HTTP\/1\.1 200 /, 'a request under way is')
    await closing
  })
}

test('connections, requests under way and bytes of bodies have an end', async () => {
  const gate = Promise.withResolvers<void>()
  const slow = echo('GET', '/api/slow', { handle: () => gate.promise.then(() => json(200, {})) })
  await using server = await startAdmin([...routes, slow], {
    limits: { requests: 2, connections: 6, bodyBytes: 900 },
  })
  const one = Buffer.alloc(901)
  assert.equal((await fetch(`${server.origin}/v1/things/a`, { method: 'POST', body: one })).status, 503)
  for (let i = 0; i < 5; i++) {
    const body = Buffer.alloc(800)
    assert.equal((await fetch(`${server.origin}/v1/things/a`, { method: 'POST', body })).status, 200, 'given back')
  }
  const held = [fetch(`${server.origin}/api/slow`), fetch(`${server.origin}/api/slow`)]
  await sleep(50)
  const third = await fetch(`${server.origin}/v1/things/a`)
  assert.deepEqual([third.status, third.headers.get('retry-after')], [503, '1'])
  gate.resolve()
  for (const answer of await Promise.all(held)) assert.equal(answer.status, 200)
  const sockets = Array.from({ length: 12 }, () => connect(server.admin.port, '127.0.0.1'))
  const closed = sockets.map((socket) => {
    socket.on('error', () => {})
    return once(socket, 'close')
  })
  await Promise.race(closed)
  for (const socket of sockets) socket.destroy()
})

test('a page of another site changes nothing; programs and the own page do', async () => {
  await using server = await startAdmin(routes)
  const post = async (headers: Record<string, string>) => {
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `POST /v1/things/a HTTP/1.1\r\nHost: gw.example:8\r\n${fields.join('')}Connection: close\r\nContent-Length: 0\r\n\r\n`
    return Number((await raw(server.admin.port, head)).slice(9, 12))
  }
  for (const headers of [
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'cross-site', Origin: 'http://gw.example:8' },
    { Origin: 'http://evil.example' },
    { Origin: 'http://gw.example:9' },
    { Origin: 'null' },
    { Origin: 'file://' },
  ]) {
    assert.equal(await post(headers), 403, JSON.stringify(headers))
  }
  for (const headers of [
    {},
    { 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'none' },
    { Origin: 'http://gw.example:8' },
  ]) {
    assert.equal(await post(headers), 200, JSON.stringify(headers))
  }
  const read = await fetch(`${server.origin}/v1/things/a`, { headers: { 'sec-fetch-site': 'cross-site' } })
  assert.equal(read.status, 200, 'reading needs no such care: no other origin is shown the answer')
})

test('a stream flows, ends with its client, with its rights and with the server', { timeout: 8_000 }, async () => {
  let live = 0
  const stream = echo('GET', '/api/events', {
    role: 'viewer',
    async handle() {
      live++
      let timer: NodeJS.Timeout
      const source = new ReadableStream<Uint8Array>({
        start: (controller) => {
          timer = setInterval(() => controller.enqueue(Buffer.from('data: x\n\n')), 5)
        },
        cancel: () => {
          clearInterval(timer)
          live--
        },
      })
      return { status: 200, stream: source, type: 'text/event-stream' }
    },
  })
  await using server = await startAdmin([stream], { limits: { streamCheck: 30, keepAlive: 60_000 } })
  await makeUser(server.services, 'ann', { '*': 'viewer' })
  const open = async () => {
    const headers = { authorization: basic('ann') }
    const answer = await fetch(`${server.origin}/api/events`, { headers })
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
    assert.match(Buffer.from((await reader.read()).value as Uint8Array).toString(), /data: x/)
    return reader
  }
  const ends = async (reader: ReadableStreamDefaultReader<Uint8Array>) => {
    for (;;) if ((await reader.read()).done) return
  }
  await (await open()).cancel()
  await until(() => live === 0)
  const second = await open()
  await server.services.change({ principal: { user: '', roles: {}, via: 'anyone', from: '' } }, (tx) =>
    tx.delete('user', '', 'ann'),
  )
  await ends(second)
  await until(() => live === 0)
  await makeUser(server.services, 'ann', { '*': 'viewer' })
  const third = await open()
  await Promise.all([server.admin.close(60_000), ends(third)])
  await until(() => live === 0)
})

test('over TLS from the version that was asked for, with a certificate that can be replaced', async () => {
  const ca = await createRoot({ commonName: 'Admin CA' })
  const leaf = () => createLeaf(ca, { commonName: 'gw', names: ['localhost'] })
  const [one, two] = [await leaf(), await leaf()]
  const tls = (of: typeof one) => ({ cert: of.chainPem, key: of.keyPem, minVersion: 'TLSv1.3' as const })
  await using server = await startAdmin(routes, { tls: tls(one) })
  const seen = (options: object = {}) =>
    new Promise<Buffer>((resolve, reject) => {
      const port = server.admin.port
      const request = httpsRequest({
        host: 'localhost',
        port,
        path: '/v1/things/a',
        ca: ca.certificatePem,
        agent: false,
        ...options,
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const { raw: certificate } = (response.socket as TLSSocket).getPeerCertificate()
        response.resume().on('end', () => resolve(certificate))
      })
      request.end()
    })
  assert.deepEqual(await seen(), one.certificate)
  await assert.rejects(seen({ maxVersion: 'TLSv1.2' }))
  server.admin.setTls(tls(two))
  assert.deepEqual(await seen(), two.certificate)
  const plain = await raw(server.admin.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.doesNotMatch(plain, /HTTP\/1\.1 200/)
})

test('probes and metrics are for anyone, state and inventory for viewers', async () => {
  const gateway = { ready: true, metricsText: () => 'm 1\n', status: () => ({ s: 1 }), inventory: () => ({ i: 1 }) }
  await using server = await startAdmin(operatorRoutes(gateway))
  await makeUser(server.services, 'ann', { '*': 'viewer' })
  await makeUser(server.services, 'bob', { acme: 'admin' })
  const statuses = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization }
    const all: number[] = []
    for (const path of ['/metrics', '/healthz', '/readyz', '/status', '/inventory']) {
      all.push((await fetch(`${server.origin}${path}`, { headers })).status)
    }
    return all
  }
  assert.deepEqual(await statuses(), [200, 200, 200, 401, 401])
  assert.deepEqual(await statuses(basic('bob')), [200, 200, 200, 403, 403])
  assert.deepEqual(await statuses(basic('ann')), [200, 200, 200, 200, 200])
  gateway.ready = false
  assert.equal((await fetch(`${server.origin}/readyz`)).status, 503)
})

test('an address that is taken is said, with the place', async () => {
  await using server = await startAdmin(routes)
  const { openAdmin } = await import('../../src/admin/server.ts')
  const { access, services } = server
  await assert.rejects(
    openAdmin({ address: '127.0.0.1', port: server.admin.port, routes, access, services, onError: () => {} }),
    { code: 'management-failed' },
  )
})

async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(text, 'latin1')
  return whole(socket)
}

async function whole(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'close')
  return text
}

const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}
