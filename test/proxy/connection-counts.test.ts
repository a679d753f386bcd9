import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LogBatcher } from '../../src/observe/log-batcher.ts'
import { createLogMemory, LogSegments } from '../../src/observe/log-segments.ts'
import { createMetricsBuffer } from '../../src/observe/metrics-writer.ts'
import { ConnectionCounts, connectionsBySnapshot } from '../../src/proxy/connection-counts.ts'
import { buildGeneration, retirePools } from '../../src/proxy/generation.ts'
import { ListenerRuntime } from '../../src/proxy/listeners.ts'
import type { GenerationPlan, ListenerPlan, TargetPlan } from '../../src/proxy/plan.ts'
import { WorkerRuntime } from '../../src/proxy/runtime.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { type Backend, ok, startBackend } from './backend.ts'
import { ask, get, Peer, statusOf } from './peer.ts'
import { plannedServer, proxyPlan, targetPlan } from './planned-gateway.ts'
import { tlsPlan } from './recording-rig.ts'

const root = await createRoot({ commonName: 'Count CA' })
const leaf = await createLeaf(root, { names: ['backend.test'] })

it('connections are counted by target and snapshot, those of a retired pool until they end', async (context) => {
  const plain = await startBackend(() => ok())
  const slow = await startBackend(undefined, { cert: leaf.chainPem, key: leaf.keyPem })
  const worker = await startDataPlane([
    targetPlan('plain', [plain.port]),
    secure('slow', slow, 'one'),
    secure('unused', slow, 'one'),
  ])
  const counts = () => connectionsBySnapshot(worker.runtime)
  assert.deepEqual(counts(), [])
  assert.equal(statusOf(await ask(worker.port, get('/plain'))), 200)
  assert.deepEqual(counts(), [{ target: 'plain', snapshot: '', open: 1 }])
  const clients = [await Peer.connect(worker.port), await Peer.connect(worker.port)]
  context.after(async () => {
    for (const client of clients) client.destroy()
    worker.end()
    await plain[Symbol.asyncDispose]()
    await slow[Symbol.asyncDispose]()
  })
  const served: Peer[] = []
  for (const client of clients) {
    client.send(get('/slow'))
    served.push(await slow.next())
  }
  for (const server of served) await server.request()
  worker.commit([secure('slow', slow, 'two')])
  const third = await Peer.connect(worker.port)
  clients.push(third)
  third.send(get('/slow'))
  const last = await slow.next()
  await last.request()
  const bySnapshot = (): readonly string[] =>
    counts()
      .map(({ target, snapshot, open }) => `${target} ${snapshot} ${open}`)
      .sort()
  assert.deepEqual(bySnapshot(), ['slow one 2', 'slow two 1'])
  for (const server of served) server.send(ok())
  for (const client of clients.slice(0, 2)) await client.response()
  await until(() => bySnapshot().length === 1)
  assert.deepEqual(bySnapshot(), ['slow two 1'])
  last.destroy()
  await until(() => bySnapshot().length === 0)
})

it('names with spaces are not taken for others', () => {
  const counts = new ConnectionCounts()
  counts.opened('b c', 'a')
  counts.opened('c', 'a b')
  counts.closed('c', 'a b')
  assert.deepEqual(counts.all(), [{ target: 'b c', snapshot: 'a', open: 1 }])
})

function secure(name: string, { port }: Backend, snapshotId: string): TargetPlan {
  const tls = tlsPlan(root.certificatePem, { snapshotId })
  return targetPlan(name, [], { scheme: 'https', tls, servers: [plannedServer(name, port, { scheme: 'https', tls })] })
}

async function until(holds: () => boolean): Promise<void> {
  for (let look = 0; !holds() && look < 200; look++) await sleep(10)
}

/** What a worker runs, in this thread. */
async function startDataPlane(targets: readonly TargetPlan[]) {
  const runtime = new WorkerRuntime(0)
  const context = { organization: 'acme', environment: 'test', region: '', hostName: 'h', pid: 1 }
  let generations = 0
  const commit = (some: readonly TargetPlan[]): void => {
    const plan = generationPlan(++generations, some)
    const metrics = createMetricsBuffer({ proxies: some.length, targets: some.length })
    const before = runtime.current
    const generation = buildGeneration(plan, before, runtime, metrics, context)
    const segments = new LogSegments(createLogMemory())
    runtime.commit(generation, new LogBatcher({ sinks: [], segments, send() {}, onDrop() {} }))
    if (before !== null) retirePools(before, generation, runtime)
  }
  commit(targets)
  const open = new ListenerRuntime(listener, runtime, randomBytes(48))
  const port = await open.open(0, true)
  open.admit()
  return {
    runtime,
    port,
    commit,
    end() {
      open.close()
      for (const { servers } of runtime.generation.targets.values()) for (const { pool } of servers) pool.retire('cut')
      runtime.close()
    },
  }
}

const listener: ListenerPlan = {
  name: 'http',
  address: '127.0.0.1',
  port: 0,
  tls: null,
  h2c: false,
  probes: false,
  faults: 'native',
  faultDetail: 'standard',
  limits: {
    requestLineBytes: 8192,
    headerBytes: 32_768,
    headerCount: 100,
    connections: 1000,
    bodyBytes: null,
    streams: 100,
  },
  timeouts: { headMs: 5000, bodyIdleMs: 5000, keepAliveMs: 5000, handshakeMs: 5000, tunnelIdleMs: 5000 },
  forwarded: { headers: 'none', trustedProxies: [] },
}

function generationPlan(generation: number, targets: readonly TargetPlan[]): GenerationPlan {
  return {
    generation,
    organization: 'acme',
    environment: 'test',
    region: '',
    listeners: [listener],
    targets,
    proxies: targets.map(({ name }) =>
      proxyPlan({ kind: 'target', target: name }, { name, key: name, basePath: `/${name}` }),
    ),
    logs: [],
    diagnosis: { live: false, waitMs: 0 },
    monitoring: false,
    tracing: null,
    drains: {},
    trustChanged: false,
  }
}
