import {
  createCipheriv,
  createHash,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  constants,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/**
 * A TLS 1.2 server that does just what it takes to complete one handshake, so that it can present any bytes at all as
 * certificates: OpenSSL refuses to serve some that others do serve.
 */
export interface RawTlsServer extends AsyncDisposable {
  readonly port: number
  /** What the connections from now on are shown. */
  present(certificates: readonly Buffer[], leafKey: KeyObject): void
}

export async function startRawTlsServer(): Promise<RawTlsServer> {
  let shown: { readonly certificates: readonly Buffer[]; readonly leafKey: KeyObject } | null = null
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket))
    if (shown !== null) serve(socket, shown.certificates, shown.leafKey)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    present: (certificates, leafKey) => {
      shown = { certificates, leafKey }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}

const handshakeRecord = 22
const x25519 = 0x001d

function serve(socket: Socket, certificates: readonly Buffer[], leafKey: KeyObject): void {
  const transcript: Buffer[] = []
  const random = randomBytes(32)
  const share = generateKeyPairSync('x25519')
  let clientRandom: Buffer | null = null
  let received = Buffer.alloc(0)
  const say = (message: Buffer): Buffer => {
    transcript.push(message)
    return message
  }
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes])
    while (received.length >= 5 && received.length >= 5 + received.readUInt16BE(3)) {
      const end = 5 + received.readUInt16BE(3)
      const type = received[0] as number
      const body = received.subarray(5, end)
      received = received.subarray(end)
      if (type !== handshakeRecord) continue
      if (clientRandom === null) {
        transcript.push(Buffer.from(body))
        clientRandom = Buffer.from(body.subarray(6, 38))
        const flight = [
          say(serverHello(random, leafKey)),
          say(certificateMessage(certificates)),
          say(keyExchange(clientRandom, random, share.publicKey, leafKey)),
          say(message(14, Buffer.alloc(0))),
        ]
        for (const record of records(handshakeRecord, Buffer.concat(flight))) socket.write(record)
      } else if (body[0] === 16) {
        transcript.push(Buffer.from(body))
        const shared = diffieHellman({ privateKey: share.privateKey, publicKey: publicOf(body.subarray(5)) })
        const master = prf(shared, 'master secret', Buffer.concat([clientRandom, random]), 48)
        const verify = (label: string): Buffer =>
          message(20, prf(master, label, createHash('sha256').update(Buffer.concat(transcript)).digest(), 12))
        // What the client has sent, encrypted: it can only be this, or the client is not one.
        say(verify('client finished'))
        const finished = verify('server finished')
        const block = prf(master, 'key expansion', Buffer.concat([random, clientRandom]), 40)
        const sealed = seal(finished, block.subarray(16, 32), block.subarray(36, 40))
        socket.write(Buffer.concat([...records(20, Buffer.from([1])), ...records(handshakeRecord, sealed)]))
      }
    }
  })
}

function serverHello(random: Buffer, { asymmetricKeyType: kind }: KeyObject): Buffer {
  // ECDHE with AES-128-GCM; a server that does not answer about renegotiation is refused (RFC 5746 section 3.4).
  const suite = kind === 'rsa' || kind === 'rsa-pss' ? 'c02f' : 'c02b'
  return message(
    2,
    Buffer.concat([Buffer.from('0303', 'hex'), random, Buffer.from(`00${suite}000005ff01000100`, 'hex')]),
  )
}

const certificateMessage = (certificates: readonly Buffer[]): Buffer =>
  message(11, sized(Buffer.concat(certificates.map(sized))))

function keyExchange(clientRandom: Buffer, random: Buffer, share: KeyObject, leafKey: KeyObject): Buffer {
  const point = share.export({ format: 'der', type: 'spki' }).subarray(-32)
  const parameters = Buffer.concat([Buffer.from([3, x25519 >> 8, x25519 & 0xff, 32]), point])
  const signed = Buffer.concat([clientRandom, random, parameters])
  const { scheme, signature } = signatureBy(leafKey, signed)
  const tail = Buffer.alloc(4)
  tail.writeUInt16BE(scheme, 0)
  tail.writeUInt16BE(signature.length, 2)
  return message(12, Buffer.concat([parameters, tail, signature]))
}

function signatureBy(key: KeyObject, data: Buffer): { scheme: number; signature: Buffer } {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { scheme: 0x0807, signature: sign(null, data, key) }
    case 'rsa':
      return { scheme: 0x0401, signature: sign('sha256', data, key) }
    case 'rsa-pss': {
      const padding = constants.RSA_PKCS1_PSS_PADDING
      return { scheme: 0x0809, signature: sign('sha256', data, { key, padding, saltLength: 32 }) }
    }
    default:
      return { scheme: 0x0403, signature: sign('sha256', data, key) }
  }
}

/** SPKI of X25519 is its 32 bytes behind this. */
const publicOf = (point: Buffer): KeyObject =>
  createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), point]),
    format: 'der',
    type: 'spki',
  })

/** RFC 5246 section 5. */
function prf(secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const whole = Buffer.concat([Buffer.from(label), seed])
  const mac = (data: Buffer): Buffer => createHmac('sha256', secret).update(data).digest()
  const parts: Buffer[] = []
  let at = mac(whole)
  while (parts.length * 32 < length) {
    parts.push(mac(Buffer.concat([at, whole])))
    at = mac(at)
  }
  return Buffer.concat(parts).subarray(0, length)
}

/** RFC 5288 section 3, for the first record. */
function seal(plain: Buffer, key: Buffer, salt: Buffer): Buffer {
  const explicit = Buffer.alloc(8)
  const cipher = createCipheriv('aes-128-gcm', key, Buffer.concat([salt, explicit]))
  cipher.setAAD(
    Buffer.concat([Buffer.alloc(8), Buffer.from([handshakeRecord, 3, 3, plain.length >> 8, plain.length & 0xff])]),
  )
  return Buffer.concat([explicit, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

const message = (type: number, body: Buffer): Buffer => {
  const whole = sized(body)
  return Buffer.concat([Buffer.from([type]), whole])
}

function sized(body: Buffer): Buffer {
  const length = Buffer.alloc(3)
  length.writeUIntBE(body.length, 0, 3)
  return Buffer.concat([length, body])
}

function records(type: number, data: Buffer): Buffer[] {
  const out: Buffer[] = []
  for (let at = 0; at < data.length; at += 16_384) {
    const part = data.subarray(at, at + 16_384)
    out.push(Buffer.concat([Buffer.from([type, 3, 3, part.length >> 8, part.length & 0xff]), part]))
  }
  return out
}
