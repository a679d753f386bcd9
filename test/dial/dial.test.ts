import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import type { ServerPlan } from '../../src/proxy/plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { closed, dialOnce, outcomeOf, serverPlan, tlsPlan } from './dial-once.ts'
import { type DnsServer, startDnsServer } from './dns-server.ts'
import { startUnanswering } from './unanswering.ts'

const root = await createRoot({ commonName: 'Root' })
const leaf = await createLeaf(root, { names: ['a.internal'] })

/** A server that accepts, at one address. */
async function listen(host: string, port = 0) {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** Of tcpmux, which nobody serves: what is dialed there is refused. */
const port = 1

const named = (dns: DnsServer, change: Partial<ServerPlan> & { readonly port: number }): ServerPlan =>
  serverPlan({ host: 'a.internal', dns: { servers: [dns.address], refreshMs: 30_000 }, ...change })

describe('a name', { concurrency: true }, () => {
  it('is resolved by the name servers of the plan and verified as what it is', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'] } })
    const told: string[] = []
    const good = named(dns, { port: backend.port, tls: tlsPlan(root.certificatePem, 'a.internal') })
    assert.equal(await outcomeOf(good, { told }), `127.0.0.1:${backend.port}`)
    assert.deepEqual(told, ['resolving a.internal', 'offering TLSv1.2 TLSv1.3', 'presented CN=a.internal'])
    const bad = named(dns, { port: backend.port, tls: tlsPlan(root.certificatePem, 'b.internal') })
    assert.equal(await outcomeOf(bad), 'name-mismatch')
  })

  it('is looked up once for many dials', async () => {
    await using server = await listen('127.0.0.1')
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'] } })
    const resolver = new Resolver()
    const plan = named(dns, { port: server.port })
    const all = await Promise.all(Array.from({ length: 50 }, () => outcomeOf(plan, { resolver })))
    assert.deepEqual(new Set(all), new Set([`127.0.0.1:${server.port}`]))
    assert.equal(dns.asked.length, 2)
    resolver.close()
  })

  it('with several addresses is dialed at each in turn', async () => {
    await using one = await listen('127.0.0.1')
    await using _other = await listen('127.0.0.2', one.port)
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1', '127.0.0.2'] } })
    const resolver = new Resolver()
    const seen: string[] = []
    for (let i = 0; i < 4; i++) seen.push(await outcomeOf(named(dns, { port: one.port }), { resolver }))
    assert.equal(new Set(seen).size, 2)
    assert.deepEqual(seen.slice(2), seen.slice(0, 2))
    resolver.close()
  })

  it('keeps its TLS sessions whatever its address', async () => {
    await using one = await startTlsBackend({ identity: leaf, ticketKeys: Buffer.alloc(48, 1) })
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'] } })
    const tls = tlsPlan(root.certificatePem, 'a.internal', { serverName: null, resumption: true })
    const trust = new TargetTrust(tls)
    const resumed: boolean[] = []
    for (let i = 0; i < 2; i++) {
      const { dialed, reads } = await dialOnce(named(dns, { port: one.port, tls }), { trust })
      assert.ok(dialed)
      dialed.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      await reads.until((text) => text.endsWith('ok'))
      resumed.push(dialed.resumed)
      await closed(dialed.socket)
    }
    assert.deepEqual(resumed, [false, true])
  })

  const faults: readonly [string, Parameters<typeof startDnsServer>[0], string][] = [
    ['that does not exist', {}, 'ENOTFOUND'],
    ['without an address', { 'a.internal': {} }, 'ENODATA'],
    ['whose server fails', { 'a.internal': { a: 'servfail', aaaa: 'servfail' } }, 'ESERVFAIL'],
  ]
  for (const [what, zones, code] of faults) {
    it(`${what} is a fault of names (${code}), in a second dial too`, async () => {
      await using dns = await startDnsServer(zones)
      const resolver = new Resolver()
      for (let i = 0; i < 2; i++) {
        const { fault } = await dialOnce(named(dns, { port: 1 }), { resolver })
        assert.deepEqual(
          [fault?.kind, fault?.verdict, fault?.party, fault?.evidence['phase'], fault?.evidence['runtimeCode']],
          ['dns-failed', 'dns-failure', 'network', 'dns', code],
        )
      }
      resolver.close()
    })
  }

  it('whose server is silent is a fault of names when the time to connect is over', async () => {
    await using dns = await startDnsServer({ 'a.internal': { a: 'silent', aaaa: 'silent' } })
    const plan = named(dns, { port: 1 })
    const { fault } = await dialOnce({ ...plan, timeouts: { ...plan.timeouts, connectMs: 200 } })
    assert.deepEqual([fault?.kind, fault?.verdict], ['dns-failed', 'dns-failure'])
  })

  it('that resolves to where nobody listens is no fault of names', async () => {
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'] } })
    const { fault } = await dialOnce(named(dns, { port }))
    assert.deepEqual([fault?.kind, fault?.verdict, fault?.party], ['connect-refused', 'connection-refused', 'backend'])
    assert.equal(fault?.evidence['attempts'], undefined)
  })
})

