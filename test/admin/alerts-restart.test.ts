import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readStateKey } from '../../src/state/key.ts'
import { openState } from '../../src/state/open.ts'
import { startReceiver, until } from '../monitor/alert-receiver.ts'
import { startManagedGateway } from '../support/managed-gateway.ts'
import { nativeClient } from './native/native-client.ts'

test('a gateway that starts again on one state fires nothing a second time, and knows what fired', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-alerts-restart-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const env = { POSTERN_STATE_KEY: randomBytes(32).toString('base64') }
  await using hook = await startReceiver()
  const config = {
    targets: { away: { url: `http://127.0.0.1:${await closedPort()}` } },
    proxies: { away: { basePath: '/away', target: 'away' } },
  }
  const start = async () =>
    startManagedGateway(config, {
      store: await openState({ directory: join(directory, 'state'), key: readStateKey({ env }) }),
      monitoringFile: join(directory, 'monitoring.db'),
      alertsEveryMs: 200,
    })
  {
    await using running = await start()
    const made = await nativeClient(running).send('POST /api/organizations/acme/alerts', {
      name: 'verdicts',
      environment: 'test',
      conditions: [{ metric: 'verdict-appears', durationSeconds: 3600 }],
      notifications: [{ channel: 'webhook', destination: hook.url }],
    })
    assert.equal(made.status, 201, made.text)
    assert.equal((await fetch(`http://127.0.0.1:${running.port}/away`)).status >= 500, true)
    await hook.until(1)
    assert.equal(hook.received[0]?.json.type, 'alert-fired')
    await until(() => existsSync(join(directory, 'alerts.json')))
  }
  await using again = await start()
  const history = async () =>
    (await nativeClient(again).send('GET /api/organizations/acme/alert-instances')).json.instances as Instance[]
  assert.deepEqual(
    (await history()).map(({ resolvedAt, notice }) => [resolvedAt, notice]),
    [[null, 'sent']],
  )
  // Some evaluations, and one more request of the same kind.
  await fetch(`http://127.0.0.1:${again.port}/away`)
  await sleep(1_800)
  assert.equal(hook.received.length, 1)
  assert.equal((await history()).length, 1)
})

interface Instance {
  readonly resolvedAt: number | null
  readonly notice: string
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
