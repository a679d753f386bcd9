import { Cursor } from './cursor.ts'

/** Handshake types (RFC 8446 section 4, RFC 5246 section 7.4, RFC 6066 section 8). */
export const messageTypes = {
  clientHello: 1,
  serverHello: 2,
  newSessionTicket: 4,
  encryptedExtensions: 8,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  finished: 20,
  certificateStatus: 22,
  compressedCertificate: 25,
} as const

const extensionTypes = {
  serverName: 0,
  statusRequest: 5,
  groups: 10,
  signatureAlgorithms: 13,
  alpn: 16,
  signedCertificateTimestamps: 18,
  supportedVersions: 43,
  certificateAuthorities: 47,
  keyShare: 51,
} as const

export interface ServerHello {
  /** Of the protocol that is really spoken (extension 43 where it is there). */
  readonly version: number
  readonly cipher: number
  /** It is a HelloRetryRequest (RFC 8446 section 4.1.4); another one follows. */
  readonly retry: boolean
  /** Number of the named group in its key share; null: it has none, as before TLS 1.3. */
  readonly group: number | null
  readonly alpn: string | null
  readonly scts: readonly Buffer[]
}

export interface ServedEntry {
  readonly der: Buffer
  /** DER of an OCSP response; TLS 1.3 staples one to each certificate. */
  readonly ocsp: Buffer | null
  readonly scts: readonly Buffer[]
}

export interface CertificateRequest {
  readonly issuers: readonly Buffer[]
  readonly signatureAlgorithms: readonly number[]
}

export interface ClientHello {
  /** Newest first, as offered; of old clients the one of the hello itself. */
  readonly versions: readonly number[]
  readonly random: Buffer
  readonly ciphers: readonly number[]
  /** SNI; null: none was sent. */
  readonly serverName: string | null
  readonly alpn: readonly string[]
  readonly groups: readonly number[]
  readonly signatureAlgorithms: readonly number[]
  /** All extensions, by number, in order. */
  readonly extensions: readonly number[]
}

/** Limits on lists that a peer fills (I10). OpenSSL gives up far earlier, at 100 KiB of certificates. */
const maxCertificates = 1024
const maxListed = 4096

/** RFC 8446 section 4.1.3. @returns null when malformed, as every reader here */
export function readServerHello(body: Buffer): ServerHello | null {
  const at = new Cursor(body)
  const legacyVersion = at.u16()
  const random = at.take(32)
  at.vector(1)
  const cipher = at.u16()
  at.u8()
  const extensions = readExtensions(at)
  if (extensions === null) return null
  const chosen = extensions.get(extensionTypes.supportedVersions)
  if (chosen !== undefined && chosen.length !== 2) return null
  const share = extensions.get(extensionTypes.keyShare)
  return {
    version: chosen === undefined ? legacyVersion : chosen.readUInt16BE(0),
    cipher,
    retry: random.equals(retryRandom),
    // Of a HelloRetryRequest it is the group alone, else its key follows (RFC 8446 section 4.2.8).
    group: share === undefined || share.length < 2 ? null : share.readUInt16BE(0),
    alpn: readAlpn(extensions.get(extensionTypes.alpn))?.[0] ?? null,
    scts: readScts(extensions.get(extensionTypes.signedCertificateTimestamps)),
  }
}

/** ALPN of EncryptedExtensions (RFC 8446 section 4.3.1). */
export function readEncryptedExtensions(body: Buffer): { readonly alpn: string | null } | null {
  const extensions = readExtensions(new Cursor(body))
  return extensions === null ? null : { alpn: readAlpn(extensions.get(extensionTypes.alpn))?.[0] ?? null }
}

/** ServerKeyExchange of an ECDHE suite (RFC 8422 section 5.4). @returns number of its named curve; null where it has none */
export function readEcdheGroup(body: Buffer): number | null {
  const at = new Cursor(body)
  const kind = at.u8()
  const group = at.u16()
  return at.ok && kind === 3 ? group : null
}

/** Certificate (RFC 8446 section 4.4.2, RFC 5246 section 7.4.2). */
export function readCertificate(body: Buffer, tls13: boolean): readonly ServedEntry[] | null {
  const at = new Cursor(body)
  if (tls13) at.vector(1)
  const list = at.vector(3)
  const entries: ServedEntry[] = []
  while (list.ok && list.left > 0) {
    if (entries.length === maxCertificates) return null
    const der = Buffer.from(list.vector(3).rest())
    const extensions = tls13 ? readExtensions(list) : noExtensions
    if (extensions === null || der.length === 0) return null
    entries.push({
      der,
      ocsp: readStatus(extensions.get(extensionTypes.statusRequest)),
      scts: readScts(extensions.get(extensionTypes.signedCertificateTimestamps)),
    })
  }
  return list.ok && at.ok ? entries : null
}

