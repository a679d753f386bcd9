import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import type { TlsOptions } from 'node:tls'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { CapturedHandshake } from '../../src/wire/tls/captured-handshake.ts'
import { readServerFlight } from '../../src/wire/tls/server-flight.ts'
import { capture } from './capture.ts'
import {
  alert,
  certificate12,
  certificate13,
  certificateRequest13,
  encrypted,
  extension,
  finished13,
  helloRetry,
  keylog,
  message,
  number,
  pieces,
  record,
  serverHello,
  serverHello13,
  status,
  vector,
} from './flight-make.ts'

const root = await createRoot({ commonName: 'Root' })
const leaf = await createLeaf(root, { names: ['a.internal'] })
const rsaLeaf = await createLeaf(root, { names: ['a.internal'], key: 'rsa-2048' })
const identity = { cert: leaf.chainPem, key: leaf.keyPem }
const one = leaf.certificate
const other = root.certificate

describe('a flight of a real server', { concurrency: true }, () => {
  const suites: readonly (readonly [string, TlsOptions])[] = [
    ['TLS_AES_128_GCM_SHA256', { minVersion: 'TLSv1.3' }],
    ['TLS_AES_256_GCM_SHA384', { minVersion: 'TLSv1.3' }],
    ['TLS_CHACHA20_POLY1305_SHA256', { minVersion: 'TLSv1.3' }],
    ['TLS_AES_128_CCM_SHA256', { minVersion: 'TLSv1.3' }],
    ['TLS_AES_128_CCM_8_SHA256:DEFAULT:@SECLEVEL=0', { minVersion: 'TLSv1.3' }],
    ['ECDHE-ECDSA-AES128-GCM-SHA256', { maxVersion: 'TLSv1.2' }],
    ['ECDHE-ECDSA-AES256-SHA', { maxVersion: 'TLSv1.2' }],
    ['ECDHE-RSA-CHACHA20-POLY1305', { maxVersion: 'TLSv1.2', cert: rsaLeaf.chainPem, key: rsaLeaf.keyPem }],
    ['AES128-SHA', { maxVersion: 'TLSv1.2', cert: rsaLeaf.chainPem, key: rsaLeaf.keyPem }],
    ['ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }],
  ]
  for (const [ciphers, options] of suites) {
    it(`is read with ${ciphers}`, async () => {
      const seen = await capture({ ...identity, ...options, ciphers }, { ciphers, minVersion: 'TLSv1' })
      const read = readServerFlight(seen.received, seen.keylog)
      assert.equal(read.version, seen.version)
      assert.equal(read.cipher, seen.cipher)
      assert.notEqual(read.version, '')
      assert.deepEqual(read.served, [options.cert === undefined ? one : rsaLeaf.certificate])
      assert.equal(read.finished, true)
      assert.equal(read.unread, '')
    })
  }

  it('after a HelloRetryRequest is that of the second ServerHello', async () => {
    const seen = await capture({ ...identity, ecdhCurve: 'P-384' }, { ecdhCurve: 'X25519:P-384' })
    const read = readServerFlight(seen.received, seen.keylog)
    assert.deepEqual([read.helloRetry, read.version, read.served, read.unread], [true, 'TLSv1.3', [one], ''])
    const straight = await capture({ ...identity, ecdhCurve: 'X25519' }, { ecdhCurve: 'X25519' })
    assert.equal(readServerFlight(straight.received, straight.keylog).helloRetry, false)
  })

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`names ALPN, the stapled response and the acceptable issuers in ${maxVersion}`, async () => {
      const response = Buffer.from('3003020101', 'hex')
      const seen = await capture(
        {
          ...identity,
          maxVersion,
          requestCert: true,
          rejectUnauthorized: false,
          ca: root.certificatePem,
          ALPNProtocols: ['h2'],
        },
        { requestOCSP: true, ALPNProtocols: ['h2', 'http/1.1'] },
        (server) => server.on('OCSPRequest', (_certificate, _issuer, done) => done(null, response)),
      )
      const read = readServerFlight(seen.received, seen.keylog)
      assert.equal(read.alpn, 'h2')
      assert.deepEqual(read.ocsp, response)
      assert.deepEqual(read.certificateRequest?.issuers, [parseCertificate(root.certificate).subject.der])
      assert.ok(read.certificateRequest.signatureAlgorithms.includes(0x0403))
      assert.equal(read.ticket, maxVersion === 'TLSv1.3')
    })
  }

  it('without the secrets shows what is in clear, and says what is missing', async () => {
    const seen = await capture(identity)
    const read = readServerFlight(seen.received, [])
    assert.deepEqual([read.version, read.served], ['TLSv1.3', []])
    assert.match(read.unread, /no secret/)
    const wrong = readServerFlight(
      seen.received,
      keylog.map((line) => line + line),
    )
    assert.match(wrong.unread, /no secret|does not open/)
  })
})

