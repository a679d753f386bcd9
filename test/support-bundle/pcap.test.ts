import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { type CapturedConnection, pcapFile } from '../../src/support/pcap.ts'
import { splitRecords } from '../../src/wire/tls/records.ts'
import { startSupportRig } from './rig.ts'

/** A reader of its own: what the writer says has to be found again, sums included. */
interface Packet {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly flags: string
  readonly sequence: number
  readonly acknowledged: number
  readonly bytes: Buffer
}

function readPcap(file: Buffer): readonly Packet[] {
  assert.equal(file.readUInt32LE(0), 0xa1b2c3d4)
  assert.deepEqual([file.readUInt16LE(4), file.readUInt16LE(6), file.readUInt32LE(20)], [2, 4, 1])
  const packets: Packet[] = []
  let at = 24
  while (at < file.length) {
    const [seconds, micros, kept, length] = [0, 4, 8, 12].map((offset) => file.readUInt32LE(at + offset))
    assert.equal(kept, length)
    packets.push(
      readFrame(file.subarray(at + 16, at + 16 + Number(kept)), Number(seconds) * 1000 + Number(micros) / 1000),
    )
    at += 16 + Number(kept)
  }
  return packets
}

function readFrame(frame: Buffer, at: number): Packet {
  const six = frame.readUInt16BE(12) === 0x86dd
  assert.ok(six || frame.readUInt16BE(12) === 0x0800)
  const packet = frame.subarray(14)
  const head = six ? 40 : 20
  const addresses = packet.subarray(six ? 8 : 12, head)
  if (!six) {
    assert.equal(packet.readUInt16BE(2), packet.length)
    assert.equal(sum(packet.subarray(0, 20)), 0xffff, 'sum of the IPv4 header')
  } else assert.equal(packet.readUInt16BE(4), packet.length - 40)
  assert.equal(packet[six ? 6 : 9], 6)
  const segment = packet.subarray(head)
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(segment.length, 0)
  pseudo[7] = 6
  assert.equal(sum(Buffer.concat([addresses, pseudo, segment])), 0xffff, 'sum of the TCP segment')
  const half = addresses.length / 2
  const place = (bytes: Buffer, port: number): string => `${bytes.toString('hex')}:${port}`
  const bits = segment[13] ?? 0
  const names = ['FIN', 'SYN', 'RST', 'PSH', 'ACK'].filter((_, bit) => (bits & (1 << bit)) !== 0)
  return {
    at,
    from: place(addresses.subarray(0, half), segment.readUInt16BE(0)),
    to: place(addresses.subarray(half), segment.readUInt16BE(2)),
    flags: names.join(' '),
    sequence: segment.readUInt32BE(4),
    acknowledged: segment.readUInt32BE(8),
    bytes: segment.subarray((Number(segment[12]) >> 4) * 4),
  }
}

/** RFC 1071: with the sum that is in there it comes to all ones. */
function sum(bytes: Buffer): number {
  let total = 0
  for (let at = 0; at < bytes.length; at += 2) total += (Number(bytes[at]) << 8) + (bytes[at + 1] ?? 0)
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000)
  return total
}

/** Both directions, put together by sequence numbers alone. */
function streams(packets: readonly Packet[]): Readonly<Record<string, Buffer>> {
  const found: Record<string, Buffer> = {}
  const next = new Map<string, number>()
  for (const { from, to, flags, sequence, acknowledged, bytes } of packets) {
    const expected = next.get(from)
    if (expected !== undefined) assert.equal(sequence, expected, `${flags} of ${from}`)
    next.set(from, (sequence + bytes.length + (/SYN|FIN/.test(flags) ? 1 : 0)) >>> 0)
    if (flags !== 'SYN') assert.equal(acknowledged, next.get(to), `${flags} of ${from}`)
    found[from] = Buffer.concat([found[from] ?? Buffer.alloc(0), bytes])
  }
  return found
}

const hello = Buffer.from('hello of the gateway')
const flight = Buffer.alloc(4001, 'certificate ')
const connection: CapturedConnection = {
  gateway: { address: '127.0.0.1', port: 49152 },
  backend: { address: '10.1.2.255', port: 8443 },
  pieces: [
    { at: 1_763_800_000_123.456, from: 'gateway', bytes: hello },
    { at: 1_763_800_000_125.001, from: 'backend', bytes: flight },
    { at: 1_763_800_000_126.5, from: 'gateway', bytes: Buffer.from([21, 3, 3, 0, 2, 2, 48]) },
  ],
  ended: { by: 'gateway', how: 'fin' },
}

