import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'

import { isDatagramSocket } from '../../src/core/unix-socket.ts'
import { describeEvent } from '../../src/observe/event-text.ts'
import { createEventFormatter } from '../../src/observe/log-format.ts'
import { createSyslogFormatter } from '../../src/observer/syslog-message.ts'
import { createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { context, events } from '../observe/log-samples.ts'
import { datagramReceiver, outlet, streamReceiver, until } from './syslog-receiver.ts'

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`)
const texts = (messages: readonly string[]) => messages.map((message) => message.replace(/^(?:\S+ ){7}/, ''))

describe('a line as a message of RFC 5424', () => {
  const format = createSyslogFormatter({
    facility: 16,
    hostName: 'gw 1.exämple',
    appName: 'postern',
    procId: '42',
    enterprise: 64_500,
  })
  const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
  const rest = 'gw_1.ex_mple postern 42'
  const access = (status: number, id = 'a-1') =>
    `{"time":"2026-01-23T07:26:26.678Z","type":"access","id":"${id}","status":${status},"method":"GET"}`
  const event = (type: string, more = '') => `{"time":"2026-01-23T07:26:26.678Z","type":"${type}"${more},"worker":1}`
  const time = '2026-01-23T07:26:26.678Z'
  const now = '2026-01-02T03:04:05.678Z'
  const cases: readonly (readonly [what: string, line: string, head: string])[] = [
    ['a request that went well', access(200), `<134>1 ${time} ${rest} access [postern@64500 requestId="a-1"]`],
    ['a client at fault', access(404), `<133>1 ${time} ${rest} access [postern@64500 requestId="a-1"]`],
    ['a request that failed', access(503), `<132>1 ${time} ${rest} access [postern@64500 requestId="a-1"]`],
    [
      'an id with all that structured data escapes',
      access(200, String.raw`a\"b\\c]d`),
      String.raw`<134>1 ${time} ${rest} access [postern@64500 requestId="a\"b\\c\]d"]`,
    ],
    [
      'the event of a failed request',
      event('request-failed', ',"request":{"id":"r-2","proxy":null}'),
      `<132>1 ${time} ${rest} request-failed [postern@64500 requestId="r-2"]`,
    ],
    ['an event that concerns no request', event('listening'), `<134>1 ${time} ${rest} listening -`],
    ['a warning', event('warning'), `<132>1 ${time} ${rest} warning -`],
    ['a worker that died', event('worker-died'), `<131>1 ${time} ${rest} worker-died -`],
    ['a handshake that was trusted', event('handshake', ',"verdict":"trusted"'), `<135>1 ${time} ${rest} handshake -`],
    ['one that was not', event('handshake', ',"verdict":"expired"'), `<132>1 ${time} ${rest} handshake -`],
    [
      'a server that is well again',
      event('server-health', ',"healthy":true'),
      `<134>1 ${time} ${rest} server-health -`,
    ],
    ['a line that says nothing', 'hello', `<134>1 ${now} ${rest} - -`],
    ['a line that only begins like ours', '{"time":"2026-01-23T07:26', `<134>1 ${now} ${rest} - -`],
  ]
  for (const [what, line, head] of cases) test(what, () => assert.equal(format(line, at), `${head} ${line}`))

  test('without an enterprise number there is no structured data', () => {
    const plain = createSyslogFormatter({ facility: 0, hostName: '', appName: 'x', procId: '1', enterprise: null })
    assert.equal(plain(access(200), at), `<6>1 ${time} - x 1 access - ${access(200)}`)
  })

  test('events have the severity that the formats with a level print', () => {
    const numbers = { error: 3, warn: 4, info: 6, verbose: 7 } as const
    const formatter = createEventFormatter('native', context)
    const alert = { at, worker: -1, organization: 'acme', environment: 'test', alert: 'a', name: 'n', instance: 'i' }
    const alerts = [
      { ...alert, type: 'alert-fired', summary: 'too many' },
      { ...alert, type: 'alert-resolved', summary: 'few again' },
    ] as const
    assert.deepEqual(
      alerts.map((event) => describeEvent(event).level),
      ['warn', 'info'],
    )
    for (const event of [...events, ...alerts]) {
      const message = format(formatter(event).trimEnd(), at)
      assert.ok(message.startsWith(`<${128 + numbers[describeEvent(event).level]}>1 `), message)
    }
    assert.ok(new Set(events.map((event) => event.type)).size > 15)
  })

  // What the golden files of the formats hold: the severities that people filter by.
  const severities: readonly (readonly [file: string, severity: number, what: RegExp])[] = [
    ['apim-text', 6, /isRequestSuccess: true/],
    ['apim-text', 4, /isRequestSuccess: false/],
    ['apim-text', 4, /^\[Warn\]/],
    ['apim-text', 3, /^\[Error\]/],
    ['apim-json', 4, /"isRequestSuccess":false/],
    ['apim-json', 6, /"isRequestSuccess":true/],
    ['apim-json', 4, /"level":"Warning"/],
    ['apim-json', 3, /"level":"Error"/],
    ['edge-system', 3, /ERROR|Caused by|^\tat /],
    ['edge-system', 4, / WARN /],
    ['edge-access', 4, /^(?:[^\t]*\t){7}5/],
    ['edge-access', 6, /^(?:[^\t]*\t){7}2/],
  ]
  for (const [file, severity, what] of severities) {
    test(`${file}: lines with ${String(what)} have severity ${severity}`, () => {
      const all = readFileSync(new URL(`../goldens/logs/${file}.txt`, import.meta.url), 'utf8').split('\n')
      const found = all.filter((line) => what.test(line))
      assert.ok(found.length > 0)
      for (const line of found) {
        const message = format(line, at)
        assert.ok(message.startsWith(`<${128 + severity}>1 20`), message)
        assert.match(message, /^<\d+>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00) /)
      }
    })
  }
})

