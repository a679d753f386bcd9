import { isRecordHeader } from './records.ts'

/**
 * Names what speaks instead of TLS, by its first bytes.
 *
 * @returns null where they could be TLS, or are none; `unknown` where they are no protocol of this list
 */
export function plainProtocolOf(bytes: Buffer): string | null {
  if (bytes.length === 0 || isRecordHeader(bytes)) return null
  const text = bytes.toString('latin1', 0, 512)
  return patterns.find(({ is }) => is.test(text))?.protocol ?? binaryProtocolOf(bytes) ?? 'unknown'
}

const patterns: readonly { readonly protocol: string; readonly is: RegExp }[] = [
  { protocol: 'http', is: /^HTTP\/\d|^\s*<(?:!doctype|html|head|\?xml)/i },
  { protocol: 'ssh', is: /^SSH-\d/ },
  // FTP and SMTP greet with the same number (RFC 959, RFC 5321); only what follows tells them apart.
  { protocol: 'smtp', is: /^(?:220|421|554|501|500)[ -][^\r\n]*(?:SMTP|Postfix|Exim|Sendmail|MAIL)/i },
  { protocol: 'ftp', is: /^(?:220|421|530|500)[ -][^\r\n]*FTP|^220[ -]/i },
  { protocol: 'smtp', is: /^(?:421|454|50[0-4]|554)[ -]/ },
  { protocol: 'pop3', is: /^(?:\+OK|-ERR)[ \r\n].*(?:POP|Dovecot|ready|mail)|^\+OK/i },
  { protocol: 'imap', is: /^\* (?:OK|PREAUTH|BYE|BAD)\b/ },
  { protocol: 'redis', is: /^-(?:ERR|NOAUTH|DENIED|LOADING|MISCONF|WRONGPASS)\b|^\+PONG/ },
  { protocol: 'sip', is: /^SIP\/\d/ },
  { protocol: 'rtsp', is: /^RTSP\/\d/ },
  { protocol: 'amqp', is: /^AMQP/ },
  { protocol: 'vnc', is: /^RFB \d{3}\.\d{3}/ },
]

function binaryProtocolOf(bytes: Buffer): string | null {
  const [first, second, third] = bytes
  // An HTTP/2 server begins with SETTINGS on stream 0 (RFC 9113 section 3.4).
  if (bytes.length >= 9 && bytes.readUIntBE(0, 3) <= 256 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0)
    return 'http2'
  // PostgreSQL answers a request for TLS with one letter, and an unknown start packet with an ErrorResponse.
  if (bytes.length === 1 && (first === 0x4e || first === 0x53)) return 'postgresql'
  if (
    first === 0x45 &&
    bytes.length >= 6 &&
    bytes.readUInt32BE(1) < 65_536 &&
    /[SVCM]/.test(String.fromCharCode(bytes[5] as number))
  ) {
    return 'postgresql'
  }
  // MySQL greets with a packet: length, sequence number 0, protocol version 10 or an error (0xff).
  if (bytes.length >= 6 && bytes[3] === 0 && (bytes[4] === 10 || bytes[4] === 0xff) && bytes.readUIntLE(0, 3) < 1024) {
    return 'mysql'
  }
  // SSL 2.0: a two-byte length with the high bit set, then SERVER-HELLO (4) or ERROR (0).
  if (
    first !== undefined &&
    second !== undefined &&
    (first & 0x80) !== 0 &&
    (third === 4 || (third === 0 && second === 3))
  ) {
    return 'sslv2'
  }
  // Telnet negotiates options before it says anything.
  if (first === 0xff && second !== undefined && second >= 0xfb && second <= 0xfe) return 'telnet'
  return null
}
