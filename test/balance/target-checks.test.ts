import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { after, describe, test } from 'node:test'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { Balancer, type BalanceObserver } from '../../src/proxy/balance/balancer.ts'
import type { HealthState } from '../../src/proxy/balance/server-state.ts'
import { TargetChecks } from '../../src/proxy/balance/target-checks.ts'
import type { TargetPlan } from '../../src/proxy/plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startRawBackend } from './backends.ts'
import { healthPlan, serverPlan, targetPlan } from './plans.ts'

const resolver = new Resolver()
after(() => resolver.close())

const http = {
  kind: 'http',
  method: 'GET',
  path: '/healthz',
  host: 'a.test',
  statuses: [[200, 200]],
  headers: '',
  body: '',
  expectHeaders: [],
} as const

/** An HTTP server whose next answers the test decides; the last one goes on. Tells of every check. */
async function startAnswering(...statuses: number[]) {
  const checks = new EventEmitter()
  let count = 0
  let most = 0
  let under = 0
  const backend = await startRawBackend((socket) => {
    most = Math.max(most, ++under)
    socket.on('close', () => under--)
    socket.once('data', () => {
      const status = statuses[Math.min(count++, statuses.length - 1)]
      if (status !== 0) socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`)
      checks.emit('check')
    })
  })
  return {
    backend,
    statuses,
    checks,
    get count() {
      return count
    },
    get most() {
      return most
    },
    async atLeast(wanted: number): Promise<void> {
      for (let missing = wanted - count; missing > 0; missing--) await once(checks, 'check')
    },
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  }
}

/** One generation's part of a target. */
function generation(plan: TargetPlan, previous: { readonly balancer: Balancer } | null = null) {
  const changes = new EventEmitter()
  const told: string[] = []
  const observer: BalanceObserver = {
    serverHealth(server, { healthy, failure }: HealthState) {
      told.push(`${server} ${healthy ? 'healthy' : 'unhealthy'}`)
      changes.emit('change', failure)
    },
    unhealthyForgotten: (server) => told.push(`${server} forgotten`),
    serverEjected() {},
    breaker() {},
    retried() {},
  }
  const balancer = new Balancer(plan, {
    observer,
    now: () => 0,
    worker: 0,
    previous: previous?.balancer ?? null,
  })
  const trusts = plan.servers.map(({ tls }) => (tls === null ? null : new TargetTrust(tls)))
  const checks = new TargetChecks({ balancer, trust: (server) => trusts[server] ?? null, resolver, observer })
  return { balancer, checks, told, changes, [Symbol.dispose]: () => checks.close() }
}

const quick = healthPlan({ check: http, intervalMs: 20 })

describe('checks of a target', () => {
  test('the first result decides at once, and is told when it changes something', async () => {
    await using sick = await startAnswering(503)
    await using sound = await startAnswering(200)
    using target = generation(
      targetPlan({
        health: quick,
        servers: [serverPlan('sick', { port: sick.backend.port }), serverPlan('sound', { port: sound.backend.port })],
      }),
    )
    assert.equal(target.balancer.health(0).healthy, true)
    target.checks.start(null)
    const [failure] = await once(target.changes, 'change')
    assert.match(failure.summary, /answered 503, not 200$/)
    assert.equal(sick.count, 1)
    await sound.atLeast(3)
    await sick.atLeast(3)
    assert.deepEqual(target.told, ['sick unhealthy'])
    assert.deepEqual(
      target.balancer.servers().map(({ state }) => state),
      ['unhealthy', 'usable'],
    )
  })

  test('later so many in a row are needed, either way', async () => {
    // healthy; three failures in a row; two that pass in a row; then healthy.
    await using server = await startAnswering(200, 503, 503, 200, 503, 503, 503, 200, 503, 200, 200)
    using target = generation(targetPlan({ health: quick, servers: [serverPlan('a', { port: server.backend.port })] }))
    target.checks.start(null)
    await once(target.changes, 'change')
    assert.deepEqual([target.told, server.count], [['a unhealthy'], 7])
    await once(target.changes, 'change')
    assert.deepEqual([target.told, server.count], [['a unhealthy', 'a healthy'], 11])
    assert.equal(target.balancer.health(0).failure, null)
  })

  test('never two at a time of one server, and none after the end', async () => {
    await using slow = await startAnswering(0)
    const target = generation(
      targetPlan({ health: { ...quick, timeoutMs: 60 }, servers: [serverPlan('a', { port: slow.backend.port })] }),
    )
    target.checks.start(null)
    await slow.atLeast(4)
    target.checks.close()
    assert.equal(slow.most, 1)
    assert.deepEqual(target.told, ['a unhealthy', 'a forgotten'])
    const before = slow.backend.connections
    // Longer than the longest interval.
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(slow.backend.connections, before)
  })

  test('the one under way ends with them, and so does the last when its result is what ends them', async () => {
    await using silent = await startAnswering(0)
    const plan = targetPlan({
      health: { ...quick, timeoutMs: 60_000 },
      servers: [serverPlan('a', { port: silent.backend.port })],
    })
    const one = generation(plan)
    one.checks.start(null)
    await silent.atLeast(1)
    one.checks.close()
    while (silent.backend.open > 0) await new Promise(setImmediate)

    await using sick = await startAnswering(503)
    const two = generation({ ...plan, servers: [serverPlan('a', { port: sick.backend.port })] })
    two.changes.on('change', () => two.checks.close())
    two.checks.start(null)
    await once(two.changes, 'change')
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(sick.count, 1)
  })

  test('none before they are started: a generation may never be in force', async () => {
    await using server = await startAnswering(200)
    generation(targetPlan({ health: quick, servers: [serverPlan('a', { port: server.backend.port })] }))
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(server.backend.connections, 0)
  })

  test('a server that cannot be trusted is unhealthy with the verdict, and healthy under a snapshot that trusts it', async () => {
    const right = await createRoot({ commonName: 'Right CA' })
    const wrong = await createRoot({ commonName: 'Wrong CA' })
    const identity = await createLeaf(right, { names: ['backend.test'] })
    await using backend = await startTlsBackend({ identity })
    const plan = (anchor: string): TargetPlan =>
      targetPlan({
        health: quick,
        servers: [
          serverPlan('a', {
            port: backend.port,
            scheme: 'https',
            tls: {
              snapshotId: anchor.slice(-80),
              anchors: [anchor],
              intermediates: [],
              partialChain: false,
              serverName: 'backend.test',
              verifyNames: ['backend.test'],
              minVersion: 'TLSv1.2',
              maxVersion: 'TLSv1.3',
              ciphers: null,
              alpn: ['http/1.1'],
              clientCertificate: null,
              skipChain: false,
              skipName: false,
              exceptions: [],
              resumption: true,
              revocation: { mode: 'off' },
              onTrustChange: 'drain',
            },
          }),
        ],
      })
    const one = generation(plan(wrong.certificatePem))
    one.checks.start(null)
    const [failure] = await once(one.changes, 'change')
    assert.equal(failure.verdict, 'unknown-issuer')
    assert.match(one.balancer.fault(-1).summary, /a is unhealthy \(unknown-issuer\): 127\.0\.0\.1:/)

    using two = generation(plan(right.certificatePem), one)
    assert.equal(two.balancer.health(0).healthy, true)
    two.checks.start(one.checks)
    while (backend.seen.length < 3) await new Promise(setImmediate)
    assert.deepEqual(two.told, [])
    assert.deepEqual(one.told, ['a unhealthy', 'a forgotten'])
  })

  test('of a server that stays as it is go on; those of one that changes or goes end', async () => {
    await using stays = await startAnswering(200, 503)
    await using goes = await startAnswering(200)
    const servers = [serverPlan('stays', { port: stays.backend.port }), serverPlan('goes', { port: goes.backend.port })]
    const plan = targetPlan({ health: quick, servers })
    const one = generation(plan)
    one.checks.start(null)
    await once(one.changes, 'change')
    await goes.atLeast(1)
    const counted = stays.count

    using two = generation(structuredClone({ ...plan, servers: servers.slice(0, 1) }), one)
    two.checks.start(one.checks)
    const gone = goes.backend.connections
    // Unhealthy and known to be: another one would have told it again, or begun with a first result.
    await stays.atLeast(counted + 4)
    assert.equal(two.balancer.health(0).healthy, false)
    assert.deepEqual([one.told, two.told], [['stays unhealthy'], []])
    assert.equal(stays.most, 1)
    // One may have been on its way.
    assert.ok(goes.backend.connections <= gone + 1)

    two.checks.close()
    assert.deepEqual(two.told, ['stays forgotten'])
  })

  test('a target without a plan for it has none, and ends those it had', async () => {
    await using server = await startAnswering(503)
    const plan = targetPlan({ health: quick, servers: [serverPlan('a', { port: server.backend.port })] })
    const one = generation(plan)
    one.checks.start(null)
    await once(one.changes, 'change')
    using two = generation({ ...plan, health: null }, one)
    two.checks.start(one.checks)
    assert.deepEqual(one.told, ['a unhealthy', 'a forgotten'])
    assert.equal(two.balancer.health(0).healthy, true)
  })
})
