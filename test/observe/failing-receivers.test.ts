import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { PosternEvent } from '../../src/observe/events.ts'
import { Store } from '../../src/monitor/store.ts'
import { alike, rollupMessage } from '../monitor/support.ts'
import { startReceiver } from '../otlp/receiver.ts'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { readExposition } from '../support/prometheus.ts'
import { openLoad } from './light-load.ts'
import { smallDisk } from './small-disk.ts'

test('whatever receives logs, telemetry and counts may fail: requests go on, the loss is counted and said', async (t) => {
  const disk = (await smallDisk(t, 'size=512k')) ?? ''
  const backend = await listening(createServer((_request, response) => void response.end('ok')))
  t.after(() => backend.close())
  const syslog = await openSyslogReceiver()
  t.after(() => syslog.close())
  let otlpStalls = false
  let otlp = await startReceiver({ answer: () => (otlpStalls ? new Promise<never>(() => {}) : false) })
  t.after(() => otlp[Symbol.asyncDispose]())
  const hook = await openHook()
  t.after(() => hook.close())
  const observers: Worker[] = []
  const onWorker = (worker: Worker): void => {
    if (worker.threadName === 'postern-observer') observers.push(worker)
  }
  process.on('worker', onWorker)
  t.after(() => process.off('worker', onWorker))

  const events: PosternEvent[] = []
  const logs = [
    { format: 'native', file: 'postern.log' },
    { format: 'native', syslog: { address: `tcp://127.0.0.1:${syslog.port}` } },
    { format: 'native', otlp: true },
    { format: 'native', file: join(disk === '' ? '.' : disk, 'small.log') },
  ]
})
