import { type Certificate, parseCertificate } from './certificate.ts'
import { type CrlReason, readReason } from './crl-entries.ts'
import { attempt, complainer, type Defect } from './defects.ts'
import {
  asBuffer,
  childrenOf,
  contentOf,
  contextTag,
  type DerElement,
  DerError,
  DerReader,
  rawOf,
  readElement,
  readWhole,
  tags,
} from './der.ts'
import { readCount, readInteger, readOid, readTime } from './der-values.ts'
import { type Extension, readExtensions } from './extension-list.ts'
import { directoryName } from './general-name.ts'
import type { Name } from './name.ts'
import { hashOf, readSignatureAlgorithm, readSignatureBits, type SignatureAlgorithm } from './signature-algorithm.ts'

export { checkStapledOcsp } from './ocsp-check.ts'

const statuses = {
  0: 'successful',
  1: 'malformed-request',
  2: 'internal-error',
  3: 'try-later',
  5: 'signature-required',
  6: 'unauthorized',
} as const

type OcspStatus = (typeof statuses)[keyof typeof statuses]

/** RFC 6960 section 4.2.1. Only a successful response has an answer. */
export type OcspResponse =
  | { readonly status: Exclude<OcspStatus, 'successful'> }
  | ({ readonly status: 'successful' } & OcspAnswer)

export interface OcspAnswer {
  readonly tbs: Buffer
  readonly signature: Buffer
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly responderId:
    | { readonly kind: 'name'; readonly name: Name }
    /** SHA-1 of the key's bits. */
    | { readonly kind: 'key'; readonly hash: Buffer }
  /** Milliseconds since the epoch, as all times here. */
  readonly producedAt: number
  readonly responses: readonly SingleResponse[]
  /** Of the responder, as embedded; those that cannot be read are left out and are a defect. */
  readonly certificates: readonly Certificate[]
  readonly extensions: readonly Extension[]
  readonly defects: readonly Defect[]
}

export interface SingleResponse {
  readonly certificateId: {
    /** Lower case, `sha1`; null where it is none known here. */
    readonly hash: string | null
    readonly issuerNameHash: Buffer
    readonly issuerKeyHash: Buffer
    readonly serialBytes: Buffer
  }
  readonly status: 'good' | 'revoked' | 'unknown'
  readonly revokedAt: number | null
  readonly reason: CrlReason | null
  readonly thisUpdate: number
  readonly nextUpdate: number | null
  readonly extensions: readonly Extension[]
}

// I10. Public responders answer with 300 to 2,000 bytes.
const maxBytes = 1024 * 1024
const maxCertificates = 16
const maxResponses = 256

/** Reads one OCSPResponse. Throws `DerError` where it cannot be read, times included. */
export function readOcspResponse(bytes: Uint8Array): OcspResponse {
  if (bytes.length > maxBytes) throw new DerError(0, `${bytes.length} bytes, more than the limit of ${maxBytes}`)
  const outer = new DerReader(readWhole(Buffer.from(asBuffer(bytes))), 'OCSP response', tags.sequence)
  const element = outer.next('response status', enumerated)
  const number = element.end - element.body === 1 ? (element.bytes[element.body] as number) : -1
  const status = Object.hasOwn(statuses, number) ? statuses[number as keyof typeof statuses] : null
  if (status === null) throw new DerError(element.start, 'response status: none that exists')
  const wrapper = outer.optional('response bytes', contextTag(0, true))
  outer.finish('OCSP response')
  if (status !== 'successful') return { status }
  if (wrapper === null) throw new DerError(element.end, 'response bytes is missing')
  const responseBytes = new DerReader(only(wrapper, 'response bytes'), 'response bytes', tags.sequence)
  const type = responseBytes.next('response type')
  // RFC 6960 section 4.2.1: id-pkix-ocsp-basic.
  if (readOid(type, 'response type') !== '1.3.6.1.5.5.7.48.1.1') throw new DerError(type.start, 'not a basic response')
  const basic = only(responseBytes.next('basic response', tags.octetString), 'basic response')
  responseBytes.finish('response bytes')
  return { status, ...readBasic(basic) }
}

const enumerated = 0x0a

