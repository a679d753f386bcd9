import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'

const secret = 'hunter2-of-the-proxy'
const encoded = Buffer.from(`gateway:${secret}`).toString('base64')

test('status lists the servers of a target and the way to them; a password shows nowhere (I7)', async () => {
  const config = {
    management: { port: 0 },
    targets: {
      billing: {
        url: 'http://127.0.0.1:9',
        servers: [
          { name: 'a', address: '127.0.0.1:1', weight: 2 },
          { address: '127.0.0.1:2', fallback: true },
        ],
        egress: { url: 'http://127.0.0.1:3', user: 'gateway', password: { file: 'password' } },
      },
      plain: { url: 'http://127.0.0.1:9' },
    },
  }
  await using started = await startTestGateway(config, { workers: 1, files: { password: `${secret}\n` } })
  const { gateway } = started
  const status = await fetch(`http://127.0.0.1:${gateway.managementPort}/status`).then((reply) => reply.text())
  const egress = { host: '127.0.0.1', port: 3 }
  const common = { host: '127.0.0.1', snapshot: null, weight: 1, fallback: false, egress: null }
  const { targets } = JSON.parse(status) as { targets: { balance: string; servers: unknown }[] }
  assert.deepEqual(
    targets.map(({ balance, servers }) => [balance, servers]),
    [
      [
        'weighted',
        [
          { ...common, name: 'a', port: 1, weight: 2, egress },
          { ...common, name: '127.0.0.1:2', port: 2, fallback: true, egress },
        ],
      ],
      ['round-robin', [{ ...common, name: '127.0.0.1:9', port: 9 }]],
    ],
  )

  // a rotated password is a new generation, as every secret that is read from a file
  const before = gateway.generation
  await writeFile(join(started.directory, 'password'), `${secret}-rotated\n`)
  await gateway.reload()
  assert.ok(gateway.generation > before)
  // and one that cannot be sent is refused, with the last good one in force
  await writeFile(join(started.directory, 'password'), `${secret}\r\nX-Admin: 1\n`)
  await gateway.reload()
  const refused = started.events.filter((event) => event.type === 'generation-refused')
  assert.match(JSON.stringify(refused), /targets\.billing\.egress\.password .*has a line end/)

  await gateway.stop(0)
  const log = await readFile(join(started.directory, 'postern.log'), 'utf8')
  for (const text of [
    status,
    JSON.stringify(gateway.status()),
    JSON.stringify(started.events),
    gateway.metricsText(),
    log,
  ]) {
    assert.ok(!text.includes(secret) && !text.includes(encoded))
  }
})
