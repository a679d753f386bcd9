import type { CapturedAlert } from './captured-handshake.ts'
import { cipherSuiteName } from './cipher-suites.ts'
import { type ClientHello, messageTypes, readClientHello } from './handshake-messages.ts'
import { MessageStream } from './message-stream.ts'
import { contentTypes, splitRecords } from './records.ts'
import { openRecord, tls13Suites, type TrafficKey, trafficKey } from './traffic-keys.ts'

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
 * Alerts that a client sent, as far as they can be read: in clear, and in TLS 1.3 where the key log has the secrets. Never throws.
 *
 * @param version of the ServerHello, `TLSv1.3`; '' where none came
 * @param cipher that it chose, by its IANA name
 */
export function readSentAlerts(
  sent: Uint8Array,
  keylog: readonly string[],
  version: string,
  cipher: string,
): readonly CapturedAlert[] {
  const alerts: CapturedAlert[] = []
  const suite = tls13Suites.find((number) => cipherSuiteName(number) === cipher)
  let key: TrafficKey | null = null
  let late = false
  const bytes = Buffer.from(sent.buffer, sent.byteOffset, Math.min(sent.byteLength, maxBytes))
  const messages = new MessageStream(bytes.length)
  for (const record of splitRecords(bytes).records) {
    let { type, body }: { type: number; body: Buffer } = record
    if (type === contentTypes.changeCipherSpec) {
      // TLS 1.3 sends it for show; before, all that follows is encrypted with what is not derived here.
      if (version !== 'TLSv1.3') break
      continue
    }
    if (type === contentTypes.applicationData) {
      if (suite === undefined || version !== 'TLSv1.3') break
      key ??= trafficKey(suite, keylog, late ? 'CLIENT_TRAFFIC_SECRET_0' : 'CLIENT_HANDSHAKE_TRAFFIC_SECRET')
      const inner = key === null ? null : openRecord(key, record)
      if (inner === null) break
      ;({ type, data: body } = inner)
      if (type === contentTypes.handshake && hasFinished(messages, body)) {
        late = true
        key = null
      }
    }
    const [level, description] = body
    if (type === contentTypes.alert && body.length === 2 && level !== undefined && description !== undefined) {
      alerts.push({ level, description, late })
    }
  }
  return alerts
}

function hasFinished(messages: MessageStream, data: Buffer): boolean {
  messages.add(data)
  for (let message = messages.next(); message !== null; message = messages.next()) {
    if (message.type === messageTypes.finished) return true
  }
  return false
}
