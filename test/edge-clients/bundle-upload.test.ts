import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { readZip, writeZip } from '../../src/core/zip.ts'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'

let gateway: ManagedTestGateway

before(async () => {
  gateway = await startManagedGateway()
})

after(async () => {
  await gateway?.[Symbol.asyncDispose]()
})

const authorization = `Basic ${btoa(`admin:${adminPassword}`)}`
const apis = (): string => `http://127.0.0.1:${gateway.gateway.managementPort}/v1/o/acme/apis`

/** A bundle with a resource that cannot be packed. */
const bundle = (resource: Uint8Array): Promise<Buffer> =>
  writeZip([
    ['apiproxy/x.xml', Buffer.from('<APIProxy name="x"/>')],
    ['apiproxy/resources/java/x.jar', resource],
  ])

/** @param length Content-Length, or chunks without it */
function post(body: Buffer, type: string, length: boolean): Promise<number> {
  const headers = {
    authorization,
    'content-type': type,
    ...(length ? { 'content-length': body.length } : {}),
  }
  return new Promise((resolve, reject) => {
    const sent = request(`${apis()}?action=import&name=x`, { method: 'POST', headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    sent.on('error', reject)
    for (let at = 0; at < body.length; at += 65_536) sent.write(body.subarray(at, at + 65_536))
    sent.end()
  })
}

const form = (bytes: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="x.zip"\r\n\r\n'),
    bytes,
    Buffer.from('\r\n--b--\r\n'),
  ])

for (const length of [true, false]) {
  for (const [what, type, wrapped] of [
    ['bytes', 'application/octet-stream', (bytes: Buffer) => bytes],
    ['a form', 'multipart/form-data; boundary=b', form],
  ] as const) {
    test(`a bundle of nearly 15 MB comes as ${what}, ${length ? 'with' : 'without'} Content-Length, and goes out whole`, async () => {
      const resource = randomBytes(14.9 * 1024 * 1024)
      assert.equal(await post(wrapped(await bundle(resource)), type, length), 201)
      const headers = { authorization, accept: 'application/json' }
      const numbers = (await (await fetch(`${apis()}/x/revisions`, { headers })).json()) as string[]
      const url = `${apis()}/x/revisions/${numbers.at(-1)}?format=bundle`
      const answer = await fetch(url, { headers })
      assert.equal(answer.headers.get('content-type'), 'application/octet-stream')
      const files = await readZip(new Uint8Array(await answer.arrayBuffer()))
      assert.ok(files.get('apiproxy/resources/java/x.jar')?.equals(resource))
    })
  }

  test(`a bundle of more than 15 MB is refused with 413, ${length ? 'with' : 'without'} Content-Length`, async () => {
    const bytes = await bundle(randomBytes(15.1 * 1024 * 1024))
    assert.equal(await post(bytes, 'application/octet-stream', length), 413)
  })
}
