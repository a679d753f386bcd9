import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

/* What `npm start` runs: gateway and lab, a route for every profile, and an orderly end. */

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

it('npm start answers on its routes, says what to try, and leaves nothing behind', async () => {
  const child = spawn(process.execPath, [main, 'quickstart', '--port', '0', '--management-port', '0'])
  const exited = once(child, 'exit')
  const scratch = mkdtempSync(join(tmpdir(), 'postern-quickstart-test-'))
  try {
    let guide = ''
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      guide += chunk.toString()
      if (guide.includes('Ctrl-C ends both.')) break
    }
    const origin = /Postern answers on (http:\/\/127\.0\.0\.1:\d+)/.exec(guide)?.[1] ?? ''
    const expected = {
      '/native/ok': 200,
      '/native/missing-root': 502,
      '/apigee/missing-root': 503,
      '/apim/expired': 500,
    }
    for (const [path, status] of Object.entries(expected)) {
      assert.ok(guide.includes(origin))
      assert.equal((await fetch(origin + path)).status, status, path)
    }
    assert.equal((await fetch(`${origin}/orders`)).status, 200)
    const commands = guide.split('\n').filter((line) => line.includes('curl') && line.includes('references/backends'))
    assert.equal(commands.length, 1)
    // As printed, in a shell.
    assert.match(execFileSync('sh', ['-c', `${commands[0] ?? ''} -s`]).toString(), /"refers": "other"/)
    assert.equal((await fetch(`${origin}/orders`)).status, 503, 'the reference leads to another root')
    const [block = ''] = /  export POSTERN_USER=[^]*?verdict"\n/.exec(guide) ?? []
    // As printed, in a shell.
    const seen = execFileSync('sh', ['-c', block], { cwd: scratch }).toString()
    assert.match(seen, /^Request \S+: missing-root\n/)
    assert.match(seen, /\nWritten to postern-support-\S+\.zip: /)
    assert.match(seen, /\n\S+ {2}GET \/native\/missing-root -> 502 in .* missing-root \(gateway\)\n/)
    assert.match(seen, /"measure": ?"requests"/)
    assert.ok(guide.includes('organization myorg, environment test'))
    const metrics = /Metrics: (\S+)/.exec(guide)?.[1] ?? ''
    assert.match(
      await (await fetch(metrics)).text(),
      /postern_requests_total\{proxy="native-ok",code_class="2xx"\} 1\n/,
    )
    const folder = dirname(/Configuration: (\S+)/.exec(guide)?.[1] ?? '/')
    assert.equal(existsSync(folder), true)
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
    assert.equal(existsSync(folder), false)
  } finally {
    child.kill('SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
  }
})
