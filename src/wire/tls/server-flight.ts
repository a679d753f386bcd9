import type { CapturedAlert, CapturedCertificateRequest, CapturedHandshake } from './captured-handshake.ts'
import { cipherSuiteName } from './cipher-suites.ts'
import {
  messageTypes,
  readCertificate,
  readCertificateRequest,
  readEcdheGroup,
  readEncryptedExtensions,
  readServerHello,
  readStatus,
} from './handshake-messages.ts'
import { type HandshakeMessage, MessageStream } from './message-stream.ts'
import { namedGroupName } from './named-groups.ts'
import { plainProtocolOf } from './plain-protocol.ts'
import { contentTypes, splitRecords, type TlsRecord } from './records.ts'
import { openRecord, type TrafficKey, trafficKey } from './traffic-keys.ts'
import { tlsVersionName } from './versions.ts'

/** More than any handshake has; what follows is not read. (I10) */
const maxBytes = 1024 * 1024

/**
 * Reads what a server sent, from its first byte on, as far as it can be read: TLS 1.2 up to ChangeCipherSpec, TLS 1.3 to the
 * end where the key log has the secrets of this connection. Never throws; `unread` says why it stopped.
 *
 * @param keylog lines of this one connection in NSS format
 */
export function readServerFlight(received: Uint8Array, keylog: readonly string[]): CapturedHandshake {
  const all = Buffer.from(received.buffer, received.byteOffset, received.byteLength)
  const bytes = all.subarray(0, maxBytes)
  const plainProtocol = plainProtocolOf(bytes)
  const flight = new Flight(bytes.length, keylog)
  let unread = ''
  if (plainProtocol === null) {
    const split = splitRecords(bytes)
    for (const record of split.records) if (!flight.record(record)) break
    unread = flight.unread === '' ? flight.rest(split.unread) : flight.unread
    if (unread === '' && all.length > maxBytes) unread = `more than ${maxBytes} bytes`
  }
  return {
    version: flight.version === null ? '' : tlsVersionName(flight.version),
    cipher: flight.cipher === null ? '' : cipherSuiteName(flight.cipher),
    group: flight.group === null ? '' : namedGroupName(flight.group),
    helloRetry: flight.helloRetry,
    alpn: flight.alpn,
    served: flight.served,
    ocsp: flight.ocsp,
    scts: flight.scts,
    certificateRequest: flight.certificateRequest,
    finished: flight.finished,
    ticket: flight.ticket,
    alerts: flight.alerts,
    plainProtocol,
    firstBytes: Buffer.from(bytes.subarray(0, 64)),
    unread,
  }
}

/** How far the reading of one flight has come. */
class Flight {
  version: number | null = null
  cipher: number | null = null
  group: number | null = null
  helloRetry = false
  alpn: string | null = null
  served: readonly Buffer[] = []
  ocsp: Buffer | null = null
  #certificates = false
  scts: readonly Buffer[] = []
  certificateRequest: CapturedCertificateRequest | null = null
  finished = false
  ticket = false
  unread = ''
  readonly alerts: CapturedAlert[] = []
  readonly #keylog: readonly string[]
  readonly #messages: MessageStream
  #key: TrafficKey | null = null
  /** Finished was the last message under `#key`; the next one is made for the first record after it, and often there is none. */
  #keyEnded = false
  /** The ServerHello that counts has been seen. */
  #agreed = false

  constructor(limit: number, keylog: readonly string[]) {
    this.#keylog = keylog
    this.#messages = new MessageStream(limit)
  }

