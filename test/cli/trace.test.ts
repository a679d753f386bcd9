import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, describe, it } from 'node:test'
import { adminPassword } from '../support/managed-gateway.ts'
import { startSupportRig } from '../support-bundle/rig.ts'
import { runCli, startCli } from './run-cli.ts'

const rig = await startSupportRig(['missing-root', 'ok'])
after(() => rig[Symbol.asyncDispose]())
const env = { POSTERN_USER: 'admin', POSTERN_PASSWORD: adminPassword }
const at = ['trace', '--admin', rig.admin] as const
const origin = `http://127.0.0.1:${rig.running.port}`

describe('postern trace', { timeout: 60_000 }, () => {
  it('waits for the request that fails, tells its story, and finds it again by its id', async () => {
    const { out, code } = await during(['apigee-missing-root', '--failures', '--header', 'x-night=1'], async () => {
      await fetch(`${origin}/apigee/missing-root/other`)
      await fetch(`${origin}/apigee/missing-root/night`, {
        headers: { 'x-night': '1', authorization: 'Basic c2VjcmV0' },
      })
    })
    assert.equal(code, 0)
    assert.match(out, /^myorg-\S+ {2}GET \/apigee\/missing-root\/night -> 503 in .* missing-root \(gateway\)\n/)
    assert.match(out, /\n +served +CN=missing-root\.lab\.test, by CN=Elsewhere Issuing CA/)
    assert.match(out, /\n +verdict +missing-root under snapshot [0-9a-f]{16} after/)
    assert.match(out, /\n.*authorization: \*{5}\n/i)
    assert.doesNotMatch(out, /other|c2VjcmV0/)
    const id = out.slice(0, out.indexOf(' '))
    const again = await runCli([...at, '--request', id], { env })
    assert.deepEqual([again.code, again.out], [0, out])
  })

  it('prints as many as were asked for, as the API has them', async () => {
    const { out, code } = await during(
      ['native-ok', '--count', '2', '--json', '--org', 'myorg', '--env', 'test'],
      async () => {
        for (const path of ['/a', '/b']) await fetch(`${origin}/native/ok${path}`)
      },
    )
    assert.equal(code, 0)
    const lines = out.trim().split('\n')
    const uris = lines.map((line) => (JSON.parse(line) as { transaction: { uri: string } }).transaction.uri)
    assert.deepEqual(uris, ['/native/ok/a', '/native/ok/b'])
  })

  it('ends with 1 where nothing came, nothing was recorded, or there is no such proxy', async () => {
    for (const [args, says] of [
      [['native-ok', '--for', '1'], /the session is over; 0 of 1 requests came/],
      [['--request', 'no-such'], /no debug session has recorded request no-such/],
      [['no-such'], /trace-proxy-unknown: no-such does not run/],
      [['native-ok', '--status', 'soon'], /bad-trace: statuses\.0/],
    ] as const) {
      const { code, err, out } = await runCli([...at, ...args], { env })
      assert.deepEqual([code, out], [1, ''], args.join(' '))
      assert.match(err, says)
    }
  })

  it('says what is wrong with its arguments', async () => {
    for (const [args, says] of [
      [[...at], /name a proxy, or a request/],
      [['trace', 'native-ok'], /--admin is missing/],
      [[...at, 'a', 'b'], /"b" is one word too many/],
      [[...at, 'native-ok', '--header', 'x'], /--header takes NAME=VALUE/],
      [[...at, 'native-ok', '--count', '-1'], /--count/],
      [[...at, 'native-ok', '--count', 'many'], /--count takes a whole number/],
    ] as const) {
      const { code, err } = await runCli(args, { env })
      assert.equal(code, 2, args.join(' '))
      assert.match(err, says)
    }
  })
})

/** Runs the command, and `traffic` once its session has begun. */
async function during(
  args: readonly string[],
  traffic: () => Promise<void>,
): Promise<{ readonly code: number | null; readonly out: string }> {
  const child = startCli([...at, ...args], { env })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  while (!err.includes('waits for requests') && child.exitCode === null) await sleep(20)
  await traffic()
  const code = await ended
  assert.match(err, /^debug session \S+ of \S+ waits for requests until \S+\n$/)
  return { code, out }
}
