import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { serveCommand } from '../../src/cli/serve.ts'
import { runCli, startCli } from './run-cli.ts'

const directory = mkdtempSync(join(tmpdir(), 'postern-serve-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const configFile = join(directory, 'postern.yaml')
writeFileSync(
  configFile,
  `listeners: [{ name: http, address: 127.0.0.1, port: 0 }]
management: { address: 127.0.0.1, port: 0 }
`,
)
const key = join(directory, 'key')
writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 })
const state = join(directory, 'state')
const args = ['serve', '-c', configFile, '--workers', '1', '--state', state]

/** Until it listens; what it said on stderr by its end. */
async function served(env: Readonly<Record<string, string>>): Promise<string> {
  const child = startCli([...args, '--state-key', key], { env })
  let out = ''
  let err = ''
  const ended = new Promise((resolve) => child.once('close', resolve))
  const look = (): void => void (out.includes('"management"') && child.kill('SIGTERM'))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  await ended
  assert.match(out, /"listening".*"management"/)
  return err
}

test('POSTERN_ADMIN_PASSWORD: too short, it is named and no state is made; with users there, it is ignored and that is said', async () => {
  const short = await runCli([...args, '--state-key', key], { env: { POSTERN_ADMIN_PASSWORD: 'x' } })
  assert.notEqual(short.code, 0)
  assert.match(short.err, /POSTERN_ADMIN_PASSWORD: a password has 8 to 1024 characters/)
  assert.equal(existsSync(state), false)
  assert.equal(await served({ POSTERN_ADMIN_PASSWORD: 'long enough' }), '')
  assert.match(await served({ POSTERN_ADMIN_PASSWORD: 'x' }), /POSTERN_ADMIN_PASSWORD is ignored: the state has users/)
  const keyless = serveCommand(args.slice(1), { stdout() {}, stderr() {} }, AbortSignal.abort())
  await assert.rejects(keyless, { code: 'state-key-missing', message: /the key with id [0-9a-f]{16}, and a new one/ })
})
