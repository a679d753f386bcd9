import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { getCiphers } from 'node:tls'
import { cipherSuiteName, opensslCipherName } from '../../src/wire/tls/cipher-suites.ts'
import { plainProtocolOf } from '../../src/wire/tls/plain-protocol.ts'
import { tlsVersionName } from '../../src/wire/tls/versions.ts'

const numbers = Array.from({ length: 0x10000 }, (_, number) => number).filter(
  (number) => !cipherSuiteName(number).startsWith('0x'),
)
const certified = (name: string): boolean => !/PSK|SRP|anon|NULL/.test(name)
const openssl = spawnSync('openssl', ['ciphers', '-V', '-stdname', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'], {
  encoding: 'latin1',
})

describe('cipher suites', () => {
  it('of the runtime all have a name', () => {
    const known = new Set(numbers.map((number) => opensslCipherName(cipherSuiteName(number)).toLowerCase()))
    const missing = getCiphers().filter((name) => !/psk|srp|^adh|^aecdh|null/.test(name) && !known.has(name))
    assert.deepEqual(missing, [])
  })

  it('are named as OpenSSL names them', { skip: openssl.status === 0 ? false : 'no openssl' }, () => {
    const lines = openssl.stdout.split('\n').flatMap((line) => {
      const match = /0x(..),0x(..) - (\S+)\s+- (\S+)/.exec(line)
      return match === null
        ? []
        : [{ number: Number(`0x${match[1]}${match[2]}`), name: match[3] as string, ours: match[4] as string }]
    })
    assert.ok(lines.length > 50)
    for (const { number, name, ours } of lines) {
      assert.equal(cipherSuiteName(number), name)
      if (certified(name)) assert.equal(opensslCipherName(name), ours)
    }
  })

  it('that nobody registered are their number', () => {
    assert.equal(cipherSuiteName(0x0a0a), '0x0A0A')
    assert.equal(tlsVersionName(0x7f1c), '0x7F1C')
  })
})

describe('first bytes that are not TLS', () => {
  const cases: readonly (readonly [string | null, string | readonly number[]])[] = [
    [null, ''],
    [null, [21, 3, 1, 0, 2, 2, 40]],
    [null, [22, 3]],
    [null, [21, 3, 0, 0, 2, 2, 40]],
    ['http', 'HTTP/1.1 400 Bad Request\r\n'],
    ['http', '<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port'],
    ['http2', [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128]],
    ['ssh', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'],
    ['smtp', '220 mail.example.com ESMTP Postfix\r\n'],
    ['smtp', '554 no SMTP service here\r\n'],
    ['smtp', '500 5.5.2 Error: bad syntax\r\n'],
    ['ftp', '220 (vsFTPd 3.0.5)\r\n'],
    ['ftp', '220 ProFTPD Server ready.\r\n'],
    ['pop3', '+OK Dovecot ready.\r\n'],
    ['imap', '* OK [CAPABILITY IMAP4rev1] ready\r\n'],
    ['redis', "-ERR unknown command '\\x16\\x03'\r\n"],
    ['redis', '-DENIED Redis is running in protected mode\r\n'],
    ['postgresql', 'N'],
    ['postgresql', 'S'],
    ['postgresql', 'E\0\0\0\x60SFATAL\0VFATAL\0C0A000\0Munsupported frontend protocol'],
    ['mysql', [0x4a, 0, 0, 0, 10, 0x38, 0x2e, 0x30]],
    ['mysql', [0x45, 0, 0, 0, 0xff, 0x6a, 4]],
    ['sslv2', [0x80, 0x2e, 4, 0, 1, 0, 2]],
    ['sslv2', [0x80, 0x03, 0, 0, 1]],
    ['telnet', [0xff, 0xfd, 0x18, 0xff, 0xfd, 0x20]],
    ['vnc', 'RFB 003.008\n'],
    ['amqp', 'AMQP\0\0\x09\x01'],
    ['unknown', 'xy'],
    ['unknown', [0, 0, 0, 0]],
    ['unknown', [7, 42]],
  ]
  for (const [protocol, bytes] of cases) {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes)
    it(`${JSON.stringify(buffer.toString('latin1').slice(0, 24))} are ${protocol ?? 'TLS or nothing'}`, () => {
      assert.equal(plainProtocolOf(buffer), protocol)
    })
  }
})