  /** @returns false when nothing that follows can be read */
  record(record: TlsRecord): boolean {
    const { type, body } = record
    if (type === contentTypes.changeCipherSpec) {
      // TLS 1.3 sends it for show (RFC 8446 appendix D.4). Before, all that follows is encrypted, and no longer needed.
      if (this.#isTls13()) return true
      this.finished = this.version !== null
      return false
    }
    // An alert is in clear until keys are in use; TLS 1.3 then knows records of type 23 only.
    if (type === contentTypes.alert) return this.#alert(body)
    if (type === contentTypes.handshake)
      return this.#key === null ? this.#handshake(body) : this.#stop('a record in clear after the keys')
    if (!this.#isTls13()) return this.#stop('application data in the middle of the handshake')
    if (this.#keyEnded) this.#useLastKey()
    if (this.#key === null) return this.#stop('the key log has no secret for what is encrypted')
    const inner = openRecord(this.#key, record)
    if (inner === null) return this.#stop('a record that the key log does not open')
    if (inner.type === contentTypes.handshake) return this.#handshake(inner.data)
    if (inner.type === contentTypes.alert) return this.#alert(inner.data)
    return inner.type === contentTypes.applicationData || this.#stop(`a record of type ${inner.type}`)
  }

  /** Why the end of the bytes is not the end of the handshake; '' when it is. */
  rest(unread: string): string {
    if (this.finished) return ''
    if (unread !== '') return unread
    return this.#messages.left > 0 ? `${this.#messages.left} bytes of an incomplete message` : ''
  }

  #isTls13(): boolean {
    return this.version !== null && this.version >= tls13
  }

  #stop(why: string): false {
    this.unread = why
    return false
  }

  #alert(data: Buffer): boolean {
    const [level, description] = data
    if (data.length !== 2 || level === undefined || description === undefined) return this.#stop('a malformed alert')
    this.alerts.push({ level, description, late: this.finished })
    return true
  }

  #handshake(data: Buffer): boolean {
    this.#messages.add(data)
    for (let message = this.#messages.next(); message !== null; message = this.#messages.next()) {
      if (!this.#message(message)) return this.#stop(`a malformed handshake message of type ${message.type}`)
      if (this.unread !== '') return false
    }
    return true
  }

  /** @returns false when it is malformed */
  #message({ type, body }: HandshakeMessage): boolean {
    switch (type) {
      case messageTypes.serverHello:
        return this.#serverHello(body)
      case messageTypes.encryptedExtensions: {
        const extensions = readEncryptedExtensions(body)
        if (extensions !== null) this.alpn = extensions.alpn
        return extensions !== null
      }
      case messageTypes.certificate: {
        const entries = readCertificate(body, this.#isTls13())
        // A second one has no place in any handshake, and must not take back what the first has shown.
        if (entries === null || this.#certificates) return false
        this.#certificates = true
        this.served = entries.map(({ der }) => der)
        this.ocsp = entries[0]?.ocsp ?? null
        this.scts = [...this.scts, ...(entries[0]?.scts ?? [])]
        return true
      }
      case messageTypes.serverKeyExchange:
        if (cipherSuiteName(this.cipher ?? 0).startsWith('TLS_ECDHE_')) this.group = readEcdheGroup(body)
        return true
      case messageTypes.certificateStatus:
        this.ocsp = readStatus(body)
        return this.ocsp !== null
      case messageTypes.certificateRequest:
        this.certificateRequest = readCertificateRequest(body, this.version ?? 0)
        return this.certificateRequest !== null
      case messageTypes.compressedCertificate:
        this.unread = 'the certificates are compressed (RFC 8879)'
        return true
      case messageTypes.finished:
        return this.#finished()
      case messageTypes.newSessionTicket:
        this.ticket = this.finished
        return true
      default:
        return true
    }
  }

  #serverHello(body: Buffer): boolean {
    const hello = readServerHello(body)
    // After a HelloRetryRequest another one follows, otherwise none does.
    if (hello === null || this.#agreed) return false
    this.version = hello.version
    this.cipher = hello.cipher
    this.group = hello.group
    if (hello.retry) {
      this.helloRetry = true
      return true
    }
    this.#agreed = true
    this.alpn = hello.alpn
    this.scts = hello.scts
    if (hello.version >= tls13) this.#key = trafficKey(hello.cipher, this.#keylog, 'SERVER_HANDSHAKE_TRAFFIC_SECRET')
    return true
  }

  #finished(): boolean {
    this.finished = true
    this.#keyEnded = this.#key !== null
    return true
  }

  #useLastKey(): void {
    this.#keyEnded = false
    this.#key = trafficKey(this.cipher ?? 0, this.#keylog, 'SERVER_TRAFFIC_SECRET_0')
  }
}

const tls13 = 0x0304
