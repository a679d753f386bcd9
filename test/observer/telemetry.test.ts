import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openObserver } from '../../src/observer/handle.ts'
import type { OutletPlan } from '../../src/observer/plan.ts'
import type { ObserverPlan } from '../../src/observer/protocol.ts'

const line = (text: string): Uint8Array => Buffer.from(`${text}\n`)

describe('log sinks of the observer', () => {
  it('go on over a plan that leaves them as they are, and end with one that has them no more', async (t) => {
    const [first, second] = [await receiver(t), await receiver(t)]
    const warnings: string[] = []
    const observer = openObserver({ warn: (code, message) => warnings.push(`${code} ${message}`) })
    t.after(() => observer.close(1_000))
    observer.configure(plan({ a: syslog(first.port) }))
    observer.log('a', line('one'), 1, () => {})
    await until(() => first.text.includes('one'))
    observer.configure({ ...plan({ a: syslog(first.port), b: syslog(second.port) }), monitoring: null })
    observer.log('a', line('two'), 1, () => {})
    observer.log('b', line('three'), 1, () => {})
    await until(() => first.text.includes('two') && second.text.includes('three'))
    assert.equal(first.connections, 1, 'the same connection')

    observer.configure(plan({ b: syslog(second.port) }))
    observer.log('a', line('four'), 1, () => {})
    observer.log('b', line('five'), 1, () => {})
    await until(() => second.text.includes('five') && first.closed === 1)
    await until(() => observer.losses().logRecords['a'] === 1)
    assert.ok(!first.text.includes('four'))

    observer.configure(plan({ b: { ...syslog(second.port), facility: 17 } }))
    observer.log('b', line('six'), 1, () => {})
    await observer.close(2_000)
    // It is with the kernel; this thread has yet to read it.
    await until(() => second.text.includes('six'))
    assert.match(second.text, /<14\d>1 [^\n]* six/, 'another facility, and sent before the end')
    assert.equal(second.connections, 2)
    assert.deepEqual(observer.losses().logRecords, { a: 1 })
    assert.deepEqual(warnings, [])
  })

  it('that cannot be opened are said, and leave the others as they are', async (t) => {
    const good = await receiver(t)
    const warnings: string[] = []
    const observer = openObserver({ warn: (code) => warnings.push(code) })
    t.after(() => observer.close(1_000))
    const tls = { anchors: null, serverName: '', clientCertificate: { chain: 'none', key: 'none' } }
    observer.configure(plan({ bad: { ...syslog(1), transport: 'tls', tls }, good: syslog(good.port) }))
    observer.log('bad', line('one'), 1, () => {})
    observer.log('good', line('two'), 1, () => {})
    await until(() => good.text.includes('two') && observer.losses().logRecords['bad'] === 1)
    assert.deepEqual(warnings, ['telemetry-not-sent'])
  })
})

interface Receiver {
  readonly port: number
  text: string
  connections: number
  closed: number
}

async function receiver(t: TestContext): Promise<Receiver> {
  const server = createServer((socket) => {
    received.connections++
    socket.on('data', (bytes) => (received.text += bytes.toString()))
    socket.on('error', () => {})
    socket.on('close', () => received.closed++)
    t.after(() => socket.destroy())
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const received = { port: (server.address() as AddressInfo).port, text: '', connections: 0, closed: 0 }
  return received
}

function syslog(port: number): Extract<OutletPlan, { kind: 'syslog' }> {
  return { kind: 'syslog', transport: 'tcp', host: '127.0.0.1', port, facility: 16, appName: 'postern', tls: null }
}

function plan(outlets: Readonly<Record<string, OutletPlan>>): ObserverPlan {
  return {
    resource: { organization: 'acme', environment: 'test', region: '', hostName: 'h', version: '0', instance: 'i' },
    monitoring: null,
    otlp: null,
    outlets: Object.entries(outlets).map(([key, each]) => ({ key, plan: each })),
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200 && !holds(); attempt++) await sleep(25)
  assert.ok(holds(), 'in time')
}
