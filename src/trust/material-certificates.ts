import { derFromBer } from '../x509/ber.ts'
import { type BundleFault, type BundleItem, scanBundle } from '../x509/bundle-scan.ts'
import type { Certificate } from '../x509/certificate.ts'
import { DerError } from '../x509/der.ts'
import { derKind } from '../x509/der-kind.ts'
import { MaterialError, type MaterialFault } from './material-error.ts'

export interface CertificateList {
  /** In the order given, each once. */
  readonly certificates: readonly Certificate[]
  readonly notes: readonly string[]
}

/**
 * The certificates of a file in PEM, DER or PKCS#7. `keys: 'beside'`: private keys may stand among them and are somebody
 * else's to read; `refused`: they may not, for what is taken for certificates is handed out again.
 */
export function readCertificates(input: Buffer, keys: 'beside' | 'refused'): CertificateList {
  const bytes = withoutBer(input)
  const found = new Map<string, Certificate>()
  const notes: string[] = []
  for (const item of scanBundle(bytes)) {
    if (item.kind === 'ignored') notes.push(`${item.what} left out: ${item.why}`)
    else if (item.kind === 'fault') {
      if (keys === 'beside' && (item.fault === 'private-key' || item.fault === 'key-parameters')) continue
      throw refused(bytes, item)
    } else if (found.has(item.certificate.sha256)) notes.push(`certificate ${item.index} repeats an earlier one`)
    else found.set(item.certificate.sha256, item.certificate)
  }
  if (found.size === 0) throw new MaterialError('material-no-certificate', 'holds no certificate')
  return { certificates: [...found.values()], notes }
}

/** The one certificate that a store holds as DER; `what` says where. */
export function readCertificate(der: Buffer, what: string): Certificate {
  for (const item of scanBundle(der)) {
    if (item.kind === 'certificate') return item.certificate
    if (item.kind === 'fault') throw new MaterialError('material-malformed', `${what}: ${item.reason}`)
  }
  throw new MaterialError('material-malformed', `${what}: not a certificate`)
}

/** DER that announces more bytes than there are. */
export function isCutOff(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false
  const first = bytes[1]
  if (first === undefined) return true
  if (first <= 0x80) return first < 0x80 && bytes.length < 2 + first
  const octets = first & 0x7f
  if (octets > 4) return false
  return bytes.length < 2 + octets || bytes.length < 2 + octets + bytes.readUIntBE(2, octets)
}

/** Some authorities write PKCS#7 in BER. */
function withoutBer(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x30 || bytes[1] !== 0x80 || derKind(bytes) !== 'pkcs7') return bytes
  try {
    return derFromBer(bytes)
  } catch (error) {
    if (error instanceof DerError)
      throw new MaterialError('material-malformed', `the PKCS#7 is damaged: ${error.message}`)
    throw error
  }
}

function refused(bytes: Buffer, item: Extract<BundleItem, { kind: 'fault' }>): MaterialError {
  const place = item.line === null ? '' : ` (line ${item.line})`
  const fault = faultOf(bytes, item)
  if (fault === 'material-html')
    return new MaterialError(fault, 'is an HTML page; what was saved is not the file itself')
  if (fault === 'material-key-as-certificate') {
    return new MaterialError(
      fault,
      `a private key${place} stands where only certificates may be; give it as the key, on its own`,
    )
  }
  return new MaterialError(fault, `${item.reason}${place}`)
}

function faultOf(bytes: Buffer, item: Extract<BundleItem, { kind: 'fault' }>): MaterialFault {
  if (item.fault === 'malformed')
    return item.line === null && isCutOff(bytes) ? 'material-truncated' : 'material-malformed'
  if (item.fault === 'not-a-certificate') {
    if (/request/i.test(item.reason)) return 'material-request'
    if (/revocation list|X509 CRL/.test(item.reason)) return 'material-crl'
    if (/public key/i.test(item.reason)) return 'material-public-key'
    return bytes[0] === 0x30 && isCutOff(bytes) ? 'material-truncated' : 'material-unknown'
  }
  if (item.fault === 'no-certificate' && isHtml(bytes)) return 'material-html'
  return faults[item.fault]
}

export function isHtml(bytes: Buffer): boolean {
  return /^\s*(?:<!doctype html|<html|<head|<\?xml[^>]*>\s*<!doctype html)/i.test(
    bytes.subarray(0, 500).toString('latin1'),
  )
}

const faults: Readonly<Record<Exclude<BundleFault, 'malformed' | 'not-a-certificate'>, MaterialFault>> = {
  'one-line': 'material-malformed',
  truncated: 'material-truncated',
  'bad-base64': 'material-malformed',
  empty: 'material-empty',
  'no-certificate': 'material-unknown',
  'private-key': 'material-key-as-certificate',
  'key-parameters': 'material-key-as-certificate',
  pkcs12: 'material-format',
  'java-key-store': 'material-format',
  'utf-16': 'material-unknown',
  'trailing-bytes': 'material-malformed',
  'too-large': 'material-too-large',
  'too-many': 'material-too-large',
}