describe('TCP', () => {
  test('messages are counted in octets, not characters, and come whole and in order', async () => {
    await using server = await streamReceiver()
    const { outlet: out, write, warnings } = outlet({ port: server.port })
    write('grüße', ...lines(0, 500))
    for (let i = 500; i < 1000; i++) write(`line ${i}`)
    await out.close(2000)
    await until(
      () => server.messages.length === 1001,
      () => `${server.messages.length} messages`,
    )
    assert.deepEqual(texts(server.messages), ['grüße', ...lines(0, 1000)])
    assert.deepEqual([out.dropped, warnings], [0, []])
  })

  test('the memory of the lines is free when write() has returned', async () => {
    await using server = await streamReceiver()
    const { outlet: out } = outlet({ port: server.port })
    const memory = Buffer.from(new SharedArrayBuffer(16))
    memory.write('first\n')
    out.write(memory.subarray(0, 6), 1)
    memory.fill(0x78)
    await out.close(2000)
    await until(
      () => server.messages.length === 1,
      () => 'no message',
    )
    assert.deepEqual(texts(server.messages), ['first'])
  })

  test('a server that is away gets all that fits the queue when it is there; one warning each way', async () => {
    const first = await streamReceiver()
    await first.stop()
    const { outlet: out, write, warnings } = outlet({ port: first.port })
    write(...lines(0, 100))
    await until(
      () => warnings.length > 0,
      () => 'no warning',
    )
    await using second = await streamReceiver(first.port)
    await until(
      () => warnings.length === 2,
      () => warnings.join(),
    )
    assert.deepEqual(texts(second.messages), lines(0, 100))
    assert.match(warnings[0] ?? '', /^syslog-failing: syslog tcp:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/)
    assert.match(warnings[1] ?? '', /^syslog-restored: .*lines lost meanwhile, as far as known: 0$/)
    await out.close(1000)
  })

  test('a queue that is full drops the newest and counts them, in bytes and in records', async () => {
    const gone = await streamReceiver()
    await gone.stop()
    const limits: readonly (readonly [object, number])[] = [
      [{ queuedRecords: 40 }, 40],
      [{ queuedBytes: 4096 }, 52],
    ]
    for (const [limit, kept] of limits) {
      const { outlet: out, write, warnings } = outlet({ port: gone.port }, { ...limit, backoffMs: [60_000, 60_000] })
      for (const line of lines(0, 100)) write(line)
      assert.ok(Math.abs(out.dropped - (100 - kept)) <= 8, `${out.dropped}`)
      const before = out.dropped
      write('too late')
      assert.equal(out.dropped, before + 1)
      await out.close(0)
      assert.equal(out.dropped, 101)
      assert.equal(warnings.length, 1)
    }
  })

  test('a receiver that takes nothing holds nobody up, and is given up after a while', async () => {
    await using server = await streamReceiver(0, null, (socket) => socket.pause())
    const {
      outlet: out,
      write,
      warnings,
    } = outlet({ port: server.port }, { queuedBytes: 1024 * 1024, stallMs: 150, settleMs: 10_000 })
    await until(
      () => server.connections.length === 1,
      () => 'not connected',
    )
    const long = 'x'.repeat(8000)
    let written = 0
    for (; written < 20_000 && out.dropped === 0; written += 10) {
      write(...Array.from({ length: 10 }, () => long))
      await new Promise(setImmediate)
    }
    assert.ok(out.dropped > 0)
    await until(
      () => server.connections.length > 1,
      () => 'no second connection',
    )
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /slower than they come|taken nothing/)
    await out.close(20)
    assert.ok(out.dropped <= written)
  })

  test('a connection that is reset costs only what the kernel had taken', async () => {
    await using server = await streamReceiver()
    const { outlet: out, write } = outlet({ port: server.port })
    write(...lines(0, 100))
    await until(
      () => server.messages.length === 100,
      () => `${server.messages.length}`,
    )
    server.connections[0]?.resetAndDestroy()
    await until(
      () => server.connections.length === 2,
      () => 'not connected again',
    )
    write(...lines(100, 200))
    await until(
      () => server.messages.length === 200,
      () => `${server.messages.length}`,
    )
    assert.deepEqual(texts(server.messages), lines(0, 200))
    await out.close(1000)
  })

  test('close() ends in its time when nobody is there, at once when nothing waits', async () => {
    const gone = await streamReceiver()
    await gone.stop()
    const idle = outlet({ port: gone.port }, { backoffMs: [60_000, 60_000] })
    await until(
      () => idle.warnings.length > 0,
      () => 'no warning',
    )
    await idle.outlet.close(60_000)
    const { outlet: out, write } = outlet({ port: gone.port })
    write('a', 'b')
    await out.close(30)
    assert.equal(out.dropped, 2)
    write('c')
    assert.equal(out.dropped, 3)
  })
})

