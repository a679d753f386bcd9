import assert from 'node:assert/strict'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startManagedGateway } from '../../support/managed-gateway.ts'
import { nativeClient } from './native-client.ts'

const added = `
targets:
  billing: { url: http://127.0.0.1:9 }
proxies:
  billing: { basePath: /billing, target: billing }
`

describe('the configuration over the native API', { timeout: 30_000 }, () => {
  it('is read, tried, and replaced by whoever knows what is there', async () => {
    await using running = await startManagedGateway()
    const native = nativeClient(running)
    const file = join(running.directory, 'postern.yaml')
    await chmod(file, 0o640)
    const before = await native.send('GET /api/config')
    assert.equal(before.text, await readFile(file, 'utf8'))
    assert.equal(before.headers.get('postern-in-force'), 'true')
    const etag = before.headers.get('etag') ?? ''
    const text = `${before.text}${added}# kept as it is\n`

    const tried = await native.send('POST /api/config/validate', text)
    assert.deepEqual(tried.json, { ok: true, problems: [], warnings: [] })
    assert.equal(running.gateway.plan.targets.length, 0)

    const bare = await native.send('PUT /api/config', text)
    assert.deepEqual([bare.status, bare.json.error.code], [428, 'precondition-required'])
    const stale = await native.send('PUT /api/config', text, { headers: { 'if-match': '"another"' } })
    assert.deepEqual([stale.status, stale.json.error.code], [412, 'precondition-failed'])
    assert.equal(await readFile(file, 'utf8'), before.text)

    const { json, headers } = await native.send('PUT /api/config', text, { headers: { 'if-match': etag } })
    assert.deepEqual([json.inForce, json.changed, json.lastRefusal], [true, true, ''])
    assert.equal(headers.get('etag'), json.etag)
    assert.equal(await readFile(file, 'utf8'), text)
    assert.equal((await stat(file)).mode & 0o777, 0o640)
    assert.deepEqual(
      running.gateway.plan.targets.map(({ name }) => name),
      ['billing'],
    )
    const parsed = await native.send('GET /api/config?format=json')
    assert.equal(parsed.json.config.targets.billing.url, 'http://127.0.0.1:9')
    assert.equal(parsed.json.etag, json.etag)
    // The one who read before the change must not undo it.
    const late = await native.send('PUT /api/config', before.text, { headers: { 'if-match': etag } })
    assert.equal(late.status, 412)
  })

  it('what cannot run is refused with its places, and nothing is changed', async () => {
    await using running = await startManagedGateway()
    const native = nativeClient(running)
    const file = join(running.directory, 'postern.yaml')
    const { text, headers } = await native.send('GET /api/config')
    const etag = headers.get('etag') ?? ''
    const bad = `${text}${added.replace('target: billing', 'target: nobody')}`
    const tried = await native.send('POST /api/config/validate', bad)
    assert.equal(tried.json.ok, false)
    const [problem] = tried.json.problems
    assert.equal(problem.path, 'proxies.billing.target')
    assert.ok(problem.line > 1)
    const put = await native.send('PUT /api/config', bad, { headers: { 'if-match': etag } })
    assert.deepEqual(
      [put.status, put.json.error.code, put.json.error.problems[0].path],
      [422, 'config-refused', problem.path],
    )
    const generation = running.gateway.generation
    for (const [body, message] of [
      ['{ listeners: ', 'no YAML'],
      ['', 'empty'],
    ] as const) {
      assert.equal((await native.send('PUT /api/config', body, { headers: { 'if-match': etag } })).status, 422, message)
    }
    assert.equal(await readFile(file, 'utf8'), text)
    assert.equal(running.gateway.generation, generation)
    assert.doesNotMatch(native.heard(), new RegExp(running.directory))
    assert.deepEqual(
      (await readdir(running.directory)).filter((name) => name.startsWith('.')),
      [],
    )
  })

  it('what the workers refuse is put back', async () => {
    await using running = await startManagedGateway()
    const native = nativeClient(running)
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    try {
      const { text, headers } = await native.send('GET /api/config')
      const more = `  - { name: second, address: 127.0.0.1, port: ${(taken.address() as AddressInfo).port} }\nmanagement:`
      const blocked = text.replace('management:', more)
      assert.equal((await native.send('POST /api/config/validate', blocked)).json.ok, true)
      const put = await native.send('PUT /api/config', blocked, { headers: { 'if-match': headers.get('etag') ?? '' } })
      assert.equal(put.status, 422)
      assert.match(put.json.error.message, /did not take it up/)
      assert.equal(await readFile(join(running.directory, 'postern.yaml'), 'utf8'), text)
      assert.equal(running.gateway.lastRefusal, '')
    } finally {
      taken.close()
    }
  })

  it('a file that went bad by other hands is shown as not in force, with what runs beside it', async () => {
    await using running = await startManagedGateway()
    const native = nativeClient(running)
    const good = (await native.send('GET /api/config')).text
    await writeFile(join(running.directory, 'postern.yaml'), 'listeners: 7\n')
    await running.gateway.reload()
    const { json } = await native.send('GET /api/config?format=json')
    assert.deepEqual([json.inForce, json.config], [false, null])
    assert.match(json.lastRefusal, /listeners/)
    assert.equal((await native.send('GET /api/config/last-good')).text, good)
    const mended = await native.send('PUT /api/config', good, { headers: { 'if-match': json.etag } })
    assert.deepEqual([mended.status, mended.json.inForce], [200, true])
  })
})
