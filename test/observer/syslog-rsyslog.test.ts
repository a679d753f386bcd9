import type { SyslogPlan } from '../../src/observer/syslog.ts'

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { type ParsedMessage, type Rsyslog, rsyslogd, startRsyslog } from './rsyslog.ts'
import { outlet, until } from './syslog-receiver.ts'

const access = (n: number, text = '/ünïcode') =>
  `{"time":"2026-01-23T07:26:26.${String(n % 1000).padStart(3, '0')}Z","type":"access","id":"id-${n}","status":503,"path":"${text}"}`
const accesses = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => access(from + i))

describe('rsyslog', { skip: rsyslogd === undefined ? 'skipped: no rsyslogd' : false }, () => {
  let root: Identity
  let server: Rsyslog
  before(async () => {
    root = await createRoot({ commonName: 'Log Root' })
    const leaf = await createLeaf(root, { names: ['log.internal'] })
    server = await startRsyslog({ chain: leaf.chainPem, key: leaf.keyPem, ca: root.certificatePem })
  })
  after(() => server[Symbol.asyncDispose]())

  const arrived = async (input: string, count: number): Promise<readonly ParsedMessage[]> => {
    let messages: readonly ParsedMessage[] = []
    await until(
      async () => (messages = await server.messages(input)).length >= count,
      () => `${messages.length} of ${count} messages by ${input}`,
    )
    return messages
  }
  const plans: readonly (readonly [string, () => Partial<SyslogPlan> | null])[] = [
    ['tcp', () => ({ transport: 'tcp', port: server.tcp })],
    ['udp', () => ({ transport: 'udp', port: server.udp })],
    ['unix', () => ({ transport: 'unix', host: server.unix })],
    [
      'tls',
      () =>
        server.tls === 0
          ? null
          : {
              transport: 'tls',
              port: server.tls,
              tls: { anchors: [root.certificatePem], serverName: 'log.internal', clientCertificate: null },
            },
    ],
  ]
  for (const [input, plan] of plans) {
    test(`${input}: the server parses every field, and long lines are whole`, async (t) => {
      const asked = plan()
      if (asked === null) {
        t.skip('skipped: no TLS driver of rsyslog')
        return
      }
      const { outlet: out, write, warnings } = outlet({ ...asked, enterprise: 64_500, facility: 17, appName: 'gw' })
      const long = access(2, 'x'.repeat(7000))
      write(access(1), long, '{"time":"2026-01-23T07:26:26.678Z","type":"listening","port":1}')
      await out.close(5000)
      const [first, second, third, ...more] = await arrived(input, 3)
      assert.deepEqual(first, {
        input,
        pri: '140',
        time: '2026-01-23T07:26:26.001Z',
        host: 'gw1.example',
        app: 'gw',
        proc: String(process.pid),
        id: 'access',
        data: '[postern@64500 requestId="id-1"]',
        msg: access(1),
      })
      assert.equal(second?.msg, long)
      assert.deepEqual([third?.pri, third?.id, third?.data], ['142', 'listening', '-'])
      assert.deepEqual([more, warnings, out.dropped], [[], [], 0])
    })
  }

  test('10,000 lines over TCP come in order, with the server restarted in between', async () => {
    const { outlet: out, write, warnings } = outlet({ port: server.tcp })
    const before = (await server.messages('tcp')).length
    const all = accesses(0, 10_000)
    for (let at = 0; at < 4000; at += 80) write(...all.slice(at, at + 80))
    await arrived('tcp', before + 4000)
    await server.stop()
    for (let at = 4000; at < 6000; at += 80) write(...all.slice(at, at + 80))
    await until(
      () => warnings.length > 0,
      () => 'no warning',
    )
    await server.start()
    for (let at = 6000; at < 10_000; at += 80) write(...all.slice(at, at + 80))
    await until(
      () => warnings.length > 1,
      () => warnings.join(),
    )
    await out.close(5000)
    const messages = (await arrived('tcp', before + 10_000)).slice(before)
    assert.deepEqual(
      messages.map(({ msg }) => msg),
      all,
    )
    assert.equal(out.dropped, 0)
    assert.match(warnings.join('\n'), /^syslog-failing: .*\nsyslog-restored: .*: 0$/)
  })
})
