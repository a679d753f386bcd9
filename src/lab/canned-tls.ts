/** Single messages of a TLS server, for backends that never finish a handshake. They hold for any ClientHello. */

/** A fatal alert before any keys exist (RFC 5246 section 7.2). */
export function fatalAlert(description: number): Buffer {
  return Buffer.from([alertRecord, 3, 3, 0, 2, 2, description])
}

/** A ServerHello of TLS 1.2 with a suite and a random that any client takes. */
export function serverHello12(): Buffer {
  // RFC 5746: clients refuse a server that does not know secure renegotiation.
  const renegotiationInfo = [0xff, 0x01, 0, 1, 0]
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 0x5a),
    Buffer.from([0, ecdheEcdsaAes128Gcm >> 8, ecdheEcdsaAes128Gcm & 0xff, 0]),
    Buffer.from([0, renegotiationInfo.length, ...renegotiationInfo]),
  ])
  return handshakeRecord(2, body)
}

/** The Certificate message of TLS 1.2; what it holds need not be certificates. */
export function certificate12(entries: readonly Buffer[]): Buffer {
  const list = Buffer.concat(entries.flatMap((entry) => [size24(entry.length), entry]))
  return handshakeRecord(11, Buffer.concat([size24(list.length), list]))
}

function handshakeRecord(type: number, body: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([type]), size24(body.length), body])
  const head = Buffer.from([handshakeContent, 3, 3, 0, 0])
  head.writeUInt16BE(message.length, 3)
  return Buffer.concat([head, message])
}

function size24(size: number): Buffer {
  return Buffer.from([size >> 16, (size >> 8) & 0xff, size & 0xff])
}

const alertRecord = 21
const handshakeContent = 22
const ecdheEcdsaAes128Gcm = 0xc02b
