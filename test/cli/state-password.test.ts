import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openAccess } from '../../src/admin/access/access.ts'
import { ensureAdmin } from '../../src/admin/access/first-admin.ts'
import { readStateKey } from '../../src/state/key.ts'
import { openState } from '../../src/state/open.ts'

/* `postern state password`: for whoever has lost the first one. */

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const POSTERN_STATE_KEY = Buffer.alloc(32, 7).toString('base64')

function run(...args: readonly string[]): Promise<{ code: number | string; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, POSTERN_STATE_KEY }
    execFile(process.execPath, [main, 'state', 'password', ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })
}

it('makes a password that is printed once and logs in; the old one does not', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-password-'))
  try {
    const open = () => openState({ directory, key: readStateKey({ env: { POSTERN_STATE_KEY } }) })
    const store = await open()
    await ensureAdmin(store, { password: 'the-first-password', clock: Date.now })
    assert.equal((await run('--state', directory, '--user', 'admin')).code, 1, 'the state is in use')
    await store.close()
    const unknown = await run('--state', directory, '--user', 'nobody')
    assert.deepEqual([unknown.code, unknown.stderr], [1, 'postern state: there is no user nobody\n'])
    assert.equal((await run('--state', `${directory}/none`, '--user', 'admin')).code, 2)
    const { code, stdout } = await run('--state', directory, '--user', 'admin', '--json')
    assert.equal(code, 0)
    const { password } = JSON.parse(stdout) as { readonly password: string }
    await using again = await open()
    const access = await openAccess({ store: again, clock: Date.now })
    assert.equal((await access.login('admin', password, '::1')).name, 'admin')
    await assert.rejects(access.login('admin', 'the-first-password', '::1'), { code: 'unauthorized' })
    assert.deepEqual(
      (await again.audits({})).map(({ user, uri }) => [user, uri]),
      [['postern', '/api/users/admin']],
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