describe('several addresses', { concurrency: true }, () => {
  const family = [
    ['IPv6 and IPv4', ['::1'], ['127.0.0.1']],
    ['two of IPv4', [], ['127.0.0.2', '127.0.0.1']],
  ] as const
  for (const [what, aaaa, a] of family) {
    it(`${what}: the one that refuses is passed over at once`, async () => {
      await using server = await listen('127.0.0.1')
      await using dns = await startDnsServer({ 'a.internal': { a, aaaa } })
      assert.equal(await outcomeOf(named(dns, { port: server.port })), `127.0.0.1:${server.port}`)
    })
  }

  it('IPv6 is reached where it answers', async () => {
    await using server = await listen('::1')
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'], aaaa: ['::1'] } })
    assert.equal(await outcomeOf(named(dns, { port: server.port })), `[::1]:${server.port}`)
    assert.equal(await outcomeOf(serverPlan({ host: '::1', port: server.port })), `[::1]:${server.port}`)
  })

  it('none of which answers: the fault tells of each', async () => {
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1', '127.0.0.2'], aaaa: ['::1'] } })
    const { fault } = await dialOnce(named(dns, { port }))
    assert.deepEqual([fault?.kind, fault?.verdict], ['connect-refused', 'connection-refused'])
    assert.deepEqual(((fault?.evidence['attempts'] ?? []) as string[]).toSorted(), [
      `127.0.0.1:${port} ECONNREFUSED`,
      `127.0.0.2:${port} ECONNREFUSED`,
      `[::1]:${port} ECONNREFUSED`,
    ])
  })

  it('one that is silent does not hold up the next, and TLS is verified on the one that answered', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using _silent = await startUnanswering('127.0.0.2', backend.port)
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.2', '127.0.0.1'] } })
    const plan = named(dns, { port: backend.port, tls: tlsPlan(root.certificatePem, 'a.internal') })
    assert.equal(await outcomeOf(plan), `127.0.0.1:${backend.port}`)
  })

  it('one that is slow is not given up for the next', async () => {
    await using slow = await startUnanswering('127.0.0.1')
    const { port } = slow
    await using _silent = await startUnanswering('127.0.0.2', port)
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1', '127.0.0.2'] } })
    const outcome = outcomeOf(named(dns, { port }))
    // Long enough for the second to have been tried; the first's SYN is repeated after a second.
    await new Promise((resolve) => setTimeout(resolve, 500))
    slow.answer()
    assert.equal(await outcome, `127.0.0.1:${port}`)
  })

  it('all silent: the fault tells so of each when the time is over', async () => {
    await using one = await startUnanswering('127.0.0.1')
    const { port } = one
    await using _other = await startUnanswering('127.0.0.2', port)
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1', '127.0.0.2'] } })
    const plan = named(dns, { port })
    const { fault } = await dialOnce({ ...plan, timeouts: { ...plan.timeouts, connectMs: 1000 } })
    assert.deepEqual([fault?.kind, fault?.verdict], ['connect-timeout', 'connect-timeout'])
    assert.deepEqual(fault?.evidence['attempts'], [`127.0.0.1:${port} no answer`, `127.0.0.2:${port} no answer`])
  })
})

describe('a dial that is abandoned', { concurrency: true }, () => {
  it('while a name is looked up opens nothing', async () => {
    let answer = (): void => {}
    const after = new Promise<void>((resolve) => (answer = resolve))
    let accepted = 0
    await using server = await listen('127.0.0.1')
    await using dns = await startDnsServer({ 'a.internal': { a: ['127.0.0.1'], after } })
    const resolver = new Resolver()
    const plan = named(dns, { port: server.port })
    void dialOnce(plan, {
      resolver,
      handle: (handle) => void dns.question('A a.internal', 1).then(() => handle.abandon()),
    }).then(() => accepted++)
    await dns.question('A a.internal', 1)
    answer()
    assert.equal(await outcomeOf(plan, { resolver }), `127.0.0.1:${server.port}`)
    assert.equal(accepted, 0)
    resolver.close()
  })

  for (const gives of ['up', 'nothing up'] as const) {
    it(`while an address is tried closes the connection: gives ${gives}`, async () => {
      await using silent = await startUnanswering('127.0.0.1')
      const resolver = new Resolver()
      let outcome = 'nothing'
      void dialOnce(serverPlan({ port: silent.port }), {
        resolver,
        handle: (handle) => setImmediate(() => gives === 'up' && handle.abandon()),
      }).then(({ dialed }) => {
        outcome = 'opened'
        dialed?.socket.destroy()
      })
      await new Promise((resolve) => setTimeout(resolve, 100))
      silent.answer()
      // The kernel repeats a SYN after a second, if its socket is still there.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      assert.equal(outcome, gives === 'up' ? 'nothing' : 'opened')
      assert.equal(silent.accepted, gives === 'up' ? 0 : 1)
      resolver.close()
    })
  }
})
