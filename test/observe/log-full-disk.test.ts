import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { startTestGateway } from '../support/gateway.ts'
import { smallDisk } from './small-disk.ts'

test('a gateway whose log is on a full disk serves on, counts what it loses, and logs again when there is space', async (t) => {
  const disk = await smallDisk(t, 'size=256k')
  if (disk === null) return
  const backend = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  t.after(() => backend.close())
  const ballast = join(disk, 'ballast')
  await writeFile(ballast, Buffer.alloc(128 * 1024))

  const log = join(disk, 'postern.log')
  await using gateway = await startTestGateway({
    targets: { b: { url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}` } },
    proxies: { p: { basePath: '/', target: 'b' } },
    logs: [{ format: 'native', file: log }],
  })
  const said = () =>
    gateway.events.flatMap((event) =>
      event.type === 'warning' && event.code.startsWith('log-sink-') ? [event.message] : [],
    )
  const dropped = () => {
    const [, sink, count] =
      /^postern_log_records_lost_total\{sink="([^"]*)"\} (\d+)$/m.exec(gateway.gateway.metricsText()) ?? []
    return sink === `file:${basename(log)}` ? Number(count) : 0
  }

  let sent = 0
  const load = async (requests: number) => {
    for (let i = 0; i < requests; i += 10) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${gateway.origin}/n/${sent++}`)))
      for (const answer of answers) assert.deepEqual([answer.status, await answer.text()], [200, 'ok'])
    }
  }
  await load(600)
  for (let i = 0; i < 200 && dropped() === 0; i++) await delay(25)
  const atFirst = dropped()
  assert.ok(atFirst > 0)
  await load(100)
  for (let i = 0; i < 200 && dropped() < atFirst + 100; i++) await delay(25)
  assert.ok(dropped() >= atFirst + 100, `${dropped()} after ${atFirst}`)
  assert.equal(said().length, 1)
  assert.match(said()[0] ?? '', /postern\.log: lines are being lost: ENOSPC/)

  await rm(ballast)
  const from = sent
  await load(50)
  for (let i = 0; i < 200 && !(await readFile(log, 'utf8')).includes(`/n/${sent - 1}"`); i++) await delay(25)
  const lines = (await readFile(log, 'utf8')).split('\n').slice(0, -1)
  const paths = new Set(lines.flatMap((line) => /"path":"([^"]*)".*\}$/.exec(line)?.[1] ?? []))
  for (let n = from; n < sent; n++) assert.ok(paths.has(`/n/${n}`), `request ${n} is in the log`)
  const broken = lines.filter((line) => !isJson(line))
  assert.ok(broken.length <= 1, `${broken.length} lines are torn; the one that met the end of the disk may be`)
  const [, lost = ''] = /takes lines again; (\d+) were lost meanwhile$/.exec(said()[1] ?? '') ?? []
  assert.equal(Number(lost), dropped(), said()[1])
  // Every request has a line or was counted, as were the main thread's own words that met the full disk.
  const unheard = gateway.events.length - lines.filter((line) => line.endsWith('"worker":-1}')).length
  assert.equal(paths.size + dropped(), sent + unheard)
})

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}