describe('a capture', () => {
  it('has each byte once, in order, with sums that add up, and opens and ends as TCP does', () => {
    const packets = readPcap(pcapFile(connection))
    const both = streams(packets)
    assert.deepEqual(both['7f000001:49152'], Buffer.concat([hello, Buffer.from([21, 3, 3, 0, 2, 2, 48])]))
    assert.deepEqual(both['0a0102ff:8443'], flight)
    assert.deepEqual(
      packets.slice(0, 3).map(({ flags }) => flags),
      ['SYN', 'SYN ACK', 'ACK'],
    )
    assert.deepEqual(
      packets.slice(-3).map(({ flags }) => flags),
      ['FIN ACK', 'FIN ACK', 'ACK'],
    )
    assert.equal(packets.at(-3)?.from, '7f000001:49152')
    const times = packets.filter(({ bytes }) => bytes.length > 0).map(({ at }) => at)
    assert.deepEqual([...new Set(times)], [1_763_800_000_123.456, 1_763_800_000_125.001, 1_763_800_000_126.5])
    for (const { bytes } of packets) assert.ok(bytes.length <= 1440)
  })

  const endings: readonly (readonly [CapturedConnection['ended'], string, string])[] = [
    [{ by: 'backend', how: 'rst' }, '0a0102ff:8443', 'RST ACK'],
    [{ by: 'backend', how: 'fin' }, '0a0102ff:8443', 'FIN ACK'],
    [{ by: 'gateway', how: 'rst' }, '7f000001:49152', 'RST ACK'],
  ]
  for (const [ended, by, flags] of endings) {
    it(`says that the ${ended.by} ended it with ${ended.how.toUpperCase()}`, () => {
      const packets = readPcap(pcapFile({ ...connection, ended }))
      streams(packets)
      const first = packets.find((each) => /FIN|RST/.test(each.flags))
      assert.deepEqual([first?.from, first?.flags], [by, flags])
    })
  }

  const addresses: readonly (readonly [string, string])[] = [
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ]
  for (const [address, hex] of addresses) {
    it(`writes the address ${address}`, () => {
      const backend = { address, port: 1 }
      const packets = readPcap(pcapFile({ ...connection, gateway: { address: '::1', port: 2 }, backend }))
      assert.deepEqual(streams(packets)[`${hex}:1`], flight)
    })
  }

  it('of a probe has the handshake as it was: a ClientHello, the answer, and who gave up', {
    timeout: 30_000,
  }, async (context) => {
    await using rig = await startSupportRig(['missing-root', 'handshake-closed'])
    const of = async (target: string) => {
      const bundle = await rig.bundle({ target, capture: true })
      const [capture] = [...bundle.files].filter(([name]) => name.endsWith('.pcap'))
      return { file: capture?.[1] ?? Buffer.alloc(0), text: bundle.text('manifest.json') }
    }
    const { file, text } = await of('missing-root')
    const packets = readPcap(file)
    const [client = Buffer.alloc(0), server = Buffer.alloc(0)] = Object.values(streams(packets))
    assert.deepEqual([splitRecords(client).records[0]?.type, splitRecords(server).records[0]?.type], [22, 22])
    assert.ok(client.includes('missing-root.lab.test'), 'SNI')
    assert.match(packets.at(-1)?.flags ?? '', /ACK/)
    assert.doesNotMatch(text, /CLIENT_HANDSHAKE_TRAFFIC_SECRET/)
    const closed = readPcap((await of('handshake-closed')).file)
    const end = closed.find(({ flags }) => /FIN|RST/.test(flags))
    assert.equal(end?.from, closed[0]?.to, 'the backend ended it')
    const tshark = await promisify(execFile)('tshark', ['--version']).catch(() => null)
    if (tshark === null) return context.diagnostic('skipped: no tshark')
    const folder = await mkdtemp(join(tmpdir(), 'postern-pcap-'))
    try {
      const path = join(folder, 'a.pcap')
      await writeFile(path, file)
      const { stdout } = await promisify(execFile)('tshark', [
        '-r',
        path,
        '-d',
        `tcp.port==${rig.lab.backend('missing-root').port},tls`,
      ])
      assert.match(stdout, /Client Hello/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
