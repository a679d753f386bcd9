import type { CapturedAlert } from './captured-handshake.ts'
import { type ClientHello, messageTypes, readClientHello } from './handshake-messages.ts'
import { MessageStream } from './message-stream.ts'
import { contentTypes, splitRecords } from './records.ts'

/** The largest ClientHello that is read: ML-KEM's key share takes one to about 1.6 KiB, many tickets to more. (I10) */
const maxBytes = 64 * 1024

/** The first ClientHello of what a client sent; null when it is not there, not complete or malformed. Never throws. */
export function readClientFlight(sent: Uint8Array): ClientHello | null {
  const bytes = Buffer.from(sent.buffer, sent.byteOffset, Math.min(sent.byteLength, maxBytes))
  const messages = new MessageStream(bytes.length)
  for (const { type, body } of splitRecords(bytes).records) {
    if (type !== contentTypes.handshake) return null
    messages.add(body)
    const message = messages.next()
    if (message !== null) return message.type === messageTypes.clientHello ? readClientHello(message.body) : null
  }
  return null
}

/**
 * Alerts that a client sent in clear: a client of OpenSSL encrypts nothing before its own Finished, and what comes after is not
 * read. Never throws.
 */
export function readSentAlerts(sent: Uint8Array): readonly CapturedAlert[] {
  const alerts: CapturedAlert[] = []
  const bytes = Buffer.from(sent.buffer, sent.byteOffset, Math.min(sent.byteLength, maxBytes))
  for (const { type, body } of splitRecords(bytes).records) {
    if (type === contentTypes.applicationData) break
    const [level, description] = body
    if (type !== contentTypes.alert || level === undefined || description === undefined) continue
    // Encrypted with the keys of TLS 1.2 it is longer.
    if (body.length !== 2) break
    alerts.push({ level, description, late: false })
  }
  return alerts
}
