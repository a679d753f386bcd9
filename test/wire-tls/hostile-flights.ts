import * as fc from 'fast-check'
import type { CapturedHandshake } from '../../src/wire/tls/captured-handshake.ts'
import { readClientFlight } from '../../src/wire/tls/client-flight.ts'
import { readServerFlight } from '../../src/wire/tls/server-flight.ts'
import { Disagreement } from '../fuzz/target.ts'
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

const one = Buffer.from('3003020101', 'hex')
const two = Buffer.from('3003020102', 'hex')

/** What follows the ServerHello, in clear, by the ways of TLS 1.2 and 1.3. */
const messages12 = Buffer.concat([
  serverHello({
    extensions: [extension(16, vector(2, vector(1, Buffer.from('h2')))), extension(18, vector(2, vector(2, one)))],
  }),
  certificate12(one, two),
  message(22, status(one)),
  message(13, vector(1, Buffer.from([64])), vector(2, number(0x0403, 2)), vector(2, vector(2, one))),
  message(14),
])
const messages13 = Buffer.concat([
  message(8, vector(2, extension(16, vector(2, vector(1, Buffer.from('h2')))))),
  certificateRequest13([one]),
  certificate13([one, extension(5, status(two)), extension(18, vector(2, vector(2, one)))], [two]),
  finished13,
])

export const flightBases: readonly Buffer[] = [
  messages12,
  messages13,
  Buffer.concat([record(22, messages12), record(20, Buffer.from([1])), record(22, Buffer.alloc(40, 5))]),
  Buffer.concat([record(22, helloRetry()), record(20, Buffer.from([1])), record(22, serverHello13())]),
  Buffer.concat([alert(1, 112), record(22, serverHello()), alert(2, 40)]),
  Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
  Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
]

/** Numbers that lengths, types and versions are made of. */
export const flightTokens: readonly Buffer[] = [
  ...[
    '00',
    '01',
    'ff',
    '16',
    '15',
    '14',
    '17',
    '0301',
    '0303',
    '0304',
    '0000',
    'ffff',
    'ffffff',
    '000000',
    '002b',
    '0010',
    '0005',
  ].map((hex) => Buffer.from(hex, 'hex')),
  alert(2, 80),
]

/** How bytes become a flight: as they are, in records of TLS 1.2, or encrypted behind a ServerHello of TLS 1.3. */
export function flightOf(bytes: Buffer, knob: number): Buffer {
  const size = [1, 5, 64, 16_384][(knob >> 2) & 3] as number
  switch (knob & 3) {
    case 0:
      return Buffer.concat(pieces(bytes, size).map((piece) => record(22, piece)))
    case 1:
      return Buffer.concat([
        record(22, serverHello13()),
        encrypted(
          'handshake',
          pieces(bytes, Math.max(size, 64)).map((data) => ({ type: 22, data })),
        ),
        encrypted('traffic', [{ type: 21, data: Buffer.from([2, 116]) }]),
      ])
    default:
      return bytes
  }
}

/**
 * Reads a flight whole and cut off at `cut`. Nothing may be thrown, nothing shown that was not in the bytes, and what is read
 * from a part may not be taken back when more arrives.
 *
 * @returns how far the reading came
 */
export function checkFlight(flight: Buffer, cut: number): string {
  const whole = readServerFlight(flight, keylog)
  const part = readServerFlight(flight.subarray(0, cut), keylog)
  readClientFlight(flight)
  const shown = [
    ...whole.served,
    ...whole.scts,
    ...(whole.certificateRequest?.issuers ?? []),
    ...(whole.ocsp === null ? [] : [whole.ocsp]),
  ]
  const total = shown.reduce((sum, { length }) => sum + length, 0)
  // A later message can show again what an earlier one showed; each byte stands in one of them.
  if (total > flight.length) throw new Disagreement('shows more bytes than there are', { total, length: flight.length })
  if (whole.firstBytes.length > 64) throw new Disagreement('more than 64 first bytes')
  const taken = takenBack(part, whole)
  // Two letters can be the beginning of anything; what it is called may change, that it is no TLS may not.
  if (taken !== '') throw new Disagreement(`takes back ${taken}`, { cut })
  if (whole.plainProtocol !== null) return 'plain'
  if (whole.unread !== '')
    return `unread, ${whole.served.length > 0 ? 'certificates' : whole.version === '' ? 'nothing' : 'hello'}`
  return whole.served.length > 0 ? 'certificates' : whole.alerts.length > 0 ? 'alerts' : 'else'
}

function takenBack(part: CapturedHandshake, whole: CapturedHandshake): string {
  if (part.plainProtocol !== null && whole.plainProtocol === null) return 'that it is no TLS'
  if (part.alerts.some(({ description }, i) => whole.alerts[i]?.description !== description)) return 'an alert'
  if (part.helloRetry && !whole.helloRetry) return 'a HelloRetryRequest'
  if (part.finished && !whole.finished) return 'the end'
  if (part.version !== '' && whole.version === '') return 'the version'
  if (part.served.length > 0 && whole.served.length === 0 && whole.unread === '') return 'the certificates'
  return ''
}

/** Any cut of any bytes. */
export const cutOf = (flight: Buffer, knob: number): number => (flight.length === 0 ? 0 : (knob >> 4) % flight.length)

export const knobs = fc.nat(0xff_ff_ff)