function readBasic(basic: DerElement): OcspAnswer {
  const defects: Defect[] = []
  const reader = new DerReader(basic, 'basic response', tags.sequence)
  const body = reader.next('response data', tags.sequence)
  const algorithm = reader.next('signature algorithm')
  const signature = readSignatureBits(reader.next('signature'), complainer(defects, 'signature'))
  const embedded = reader.optional('certificates', contextTag(0, true))
  reader.finish('basic response')

  const data = new DerReader(body, 'response data')
  const version = data.optional('version', contextTag(0, true))
  if (version !== null && readCount(only(version, 'version'), 'version') !== 0) {
    throw new DerError(version.start, 'a version that does not exist')
  }
  const responderId = readResponderId(data.next('responder'))
  const producedAt = readTime(data.next('producedAt'), 'producedAt')
  const list = childrenOf(data.next('responses'), 'responses', tags.sequence)
  if (list.length > maxResponses) throw new DerError(body.start, `more than ${maxResponses} responses`)
  const extensions = data.optional('response extensions', contextTag(1, true))
  data.finish('response data')
  return {
    tbs: rawOf(body),
    signature,
    signatureAlgorithm: readSignatureAlgorithm(algorithm, null, complainer(defects, 'signatureAlgorithm')),
    responderId,
    producedAt,
    responses: list.map((single) => readSingle(single, defects)),
    certificates: embedded === null ? [] : readCertificates(only(embedded, 'certificates'), defects),
    extensions: readExtensions(extensions, defects),
    defects,
  }
}

function readResponderId(element: DerElement): OcspAnswer['responderId'] {
  if (element.tag === contextTag(1, true)) return { kind: 'name', name: directoryName(element) }
  if (element.tag !== contextTag(2, true)) throw new DerError(element.start, 'responder: neither name nor key')
  return { kind: 'key', hash: octets(only(element, 'responder key'), 'responder key') }
}

function readSingle(element: DerElement, defects: Defect[]): SingleResponse {
  const reader = new DerReader(element, 'single response', tags.sequence)
  const id = new DerReader(reader.next('certificate ID'), 'certificate ID', tags.sequence)
  const certificateId = {
    hash: hashOf(id.next('hash')),
    issuerNameHash: octets(id.next('issuer name hash'), 'issuer name hash'),
    issuerKeyHash: octets(id.next('issuer key hash'), 'issuer key hash'),
    serialBytes: readInteger(id.next('serial number'), 'serial number'),
  }
  id.finish('certificate ID')
  const status = readStatus(reader.next('certificate status'), defects)
  const thisUpdate = readTime(reader.next('thisUpdate'), 'thisUpdate')
  const next = reader.optional('nextUpdate', contextTag(0, true))
  const extensions = reader.optional('single extensions', contextTag(1, true))
  reader.finish('single response')
  return {
    certificateId,
    ...status,
    thisUpdate,
    nextUpdate: next === null ? null : readTime(only(next, 'nextUpdate'), 'nextUpdate'),
    extensions: readExtensions(extensions, defects),
  }
}

function readStatus(element: DerElement, defects: Defect[]): Pick<SingleResponse, 'status' | 'revokedAt' | 'reason'> {
  switch (element.tag) {
    case contextTag(0, false):
      return { status: 'good', revokedAt: null, reason: null }
    case contextTag(2, false):
      return { status: 'unknown', revokedAt: null, reason: null }
    case contextTag(1, true): {
      const reader = new DerReader(element, 'revoked')
      const revokedAt = readTime(reader.next('revocation time'), 'revocation time')
      const reason = reader.optional('reason', contextTag(0, true))
      reader.finish('revoked')
      const complain = complainer(defects, 'reason')
      return {
        status: 'revoked',
        revokedAt,
        reason: reason === null ? null : attempt(only(reason, 'reason'), complain, (it) => readReason(it, complain)),
      }
    }
    default:
      throw new DerError(element.start, 'certificate status: none that exists')
  }
}

function readCertificates(list: DerElement, defects: Defect[]): Certificate[] {
  const elements = childrenOf(list, 'certificates', tags.sequence)
  if (elements.length > maxCertificates) throw new DerError(list.start, `more than ${maxCertificates} certificates`)
  return elements.flatMap((element) => {
    const complain = complainer(defects, 'certificates')
    const certificate = attempt(element, complain, (it) => parseCertificate(rawOf(it)))
    return certificate === null ? [] : [certificate]
  })
}

/** The one element inside of another. */
function only(wrapper: DerElement, what: string): DerElement {
  const inner = readElement(wrapper.bytes, wrapper.body, wrapper.end, wrapper.depth + 1)
  if (inner.end !== wrapper.end) throw new DerError(inner.end, `unexpected data at the end of ${what}`)
  return inner
}

function octets(element: DerElement, what: string): Buffer {
  if (element.tag !== tags.octetString) throw new DerError(element.start, `${what}: not an OCTET STRING`)
  return contentOf(element)
}
