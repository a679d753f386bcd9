import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { describe, it } from 'node:test'
import { setTimeout as pass } from 'node:timers/promises'
import { Resolver } from '../../src/dial/resolver.ts'
import type { DnsPlan } from '../../src/proxy/plan.ts'
import { type DnsServer, startDnsServer, type Zone } from './dns-server.ts'

/** A resolver with a name server of its own. Names ask it, `host` is where all of them end. */
async function setUp(zones: Readonly<Record<string, Zone>>, refreshMs = 30_000) {
  const server = await startDnsServer(zones)
  const resolver = new Resolver()
  const dns: DnsPlan = { servers: [server.address], refreshMs }
  return {
    server,
    resolver,
    dns,
    /** Addresses in the order to try them, or the code of the failure. */
    ask: (host: string) => ask(resolver, host, dns),
    async [Symbol.asyncDispose]() {
      resolver.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function ask(resolver: Resolver, host: string, dns: DnsPlan): Promise<string> {
  const [error, addresses] = await new Promise<[Error | null, readonly LookupAddress[]]>((resolve) =>
    resolver.lookup(host, dns, (...outcome) => resolve(outcome)),
  )
  return error === null ? textOf(addresses) : ((error as NodeJS.ErrnoException).code ?? error.message)
}

const textOf = (addresses: readonly LookupAddress[]): string => addresses.map(({ address }) => address).join(' ')

const countOf = (server: DnsServer, what: string): number => server.asked.filter((each) => each === what).length

describe('what is asked', { concurrency: true }, () => {
  it('one question for a name, however many wait for it', async () => {
    let answer = (): void => {}
    const after = new Promise<void>((resolve) => (answer = resolve))
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'], after } })
    const all = Array.from({ length: 100 }, () => at.ask('a.internal'))
    await at.server.question('A a.internal', 1)
    answer()
    assert.deepEqual(new Set(await Promise.all(all)), new Set(['10.0.0.1']))
    assert.deepEqual([...at.server.asked].sort(), ['A a.internal', 'AAAA a.internal'])
  })

  it('a name is the same in capitals, and another one is another', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'] }, 'b.internal': { a: ['10.0.0.2'] } })
    assert.equal(await at.ask('A.Internal'), '10.0.0.1')
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
    assert.equal(await at.ask('b.internal'), '10.0.0.2')
    assert.equal(countOf(at.server, 'A a.internal'), 1)
  })

  it('nothing for an address', async () => {
    await using at = await setUp({})
    assert.equal(await at.ask('192.0.2.1'), '192.0.2.1')
    assert.equal(await at.ask('2001:db8::1'), '2001:db8::1')
    assert.deepEqual(at.server.asked, [])
  })

  it('a name that is silent makes no other wait', async () => {
    await using at = await setUp({
      'dead.internal': { a: 'silent', aaaa: 'silent' },
      'good.internal': { a: ['10.0.0.1'] },
    })
    let over = false
    const dead = at.ask('dead.internal').then((outcome) => {
      over = true
      return outcome
    })
    assert.equal(await at.ask('good.internal'), '10.0.0.1')
    assert.equal(over, false)
    at.resolver.close()
    assert.equal(await dead, 'the resolver is closed')
  })

  it('the system where no name server is configured', async () => {
    const resolver = new Resolver()
    const dns: DnsPlan = { servers: [], refreshMs: 30_000 }
    assert.match(await ask(resolver, 'localhost', dns), /^(127\.0\.0\.1|::1)/)
    // EAI_AGAIN on a machine without a name server.
    assert.match(await ask(resolver, 'nowhere.invalid', dns), /^(ENOTFOUND|EAI_AGAIN)$/)
    resolver.close()
  })

  it('nothing for a dial that has given up', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'] } })
    const cancel = at.resolver.lookup('a.internal', at.dns, () => assert.fail('called back'))
    cancel()
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
  })
})

describe('how long an answer is used', { concurrency: true }, () => {
  it('until its refresh; then once more while the next is fetched', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'] } }, 300)
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
    at.server.zones.set('a.internal', { a: ['10.0.0.2'] })
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
    await pass(350)
    let atOnce = ''
    at.resolver.lookup('a.internal', at.dns, (_error, addresses) => (atOnce = textOf(addresses)))
    assert.equal(atOnce, '10.0.0.1')
    while ((await at.ask('a.internal')) === '10.0.0.1') await pass(5)
    assert.equal(await at.ask('a.internal'), '10.0.0.2')
  })

  it('no longer than its TTL', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'], ttl: 1 } }, 3_600_000)
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
    await pass(1100)
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
    await at.server.question('A a.internal', 2)
  })

  for (const failure of ['servfail', 'gone'] as const) {
    it(`ten times its refresh while asking again fails (${failure})`, async () => {
      await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'] } }, 300)
      assert.equal(await at.ask('a.internal'), '10.0.0.1')
      if (failure === 'gone') at.server.zones.delete('a.internal')
      else at.server.zones.set('a.internal', { a: 'servfail', aaaa: 'servfail' })
      await pass(350)
      assert.equal(await at.ask('a.internal'), '10.0.0.1')
      await at.server.question('A a.internal', 2)
      assert.equal(await at.ask('a.internal'), '10.0.0.1')
      await pass(2700)
      assert.equal(await at.ask('a.internal'), failure === 'gone' ? 'ENOTFOUND' : 'ESERVFAIL')
      at.server.zones.set('a.internal', { a: ['10.0.0.2'] })
      await pass(1100)
      assert.equal(await at.ask('a.internal'), '10.0.0.2')
    })
  }

  it('a second where there is none', async () => {
    await using at = await setUp({})
    assert.equal(await at.ask('a.internal'), 'ENOTFOUND')
    at.server.zones.set('a.internal', { a: ['10.0.0.1'] })
    assert.equal(await at.ask('a.internal'), 'ENOTFOUND')
    assert.equal(countOf(at.server, 'A a.internal'), 1)
    await pass(1100)
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
  })
})

