import { isIPv6 } from 'node:net'

/*
 * What a probe has sent and received, as a file that tcpdump and Wireshark read: libpcap's classic format with Ethernet frames.
 * The gateway sees a stream and no packets, so the frames are made for it: bytes, order, times and how it ended are those of
 * the connection; addresses of the link, windows, sizes of segments and acknowledgements are not. No key log goes with it. (I7)
 */

export interface CapturedPiece {
  /** Ms since the epoch, with fractions. */
  readonly at: number
  readonly from: 'gateway' | 'backend'
  readonly bytes: Uint8Array
}

export interface CapturedConnection {
  readonly gateway: Endpoint
  readonly backend: Endpoint
  readonly pieces: readonly CapturedPiece[]
  /** Who ended it, and whether in order (FIN) or not (RST). */
  readonly ended: { readonly by: 'gateway' | 'backend'; readonly how: 'fin' | 'rst' }
}

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export function pcapFile(connection: CapturedConnection): Buffer {
  return Buffer.concat([fileHeader(), ...frames(connection)])
}

const flags = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const
const linkEthernet = 1
const snapLength = 262_144
/** Of Ethernet without options. */
const segmentBytes = 1440

function fileHeader(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(snapLength, 16)
  header.writeUInt32LE(linkEthernet, 20)
  return header
}

interface Side {
  readonly endpoint: Endpoint
  readonly hardware: Buffer
  next: number
}

function* frames({ gateway, backend, pieces, ended }: CapturedConnection): Generator<Buffer> {
  const sides = {
    gateway: { endpoint: gateway, hardware: hardware(1), next: 1000 },
    backend: { endpoint: backend, hardware: hardware(2), next: 5000 },
  } satisfies Record<string, Side>
  let at = pieces[0]?.at ?? 0
  const last = pieces.at(-1)?.at ?? at
  let number = 0
  const send = (from: 'gateway' | 'backend', flag: number, bytes: Uint8Array = Buffer.alloc(0)): Buffer => {
    const [source, target] = from === 'gateway' ? [sides.gateway, sides.backend] : [sides.backend, sides.gateway]
    const segment = tcpSegment(source, target, flag, bytes)
    source.next = (source.next + bytes.length + ((flag & (flags.syn | flags.fin)) === 0 ? 0 : 1)) >>> 0
    return record(at, frame(source, target, segment, number++))
  }
  yield send('gateway', flags.syn)
  yield send('backend', flags.syn | flags.ack)
  yield send('gateway', flags.ack)
  for (const piece of pieces) {
    at = piece.at
    for (let start = 0; start < piece.bytes.length; start += segmentBytes) {
      const part = piece.bytes.subarray(start, start + segmentBytes)
      const isLast = start + segmentBytes >= piece.bytes.length
      yield send(piece.from, flags.ack | (isLast ? flags.psh : 0), part)
    }
    yield send(other(piece.from), flags.ack)
  }
  at = last
  if (ended.how === 'rst') {
    yield send(ended.by, flags.rst | flags.ack)
    return
  }
  yield send(ended.by, flags.fin | flags.ack)
  yield send(other(ended.by), flags.fin | flags.ack)
  yield send(ended.by, flags.ack)
}

const other = (side: 'gateway' | 'backend') => (side === 'gateway' ? 'backend' : 'gateway')

/** Locally administered (IEEE 802, bit 2 of the first octet). */
const hardware = (last: number): Buffer => Buffer.from([0x02, 0, 0, 0, 0, last])

function record(at: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(16)
  const micros = Math.round(at * 1000)
  header.writeUInt32LE(Math.floor(micros / 1_000_000) >>> 0, 0)
  header.writeUInt32LE(micros % 1_000_000, 4)
  header.writeUInt32LE(bytes.length, 8)
  header.writeUInt32LE(bytes.length, 12)
  return Buffer.concat([header, bytes])
}

function frame(source: Side, target: Side, segment: Buffer, number: number): Buffer {
  const six = isIPv6(source.endpoint.address)
  const type = Buffer.from(six ? [0x86, 0xdd] : [0x08, 0x00])
  const packet = six ? ipv6(source, target, segment) : ipv4(source, target, segment, number)
  return Buffer.concat([target.hardware, source.hardware, type, packet])
}

/** RFC 791 section 3.1. */
function ipv4(source: Side, target: Side, segment: Buffer, number: number): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + segment.length, 2)
  header.writeUInt16BE(number & 0xffff, 4)
  header.writeUInt16BE(0x4000, 6)
  header[8] = 64
  header[9] = tcp
  addressBytes(source.endpoint.address).copy(header, 12)
  addressBytes(target.endpoint.address).copy(header, 16)
  header.writeUInt16BE(checksum([header]), 10)
  return Buffer.concat([header, segment])
}

/** RFC 8200 section 3. */
function ipv6(source: Side, target: Side, segment: Buffer): Buffer {
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(segment.length, 4)
  header[6] = tcp
  header[7] = 64
  addressBytes(source.endpoint.address).copy(header, 8)
  addressBytes(target.endpoint.address).copy(header, 24)
  return Buffer.concat([header, segment])
}

const tcp = 6

/** RFC 9293 section 3.1. */
function tcpSegment(source: Side, target: Side, flag: number, bytes: Uint8Array): Buffer {
  const segment = Buffer.alloc(20 + bytes.length)
  segment.writeUInt16BE(source.endpoint.port, 0)
  segment.writeUInt16BE(target.endpoint.port, 2)
  segment.writeUInt32BE(source.next, 4)
  segment.writeUInt32BE((flag & flags.ack) === 0 ? 0 : target.next, 8)
  segment[12] = 5 << 4
  segment[13] = flag
  segment.writeUInt16BE(0xffff, 14)
  segment.set(bytes, 20)
  const pseudo = Buffer.concat([
    addressBytes(source.endpoint.address),
    addressBytes(target.endpoint.address),
    Buffer.from([0, 0, segment.length >>> 8, segment.length & 0xff, 0, 0, 0, tcp]),
  ])
  segment.writeUInt16BE(checksum([pseudo, segment]), 16)
  return segment
}

/** RFC 1071; each part but the last has an even length. */
function checksum(parts: readonly Buffer[]): number {
  let sum = 0
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/** Of a text that `node:net` takes for an address; a zone is left out. */
function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number))
  const [plain = ''] = address.split('%')
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain)
  const hex = (high: string, low: string): string => ((Number(high) << 8) | Number(low)).toString(16)
  const text =
    dotted === null
      ? plain
      : `${dotted[1]}${hex(dotted[2] ?? '0', dotted[3] ?? '0')}:${hex(dotted[4] ?? '0', dotted[5] ?? '0')}`
  const [head = '', tail] = text.split('::')
  const groups = (part: string): readonly string[] => (part === '' ? [] : part.split(':'))
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const gap = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const bytes = Buffer.alloc(16)
  for (const [at, group] of [...before, ...gap, ...after].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), at * 2)
  return bytes
}