describe('TLS', () => {
  let root: Identity
  let other: Identity
  let server: Identity
  before(async () => {
    root = await createRoot({ commonName: 'Log Root' })
    other = await createRoot({ commonName: 'Other Root' })
    server = await createLeaf(root, { names: ['log.internal'] })
  })
  const served = () => ({ cert: server.chainPem, key: server.keyPem })
  const verified = (anchor: Identity, serverName: string) => ({
    anchors: [anchor.certificatePem],
    serverName,
    clientCertificate: null,
  })

  test('a server with the right chain and name has the lines', async () => {
    await using receiver = await streamReceiver(0, served())
    const {
      outlet: out,
      write,
      warnings,
    } = outlet({
      transport: 'tls',
      port: receiver.port,
      tls: verified(root, 'log.internal'),
    })
    write(...lines(0, 10))
    await until(
      () => receiver.messages.length === 10,
      () => warnings.join(),
    )
    await out.close(1000)
    assert.deepEqual([texts(receiver.messages), warnings], [lines(0, 10), []])
  })

  const refused: readonly (readonly [what: string, tls: () => ReturnType<typeof verified>, why: RegExp])[] = [
    ['of another root', () => verified(other, 'log.internal'), /certificate/],
    ['with another name', () => verified(root, 'logs.example'), /logs\.example/],
    ['asked for by its address', () => verified(root, ''), /127\.0\.0\.1/],
  ]
  for (const switchedOff of [false, true]) {
    for (const [what, tls, why] of refused) {
      test(`a server ${what} gets nothing, and the warning says why${switchedOff ? '; whatever the environment says' : ''}`, async (t) => {
        if (switchedOff) {
          process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
          t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
        }
        await using receiver = await streamReceiver(0, served())
        const { outlet: out, write, warnings } = outlet({ transport: 'tls', port: receiver.port, tls: tls() })
        write('secret')
        await until(
          () => warnings.length > 0,
          () => 'no warning',
        )
        assert.match(warnings[0] ?? '', why)
        await out.close(50)
        assert.deepEqual([receiver.messages, out.dropped, warnings.length], [[], 1, 1])
      })
    }
  }

  test('a server that asks for a certificate is shown ours', async () => {
    const client = await createLeaf(root, { commonName: 'gateway', names: [], purposes: ['clientAuth'] })
    await using receiver = await streamReceiver(0, {
      ...served(),
      ca: root.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
    })
    const shown = outlet({
      transport: 'tls',
      port: receiver.port,
      tls: { ...verified(root, 'log.internal'), clientCertificate: { chain: client.chainPem, key: client.keyPem } },
    })
    shown.write('a')
    await until(
      () => receiver.messages.length === 1,
      () => shown.warnings.join(),
    )
    await shown.outlet.close(1000)
    const none = outlet({ transport: 'tls', port: receiver.port, tls: verified(root, 'log.internal') })
    none.write('b')
    await until(
      () => none.warnings.length > 0,
      () => 'no warning',
    )
    assert.match(none.warnings[0] ?? '', /certificate required/)
    await none.outlet.close(0)
    assert.equal(receiver.messages.length, 1)
  })
})

