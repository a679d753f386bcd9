import { createCipheriv, createHmac } from 'node:crypto'

/** Flights written by hand: the same bytes every time, and any nonsense that no server would send. */

export const record = (type: number, body: Buffer, version = 0x0303): Buffer =>
  Buffer.concat([Buffer.from([type, version >> 8, version & 0xff]), number(body.length, 2), body])

export const message = (type: number, ...body: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([type]), vector(3, ...body)])

export const alert = (level: number, description: number): Buffer => record(21, Buffer.from([level, description]))

/** Parts behind their length. */
export function vector(lengthBytes: 1 | 2 | 3, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([number(body.length, lengthBytes), body])
}

export function number(value: number, width: 1 | 2 | 3): Buffer {
  const bytes = Buffer.alloc(width)
  bytes.writeUIntBE(value, 0, width)
  return bytes
}

export const extension = (type: number, body: Buffer): Buffer => Buffer.concat([number(type, 2), vector(2, body)])

export interface HelloOptions {
  readonly cipher?: number
  readonly legacyVersion?: number
  readonly random?: Buffer
  readonly extensions?: readonly Buffer[]
}

export function serverHello({
  cipher = 0xc02b,
  legacyVersion = 0x0303,
  random = Buffer.alloc(32, 7),
  extensions = [],
}: HelloOptions = {}): Buffer {
  return message(
    2,
    number(legacyVersion, 2),
    random,
    vector(1),
    number(cipher, 2),
    Buffer.from([0]),
    vector(2, ...extensions),
  )
}

export const serverHello13 = (cipher = 0x1301): Buffer =>
  serverHello({ cipher, extensions: [extension(43, number(0x0304, 2))] })

export const helloRetry = (cipher = 0x1301): Buffer =>
  serverHello({
    cipher,
    random: Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'),
    extensions: [extension(43, number(0x0304, 2))],
  })

export const certificate12 = (...ders: readonly Buffer[]): Buffer =>
  message(11, vector(3, ...ders.map((der) => vector(3, der))))

/** Each certificate with its block of extensions. */
export const certificate13 = (...entries: readonly (readonly [Buffer, ...Buffer[]])[]): Buffer =>
  message(
    11,
    vector(1),
    vector(3, ...entries.flatMap(([der, ...extensions]) => [vector(3, der), vector(2, ...extensions)])),
  )

export const status = (response: Buffer): Buffer => Buffer.concat([Buffer.from([1]), vector(3, response)])

export const certificateRequest13 = (issuers: readonly Buffer[], schemes: readonly number[] = [0x0403]): Buffer =>
  message(
    13,
    vector(1),
    vector(
      2,
      extension(13, vector(2, ...schemes.map((scheme) => number(scheme, 2)))),
      extension(47, vector(2, ...issuers.map((name) => vector(2, name)))),
    ),
  )

export const finished13 = message(20, Buffer.alloc(32, 9))

/** The secrets of every flight made here. */
const handshakeSecret = Buffer.alloc(32, 1)
const trafficSecret = Buffer.alloc(32, 2)
export const keylog: readonly string[] = [
  `SERVER_HANDSHAKE_TRAFFIC_SECRET ${'00'.repeat(32)} ${handshakeSecret.toString('hex')}\n`,
  `SERVER_TRAFFIC_SECRET_0 ${'00'.repeat(32)} ${trafficSecret.toString('hex')}\n`,
]

/** Encrypts with TLS_AES_128_GCM_SHA256, one record for each piece. */
export function encrypted(
  phase: 'handshake' | 'traffic',
  pieces: readonly { readonly type: number; readonly data: Buffer }[],
  padding = 0,
): Buffer {
  const secret = phase === 'handshake' ? handshakeSecret : trafficSecret
  const key = expand(secret, 'key', 16)
  const iv = expand(secret, 'iv', 12)
  return Buffer.concat(
    pieces.map(({ type, data }, sequence) => {
      const inner = Buffer.concat([data, Buffer.from([type]), Buffer.alloc(padding)])
      const header = Buffer.concat([Buffer.from([23, 3, 3]), number(inner.length + 16, 2)])
      const nonce = Buffer.from(iv)
      nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8)
      const cipher = createCipheriv('aes-128-gcm', key, nonce).setAAD(header)
      return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()])
    }),
  )
}

function expand(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([number(length, 2), vector(1, name), Buffer.from([0, 1])])
  return createHmac('sha256', secret).update(info).digest().subarray(0, length)
}

/** Cut into pieces of `size` bytes. */
export function pieces(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}