describe('a flight', () => {
  const read12 = (...parts: readonly Buffer[]): CapturedHandshake => readServerFlight(Buffer.concat(parts), [])
  const flight13 = [serverHello13(), message(8, vector(2)), certificate13([one]), finished13] as const
  const read13 = (hello: Buffer, messages: readonly Buffer[], after: Buffer = Buffer.alloc(0)): CapturedHandshake =>
    readServerFlight(
      Buffer.concat([
        record(22, hello),
        record(20, Buffer.from([1])),
        encrypted('handshake', [{ type: 22, data: Buffer.concat(messages) }]),
        after,
      ]),
      keylog,
    )

  it('is read whatever its records are cut into, and several messages to a record', () => {
    const messages = Buffer.concat([serverHello(), certificate12(one, other), message(14)])
    for (const size of [1, 3, 7, 100, messages.length]) {
      const read = read12(...pieces(messages, size).map((piece) => record(22, piece)))
      assert.deepEqual([read.served, read.unread], [[one, other], ''], `pieces of ${size}`)
      const cut = pieces(
        Buffer.concat([message(8, vector(2)), certificate13([one], [other]), finished13]),
        Math.max(size, 3),
      )
      const bytes = Buffer.concat([
        record(22, serverHello13()),
        encrypted(
          'handshake',
          cut.map((data) => ({ type: 22, data })),
          5,
        ),
      ])
      const read13 = readServerFlight(bytes, keylog)
      assert.deepEqual(
        [read13.served, read13.finished, read13.unread],
        [[one, other], true, ''],
        `pieces of ${size}, encrypted`,
      )
    }
  })

  it('shows certificates in the order and as often as they were served', () => {
    const served = [one, other, one, Buffer.from('not a certificate'), other]
    assert.deepEqual(read12(record(22, serverHello()), record(22, certificate12(...served))).served, served)
    assert.deepEqual(
      read13(serverHello13(), [certificate13(...served.map((der) => [der] as const)), finished13]).served,
      served,
    )
  })

  it('shows what is stapled to the leaf, and not what is stapled to others', () => {
    const stapled = extension(5, status(Buffer.from('leaf')))
    const scts = extension(18, vector(2, vector(2, Buffer.from('log 1')), vector(2, Buffer.from('log 2'))))
    const read = read13(serverHello13(), [
      certificate13([one, stapled, scts], [other, extension(5, status(Buffer.from('issuer')))]),
    ])
    assert.deepEqual(read.ocsp, Buffer.from('leaf'))
    assert.deepEqual(read.scts, [Buffer.from('log 1'), Buffer.from('log 2')])
    assert.equal(read13(serverHello13(), [certificate13([one], [other, stapled])]).ocsp, null)
  })

  it('shows the issuers that are acceptable', () => {
    const names = [Buffer.from('3000', 'hex'), Buffer.from('30020500', 'hex')]
    assert.deepEqual(read13(serverHello13(), [certificateRequest13(names, [0x0403, 0x0804])]).certificateRequest, {
      issuers: names,
      signatureAlgorithms: [0x0403, 0x0804],
    })
    const list = vector(2, ...names.map((name) => vector(2, name)))
    const before12 = message(13, vector(1, Buffer.from([1])), list)
    assert.deepEqual(
      read12(record(22, serverHello({ legacyVersion: 0x0302 })), record(22, before12)).certificateRequest,
      { issuers: names, signatureAlgorithms: [] },
      'TLS 1.1 names no algorithms',
    )
  })

  it('shows alerts in clear and encrypted, and which of them came late', () => {
    assert.deepEqual(read12(alert(2, 40)).alerts, [{ level: 2, description: 40, late: false }])
    assert.deepEqual(read12(alert(1, 112), record(22, serverHello()), alert(2, 80)).alerts, [
      { level: 1, description: 112, late: false },
      { level: 2, description: 80, late: false },
    ])
    const inside = encrypted('handshake', [
      { type: 22, data: message(8, vector(2)) },
      { type: 21, data: Buffer.from([2, 51]) },
    ])
    assert.deepEqual(readServerFlight(Buffer.concat([record(22, serverHello13()), inside]), keylog).alerts, [
      { level: 2, description: 51, late: false },
    ])
    const after = encrypted('traffic', [
      { type: 22, data: message(4, Buffer.alloc(20)) },
      { type: 23, data: Buffer.from('hello') },
      { type: 21, data: Buffer.from([2, 116]) },
    ])
    const late = read13(serverHello13(), flight13.slice(1), after)
    assert.deepEqual([late.alerts, late.ticket, late.unread], [[{ level: 2, description: 116, late: true }], true, ''])
  })

  it('that asks for another key share goes on after it', () => {
    const bytes = Buffer.concat([
      record(22, helloRetry()),
      record(20, Buffer.from([1])),
      record(22, serverHello13()),
      encrypted('handshake', [{ type: 22, data: Buffer.concat(flight13.slice(1)) }]),
    ])
    const read = readServerFlight(bytes, keylog)
    assert.deepEqual([read.helloRetry, read.served, read.unread], [true, [one], ''])
    assert.deepEqual(readServerFlight(bytes.subarray(0, 50), keylog).served, [])
  })

  const broken: readonly (readonly [string, Buffer, RegExp])[] = [
    ['half a record header', Buffer.from([22, 3, 3]), /3 bytes of a record's header/],
    ['half a record', record(22, serverHello()).subarray(0, 30), /of \d+ bytes of the record/],
    ['half a message', record(22, serverHello().subarray(0, 30)), /incomplete message/],
    [
      'junk after a record',
      Buffer.concat([record(22, serverHello()), Buffer.from('GET /')]),
      /not the start of a TLS record/,
    ],
    [
      'a record too long',
      Buffer.concat([Buffer.from([22, 3, 3, 0xff, 0xff]), Buffer.alloc(70_000)]),
      /a record of 65535 bytes/,
    ],
    [
      'a ServerHello cut short inside',
      record(22, message(2, Buffer.alloc(10))),
      /malformed handshake message of type 2/,
    ],
    [
      'a version extension of three bytes',
      record(22, serverHello({ extensions: [extension(43, Buffer.alloc(3))] })),
      /type 2$/,
    ],
    ['an alert of three bytes', record(21, Buffer.alloc(3)), /malformed alert/],
    [
      'a certificate list that is too short',
      record(22, Buffer.concat([serverHello(), message(11, number(9, 3), vector(3, one))])),
      /type 11/,
    ],
    [
      'a certificate without bytes',
      record(22, Buffer.concat([serverHello(), certificate12(one, Buffer.alloc(0))])),
      /type 11/,
    ],
    ['a status that is none', record(22, Buffer.concat([serverHello(), message(22, Buffer.from([9]))])), /type 22/],
    ['compressed certificates', record(22, Buffer.concat([serverHello(), message(25, Buffer.alloc(9))])), /compressed/],
    ['application data at once', record(23, Buffer.alloc(40)), /application data in the middle/],
    ['thousands of records', Buffer.concat(Array.from({ length: 5000 }, () => alert(1, 90))), /more than 4096 records/],
  ]
  for (const [what, bytes, why] of broken) {
    it(`with ${what} says so`, () => {
      const read = readServerFlight(bytes, keylog)
      assert.match(read.unread, why)
      assert.deepEqual(read.served, [])
    })
  }

  it('of nothing is read as nothing', () => {
    const read = readServerFlight(Buffer.alloc(0), [])
    assert.deepEqual([read.version, read.plainProtocol, read.unread, read.firstBytes.length], ['', null, '', 0])
  })

  it('in megabytes of small records costs no more than its length', () => {
    const started = process.cpuUsage()
    const flood = Buffer.concat([
      record(22, serverHello()),
      ...Array.from({ length: 200_000 }, () => record(22, Buffer.from([11]))),
    ])
    readServerFlight(flood, [])
    const { user } = process.cpuUsage(started)
    assert.ok(user < 1_000_000, `${user} µs`)
  })

  it('is the same certificate that the runtime reads', () => {
    assert.equal(
      new X509Certificate(read12(record(22, serverHello()), record(22, certificate12(one))).served[0] as Buffer)
        .subject,
      'CN=a.internal',
    )
  })
})