describe('UDP', () => {
  test('one message a datagram, cut at 8192 bytes between characters', async () => {
    await using receiver = await datagramReceiver()
    const { outlet: out, write } = outlet({ transport: 'udp', port: receiver.port })
    write(...lines(0, 50))
    await until(
      () => receiver.messages.length === 50,
      () => `${receiver.messages.length}`,
    )
    assert.deepEqual(texts(receiver.messages), lines(0, 50))
    for (const start of ['', 'x']) {
      const before = receiver.messages.length
      write(start + 'é'.repeat(10_000))
      await until(
        () => receiver.messages.length > before,
        () => 'the long one',
      )
      const message = receiver.messages[before] ?? ''
      const bytes = Buffer.byteLength(message)
      assert.ok(bytes === 8192 || bytes === 8191, `${bytes}`)
      assert.match(message, /é$/)
    }
    await out.close(1000)
    assert.equal(out.dropped, 0)
  })

  test('refusals that come back are counted and said once; a receiver that is there again is said too', async () => {
    const gone = await datagramReceiver()
    await gone[Symbol.asyncDispose]()
    const { outlet: out, write, warnings } = outlet({ transport: 'udp', port: gone.port }, { settleMs: 400 })
    await until(
      () => {
        write('a')
        return out.dropped > 3
      },
      () => `${out.dropped}`,
    )
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /ECONNREFUSED/)
    await using again = await datagramReceiver(gone.port)
    await until(
      () => {
        write('b')
        return warnings.length === 2
      },
      () => warnings.join(),
    )
    assert.match(warnings[1] ?? '', /restored.* [1-9]\d*$/)
    assert.ok(texts(again.messages).every((text) => text === 'b'))
    await out.close(1000)
  })

  test('a name that is not found is said once, and close() counts what waits', async () => {
    const { outlet: out, write, warnings } = outlet({ transport: 'udp', host: 'no-such-host.invalid', port: 514 })
    write('a', 'b')
    await until(
      () => warnings.length > 0,
      () => 'no warning',
    )
    assert.match(warnings[0] ?? '', /no-such-host\.invalid/)
    await out.close(20)
    assert.deepEqual([out.dropped, warnings.length], [2, 1])
  })
})

describe('Unix sockets', () => {
  test('a stream socket has the lines', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-syslog-'))
    t.after(() => rm(folder, { recursive: true }))
    await using receiver = await streamReceiver(join(folder, 'log'))
    const { outlet: out, write } = outlet({ transport: 'unix', host: join(folder, 'log') })
    write('a', 'b')
    await until(
      () => receiver.messages.length === 2,
      () => 'nothing',
    )
    await out.close(1000)
    assert.deepEqual(texts(receiver.messages), ['a', 'b'])
    assert.equal(isDatagramSocket(join(folder, 'log')), false)
    assert.equal(isDatagramSocket(join(folder, 'none')), false)
    assert.equal(isDatagramSocket('/dev/log'), true)
  })
})