/** CertificateStatus (RFC 6066 section 8): the OCSP response of the leaf in TLS 1.2; null when it is none or malformed. */
export function readStatus(body: Buffer | undefined): Buffer | null {
  if (body === undefined) return null
  const at = new Cursor(body)
  if (at.u8() !== 1) return null
  const response = Buffer.from(at.vector(3).rest())
  return at.ok && response.length > 0 ? response : null
}

/** CertificateRequest (RFC 8446 section 4.3.2, RFC 5246 section 7.4.4). @param version that of the ServerHello */
export function readCertificateRequest(body: Buffer, version: number): CertificateRequest | null {
  const at = new Cursor(body)
  at.vector(1)
  if (version >= 0x0304) {
    const extensions = readExtensions(at)
    if (extensions === null) return null
    const schemes = extensions.get(extensionTypes.signatureAlgorithms)
    const authorities = extensions.get(extensionTypes.certificateAuthorities)
    return {
      signatureAlgorithms: schemes === undefined ? [] : (readNumbers(new Cursor(schemes).vector(2)) ?? []),
      issuers: authorities === undefined ? [] : (readNames(new Cursor(authorities).vector(2)) ?? []),
    }
  }
  const signatureAlgorithms = version >= 0x0303 ? readNumbers(at.vector(2)) : []
  const issuers = readNames(at.vector(2))
  return signatureAlgorithms === null || issuers === null ? null : { signatureAlgorithms, issuers }
}

/** RFC 8446 section 4.1.2. */
export function readClientHello(body: Buffer): ClientHello | null {
  const at = new Cursor(body)
  const legacyVersion = at.u16()
  const random = Buffer.from(at.take(32))
  at.vector(1)
  const ciphers = readNumbers(at.vector(2))
  at.vector(1)
  const extensions = readExtensions(at)
  if (ciphers === null || extensions === null) return null
  const versions = extensions.get(extensionTypes.supportedVersions)
  const list = (type: number): readonly number[] => {
    const value = extensions.get(type)
    return value === undefined ? [] : (readNumbers(new Cursor(value).vector(2)) ?? [])
  }
  return {
    versions: versions === undefined ? [legacyVersion] : (readNumbers(new Cursor(versions).vector(1)) ?? []),
    random,
    ciphers,
    serverName: readServerName(extensions.get(extensionTypes.serverName)),
    alpn: readAlpn(extensions.get(extensionTypes.alpn)) ?? [],
    groups: list(extensionTypes.groups),
    signatureAlgorithms: list(extensionTypes.signatureAlgorithms),
    extensions: [...extensions.keys()],
  }
}

const retryRandom = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex')
const noExtensions: ReadonlyMap<number, Buffer> = new Map()

/** Extensions up to the end of their list; none at all is allowed before TLS 1.3. */
function readExtensions(at: Cursor): ReadonlyMap<number, Buffer> | null {
  if (!at.ok) return null
  if (at.left === 0) return noExtensions
  const list = at.vector(2)
  const found = new Map<number, Buffer>()
  while (list.ok && list.left > 0) {
    const type = list.u16()
    const body = list.vector(2).rest()
    // Twice the same is an error; the first one counts.
    if (!found.has(type)) found.set(type, body)
  }
  return list.ok ? found : null
}

function readNumbers(list: Cursor): readonly number[] | null {
  const numbers: number[] = []
  while (list.ok && list.left > 0 && numbers.length < maxListed) numbers.push(list.u16())
  return list.ok ? numbers : null
}

function readNames(list: Cursor): readonly Buffer[] | null {
  const names: Buffer[] = []
  while (list.ok && list.left > 0 && names.length < maxListed) names.push(Buffer.from(list.vector(2).rest()))
  return list.ok ? names : null
}

function readAlpn(body: Buffer | undefined): readonly string[] | null {
  if (body === undefined) return null
  const list = new Cursor(body).vector(2)
  const names: string[] = []
  while (list.ok && list.left > 0 && names.length < maxListed) names.push(list.vector(1).rest().toString('latin1'))
  return list.ok ? names : null
}

/** RFC 6066 section 3: a list for which one kind of name was ever defined. */
function readServerName(body: Buffer | undefined): string | null {
  if (body === undefined) return null
  const list = new Cursor(body).vector(2)
  const kind = list.u8()
  const name = list.vector(2).rest().toString('latin1')
  return list.ok && kind === 0 ? name : null
}

/** SignedCertificateTimestampList (RFC 6962 section 3.3). */
function readScts(body: Buffer | undefined): readonly Buffer[] {
  return body === undefined ? [] : (readNames(new Cursor(body).vector(2)) ?? [])
}
