import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rolloverCommand } from '../../../src/cli/rollover.ts'
import { createLeaf, createRoot } from '../../../src/pki/make.ts'
import { oneTarget } from '../../support/admin-client.ts'
import { adminPassword, startManagedGateway } from '../../support/managed-gateway.ts'
import { startTlsBackend } from '../../support/tls-backend.ts'

const root = await createRoot({ commonName: 'Root' })
const other = await createRoot({ commonName: 'Other' })
const leaf = await createLeaf(root, { names: ['127.0.0.1'] })

async function rollover(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const io = { stdout: (text: string) => void (out += text), stderr: (text: string) => void (err += text) }
  const code = await rolloverCommand(args, io, new AbortController().signal)
  return { code, out, err }
}

describe('postern rollover', { timeout: 30_000 }, () => {
  it('does each step with what the environment holds, and its status says what stands against the next', async (context) => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using running = await startManagedGateway()
    const { api } = running
    for (const store of ['old', 'copy', 'bad']) await api.keystore(store)
    await api.alias('old', 'root', root.certificatePem)
    await api.alias('copy', 'root', root.certificatePem)
    await api.alias('bad', 'root', other.certificatePem)
    await api.reference('trust', 'old')
    const inside = `<URL>https://127.0.0.1:${backend.port}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>ref://trust</TrustStore></SSLInfo>`
    await api.importBundle('orders', oneTarget('orders', inside))
    await api.deploy('orders', 1)
    const place = ['--admin', `http://127.0.0.1:${running.gateway.managementPort}`, '--org', 'acme', '--env', 'test']
    const bare = await rollover('show', ...place)
    assert.deepEqual(
      [bare.code, bare.err.split('\n')[0]],
      [2, 'postern rollover show: set POSTERN_TOKEN, or POSTERN_USER and POSTERN_PASSWORD'],
    )
    context.after(() => {
      delete process.env['POSTERN_USER']
      delete process.env['POSTERN_PASSWORD']
    })
    process.env['POSTERN_USER'] = 'admin'
    process.env['POSTERN_PASSWORD'] = adminPassword

    const bad = await rollover('begin', ...place, '--reference', 'trust', '--to', 'bad', '--json')
    assert.equal(bad.code, 1)
    const { id: first } = JSON.parse(bad.out) as { id: string }
    const blocked = await rollover('switch', ...place, first)
    assert.equal(blocked.code, 1)
    assert.match(blocked.err, /rollover-not-proved: not switched: 0 of 1 servers verify/)
    const shown = await rollover('show', ...place, first)
    assert.match(shown.out, /  NO  acme.*: missing-root: /)
    const check = `postern rollover check ${place.join(' ')} ${first}`
    assert.ok(shown.out.includes(`    ${check}\n`), shown.out)
    // As printed, but for the program's name.
    const again = await rollover(...check.split(' ').slice(2))
    assert.deepEqual([again.code, again.out], [1, shown.out])
    assert.ok(
      shown.out.includes(`    postern rollover switch ${place.join(' ')} ${first} --force --reason '`),
      shown.out,
    )
    assert.equal((await rollover('cancel', ...place, first)).code, 0)

    const begun = await rollover('begin', ...place, '--reference', 'trust', '--to', 'copy')
    assert.equal(begun.code, 0, begun.err)
    assert.match(
      begun.out,
      /trust: old -> copy {2}prepared\n {2}used by api-deployment orders\/1 \(default\)\n {2}ok {2}acme/,
    )
    const id = begun.out.split(' ')[0] ?? ''
    for (const step of ['switch', 'prove', 'show', 'finish']) {
      const done = await rollover(step, ...place, id)
      assert.equal(done.code, 0, `${step}: ${done.err}`)
      if (step === 'finish') assert.match(done.out, /\n {2}finished; old is deleted\n/)
    }
    const all = await rollover('show', ...place)
    assert.match(all.out, /copy {2}finished, 1 of 1 servers trusted/)
    assert.equal((await rollover('finish', ...place, id)).code, 1)
    process.env['POSTERN_PASSWORD'] = 'wrong'
    assert.equal((await rollover('show', ...place)).code, 2)
  })

  it('a server of an empty store, and one that does not answer, have a reason each', async (context) => {
    await using running = await startManagedGateway()
    const { api } = running
    for (const store of ['old', 'copy', 'empty']) await api.keystore(store)
    for (const store of ['old', 'copy']) await api.alias(store, 'root', root.certificatePem)
    await api.reference('trust', 'old')
    const inside = `<URL>https://127.0.0.1:1</URL><SSLInfo><Enabled>true</Enabled><TrustStore>ref://trust</TrustStore></SSLInfo>`
    await api.importBundle('orders', oneTarget('orders', inside))
    await api.deploy('orders', 1)
    context.after(() => {
      delete process.env['POSTERN_USER']
      delete process.env['POSTERN_PASSWORD']
    })
    process.env['POSTERN_USER'] = 'admin'
    process.env['POSTERN_PASSWORD'] = adminPassword
    const place = ['--admin', `http://127.0.0.1:${running.gateway.managementPort}`, '--org', 'acme', '--env', 'test']
    for (const [to, seenNow, seenLater] of [
      ['copy', /NO {2}acme\S+ \(\S+\): connection-refused: /, /: no chain of it has been seen: check asks it/],
      ['empty', /NO {2}acme\S+ \(\S+\): connection-refused: /, /: no chain of it has been seen: check asks it/],
    ] as const) {
      const { code, out } = await rollover('begin', ...place, '--reference', 'trust', '--to', to)
      assert.equal(code, 1)
      assert.match(out, seenNow)
      const id = out.split(' ')[0] ?? ''
      assert.match((await rollover('show', ...place, id)).out, seenLater)
      assert.equal((await rollover('cancel', ...place, id)).code, 0)
    }
  })

  it('names the port that guides use', async () => {
    assert.match((await rollover('--help')).out, /127\.0\.0\.1:8090/)
  })

  it('says what is wrong with the words, and where nobody answers', async () => {
    const cases = [
      [['begin'], /--admin is missing/],
      [['show', '--admin', 'ftp://x', '--org', 'a', '--env', 'b', '--token-env', 'PATH'], /no http or https URL/],
      [['show', '--admin', 'http://u:p@x', '--org', 'a', '--env', 'b', '--token-env', 'PATH'], /credentials in it/],
      [['show', '--admin', 'http://127.0.0.1:1', '--org', 'a', '--env', 'b', '--token-env', 'PATH'], /127\.0\.0\.1:1/],
      [
        ['jump', '--admin', 'http://127.0.0.1:1', '--org', 'a', '--env', 'b', '--token-env', 'PATH', 'x'],
        /no command "jump"/,
      ],
    ] as const
    for (const [args, message] of cases) {
      const { code, err } = await rollover(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, message)
    }
  })
})
