import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { labConfig } from '../../src/lab/gateway-config.ts'
import { startLab } from '../../src/lab/lab.ts'
import { get } from './lab-gateway.ts'

/** tls-on-node section 0.10: the variable acts wherever `rejectUnauthorized` is left to its default. */
it('NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment changes nothing', async () => {
  const scenarios = ['ok', 'missing-root', 'self-signed', 'expired', 'name-mismatch'] as const
  await using lab = await startLab({ scenarios })
  const directory = await mkdtemp(join(tmpdir(), 'postern-env-'))
  await writeFile(join(directory, 'ca.pem'), lab.trust.bundlePem)
  await writeFile(
    join(directory, 'postern.yaml'),
    labConfig(lab, { port: 0, managementPort: null, trustFile: './ca.pem', logs: [{ format: 'native' }] }),
  )
  const gateway = spawn(process.execPath, [main, 'serve', '-c', join(directory, 'postern.yaml'), '--workers', '1'], {
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    const port = await portOf(gateway)
    assert.equal((await get(port, '/native/ok/')).status, 200)
    for (const scenario of scenarios.slice(1)) {
      const answer = await get(port, `/native/${scenario}/`)
      assert.equal(answer.status, 502, scenario)
      await lab.settled(scenario)
      assert.equal(lab.counters(scenario).requestBytes, 0, scenario)
    }
  } finally {
    gateway.kill('SIGTERM')
    if (gateway.exitCode === null) await once(gateway, 'exit')
    await rm(directory, { recursive: true, force: true })
  }
})

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** The port that the child says it listens on. */
async function portOf(child: ChildProcess): Promise<number> {
  assert.ok(child.stdout)
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; port?: number }
    if (event.type === 'listening' && event.port !== undefined) {
      child.stdout.resume()
      return event.port
    }
  }
  throw new Error('the gateway ended before it listened')
}