describe('the order of addresses', { concurrency: true }, () => {
  it('begins with another one each time', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] } })
    const firsts: string[] = []
    for (let i = 0; i < 6; i++) firsts.push((await at.ask('a.internal')).split(' ')[0] ?? '')
    assert.equal(new Set(firsts.slice(0, 3)).size, 3)
    assert.deepEqual(firsts.slice(3), firsts.slice(0, 3))
  })

  it('takes families in turn, IPv6 first until only IPv4 was reached', async () => {
    await using at = await setUp({
      'a.internal': { a: ['10.0.0.1', '10.0.0.2'], aaaa: ['2001:db8::1', '2001:db8::2'] },
    })
    assert.equal(await at.ask('a.internal'), '2001:db8::1 10.0.0.1 2001:db8::2 10.0.0.2')
    assert.equal(await at.ask('a.internal'), '2001:db8::2 10.0.0.2 2001:db8::1 10.0.0.1')
    at.resolver.reached('a.internal', at.dns, 4)
    assert.equal(await at.ask('a.internal'), '10.0.0.1 2001:db8::1 10.0.0.2 2001:db8::2')
  })

  it('holds sixteen of a family and each once', async () => {
    const many = Array.from({ length: 40 }, (_, index) => `10.0.0.${index}`)
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.0', ...many], aaaa: ['2001:db8::1'] } })
    const all = (await at.ask('a.internal')).split(' ')
    assert.equal(all.length, 17)
    assert.equal(new Set(all).size, 17)
    assert.ok(all.includes('2001:db8::1'))
  })
})

describe('one family without an answer', { concurrency: true }, () => {
  it('does not keep the other waiting, and comes in when it comes', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'], aaaa: 'silent' } })
    assert.equal(await at.ask('a.internal'), '10.0.0.1')
    // The client asks again after a second.
    at.server.zones.set('a.internal', { a: ['10.0.0.1'], aaaa: ['2001:db8::1'] })
    while (!(await at.ask('a.internal')).includes('2001')) await pass(20)
    assert.equal(countOf(at.server, 'A a.internal'), 1)
  })

  it('has not lost its addresses', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'], aaaa: ['2001:db8::1'] } }, 300)
    const seen: string[][] = []
    assert.equal(await at.ask('a.internal'), '2001:db8::1 10.0.0.1')
    const stop = at.resolver.watch('a.internal', at.dns, (addresses) => seen.push([...addresses].sort()))
    at.server.zones.set('a.internal', { a: ['10.0.0.2'], aaaa: 'servfail' })
    while (seen.length === 0) await pass(20)
    stop()
    assert.deepEqual(seen, [['10.0.0.2', '2001:db8::1']])
  })
})

describe('a watched name', { concurrency: true }, () => {
  it('is asked for again without a dial, and says what has changed', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1', '10.0.0.2'] } }, 100)
    const seen: string[] = []
    const stop = at.resolver.watch('a.internal', at.dns, (addresses) => seen.push([...addresses].sort().join(' ')))
    while (seen.length === 0) await pass(5)
    // The same ones in another order are no change.
    at.server.zones.set('a.internal', { a: ['10.0.0.2', '10.0.0.1'] })
    await at.server.question('A a.internal', countOf(at.server, 'A a.internal') + 2)
    at.server.zones.set('a.internal', { a: ['10.0.0.2'] })
    while (seen.length < 2) await pass(5)
    // Nor is a failure.
    at.server.zones.delete('a.internal')
    await at.server.question('A a.internal', countOf(at.server, 'A a.internal') + 1)
    at.server.zones.set('a.internal', { a: ['10.0.0.3'] })
    while (seen.length < 3) await pass(5)
    assert.deepEqual(seen, ['10.0.0.1 10.0.0.2', '10.0.0.2', '10.0.0.3'])
    stop()
    const asked = at.server.asked.length
    await pass(500)
    // One question, for both families, may have been under way.
    assert.ok(at.server.asked.length <= asked + 2)
  })

  it('is watched until the last watcher has gone', async () => {
    await using at = await setUp({ 'a.internal': { a: ['10.0.0.1'] } }, 100)
    const seen: string[] = []
    const stop = at.resolver.watch('a.internal', at.dns, () => seen.push('first'))
    at.resolver.watch('a.internal', at.dns, () => seen.push('second'))
    while (seen.length < 2) await pass(5)
    stop()
    at.server.zones.set('a.internal', { a: ['10.0.0.2'] })
    while (seen.length < 3) await pass(5)
    assert.deepEqual(seen, ['first', 'second', 'second'])
  })
})
