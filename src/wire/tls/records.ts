/** Content types (RFC 8446 section 5.1). */
export const contentTypes = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

export interface TlsRecord {
  readonly type: number
  /** The five bytes in front of the body; additional data of TLS 1.3's encryption. */
  readonly header: Buffer
  readonly body: Buffer
}

export interface Records {
  readonly records: readonly TlsRecord[]
  /** Why what follows was not read; '' when nothing does. An incomplete last record is a reason. */
  readonly unread: string
}

/** TLS 1.2's limit (RFC 5246 section 6.2.3); that of TLS 1.3 is lower. */
const maxBody = 16_384 + 2048
/** A handshake has a few dozen; hostile ones are one byte long each. (I10) */
const maxRecords = 4096

/** Cuts a stream into TLS records, without copying. */
export function splitRecords(bytes: Buffer): Records {
  const records: TlsRecord[] = []
  let at = 0
  while (at < bytes.length) {
    if (records.length === maxRecords) return { records, unread: `more than ${maxRecords} records` }
    if (bytes.length - at < 5) return { records, unread: `${bytes.length - at} bytes of a record's header` }
    const header = bytes.subarray(at, at + 5)
    if (!isRecordHeader(header)) return { records, unread: `byte ${at} is not the start of a TLS record` }
    const length = header.readUInt16BE(3)
    if (length > maxBody) return { records, unread: `a record of ${length} bytes at byte ${at}` }
    if (bytes.length - at - 5 < length) {
      return { records, unread: `${bytes.length - at - 5} of ${length} bytes of the record at byte ${at}` }
    }
    records.push({ type: header[0] as number, header, body: bytes.subarray(at + 5, at + 5 + length) })
    at += 5 + length
  }
  return { records, unread: '' }
}

/** Whether the first bytes, as many as there are, could begin a record of SSL 3.0 or later. */
export function isRecordHeader(bytes: Buffer): boolean {
  const [type, major, minor] = bytes
  return (
    (type === undefined || (type >= contentTypes.changeCipherSpec && type <= contentTypes.applicationData)) &&
    (major === undefined || major === 3) &&
    (minor === undefined || minor <= 4)
  )
}
