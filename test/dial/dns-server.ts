import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'

/** What a name answers with. A family that is absent has no record; `silent`: no answer at all; `servfail`: a failure. */
export interface Zone {
  readonly a?: readonly string[] | 'silent' | 'servfail'
  readonly aaaa?: readonly string[] | 'silent' | 'servfail'
  /** Seconds. Default: 300. */
  readonly ttl?: number
  /** Answers wait for this. */
  readonly after?: Promise<unknown>
}

/** A name server over UDP that a test rewrites as it goes. */
export interface DnsServer extends AsyncDisposable {
  /** `IP:port`. */
  readonly address: string
  /** Names that are not here do not exist. */
  readonly zones: Map<string, Zone>
  /** Questions so far, `A name` or `AAAA name`. */
  readonly asked: readonly string[]
  /** Resolves with the `count`th question like `what` that is asked from the start of the server. */
  question(what: string, count: number): Promise<void>
}

const types: Readonly<Record<number, 'a' | 'aaaa'>> = { 1: 'a', 28: 'aaaa' }

export async function startDnsServer(zones: Readonly<Record<string, Zone>> = {}): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const byName = new Map(Object.entries(zones))
  const asked: string[] = []
  const waiting = new Set<() => void>()
  socket.on('message', (query, from) => {
    const { name, type, end } = questionOf(query)
    const kind = types[type]
    if (kind === undefined) return
    asked.push(`${kind.toUpperCase()} ${name}`)
    for (const look of waiting) look()
    void reply(query.subarray(0, end), name, kind, from)
  })

  async function reply(query: Buffer, name: string, kind: 'a' | 'aaaa', from: RemoteInfo): Promise<void> {
    const zone = byName.get(name)
    await zone?.after
    const records = zone?.[kind]
    if (records === 'silent') return
    const failed = records === 'servfail'
    const rcode = zone === undefined ? 3 : failed ? 2 : 0
    const answers = failed ? [] : (records ?? []).map((text) => recordOf(kind, text, zone?.ttl ?? 300))
    const head = Buffer.from(query)
    head.writeUInt16BE(0x8180 | rcode, 2)
    head.writeUInt16BE(answers.length, 6)
    head.writeUInt16BE(0, 8)
    head.writeUInt16BE(0, 10)
    if (closed) return
    socket.send(Buffer.concat([head, ...answers]), from.port, from.address)
  }

  let closed = false
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    zones: byName,
    asked,
    question: (what, count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (asked.filter((each) => each === what).length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      closed = true
      socket.close()
      await once(socket, 'close')
    },
  }
}

/** RFC 1035 section 4.1.2; what follows the question (EDNS) is not looked at. */
function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

/** RFC 1035 section 4.1.3, the name as a pointer to the question. */
function recordOf(kind: 'a' | 'aaaa', text: string, ttl: number): Buffer {
  const data = kind === 'a' ? Buffer.from(text.split('.').map(Number)) : ipv6Bytes(text)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(kind === 'a' ? 1 : 28, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function ipv6Bytes(text: string): Buffer {
  const [left = [], right = []] = text.split('::').map((part) => (part === '' ? [] : part.split(':')))
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex')
}
