import { type KeyObject, X509Certificate } from 'node:crypto'

import { type Clock, systemClock } from '../core/clock.ts'
import { PosternError } from '../core/errors.ts'
import { scanBundle } from '../x509/bundle-scan.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import { refusal } from '../x509/pem.ts'
import type { Finding } from './finding.ts'
import { ownChain } from './own-chain.ts'
import { openPrivateKey } from './private-key.ts'
import { readRegularFile } from './read-file.ts'
import { validity } from './validity.ts'

type PemInput = { readonly path: string } | { readonly pem: string }

export interface IdentitySpec {
  /** Names the object in errors: `key store "edge", alias "client"`. */
  readonly label: string
  readonly certificate: PemInput
  readonly key: PemInput
  readonly passphrase?: string
  /** What it will be used as; a certificate for another purpose becomes a finding. */
  readonly purpose?: 'client' | 'server'
}

export interface Identity {
  /** PEM, leaf first, each certificate issued by the next. */
  readonly chain: string
  /** PKCS#8, PEM, not encrypted: for memory only (I7). */
  readonly key: string
  /** DNS names of the leaf, lower case. */
  readonly names: readonly string[]
  readonly leaf: Certificate
  readonly certificates: readonly Certificate[]
  readonly notes: readonly IdentityNote[]
  readonly findings: readonly Finding[]
  readonly watch: readonly string[]
}

interface IdentityNote {
  readonly code: 'chain-order' | 'extra-certificates' | 'duplicate' | 'ignored' | 'wrong-purpose'
  readonly message: string
}

/** Reads a client or server identity; refuses whatever would only fail in a handshake later. */
export function loadIdentity(spec: IdentitySpec, clock: Clock = systemClock): Identity {
  const { label } = spec
  const notes: IdentityNote[] = []
  const given = readCertificates(spec, notes)
  const key = openPrivateKey(label, bytesOf(label, spec.key), spec.passphrase)
  const leaf = given.find((certificate) => holdsKey(certificate, key))
  if (leaf === undefined) throw mismatch(label, given, key.asymmetricKeyType)
  const certificates = orderChain(leaf, given, notes)
  const purposeNote = checkPurpose(leaf, spec.purpose)
  if (purposeNote !== null) notes.push(purposeNote)
  const path = 'path' in spec.certificate ? spec.certificate.path : null
  return {
    chain: certificates.map(({ pem }) => pem).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    names: leaf.subjectAltNames.filter(({ kind }) => kind === 'dns').map(({ value }) => value.toLowerCase()),
    leaf,
    certificates,
    notes,
    findings: certificates.flatMap((certificate) => {
      const provenance = { source: label, path, index: given.indexOf(certificate) + 1 }
      return validity({ certificate, provenance }, clock())
    }),
    watch: [...new Set([spec.certificate, spec.key].flatMap((input) => ('path' in input ? [input.path] : [])))],
  }
}

function holdsKey(certificate: Certificate, key: KeyObject): boolean {
  try {
    return new X509Certificate(certificate.der).checkPrivateKey(key)
  } catch {
    // A kind of key that the runtime does not know; the refusal names it.
    return false
  }
}

function bytesOf(label: string, input: PemInput): Buffer {
  if ('pem' in input) return Buffer.from(input.pem)
  try {
    return readRegularFile(input.path)
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    throw new PosternError(error.code, `${label}: ${error.message}`, {
      evidence: { label, ...error.evidence },
      cause: error,
    })
  }
}

function readCertificates(spec: IdentitySpec, notes: IdentityNote[]): Certificate[] {
  const source = `${spec.label}, certificate`
  const found = new Map<string, Certificate>()
  for (const item of scanBundle(bytesOf(spec.label, spec.certificate))) {
    if (item.kind === 'ignored') notes.push({ code: 'ignored', message: `${item.what}: ${item.why}` })
    if (item.kind === 'fault') {
      // One file for both, as HAProxy likes it, is a choice; a key in a file that is only named for certificates is a slip.
      if ((item.fault === 'private-key' || item.fault === 'key-parameters') && sameInput(spec)) continue
      if (item.fault === 'pkcs12') throw pfxGiven(spec.label)
      throw refusal(source, item)
    }
    if (item.kind !== 'certificate') continue
    const { certificate, index } = item
    if (found.has(certificate.sha256))
      notes.push({ code: 'duplicate', message: `certificate ${index} repeats an earlier one` })
    else found.set(certificate.sha256, certificate)
  }
  if (found.size > 0) return [...found.values()]
  throw new PosternError('identity-refused', `${source}: holds no certificate`, { evidence: { label: spec.label } })
}

function sameInput({ certificate, key }: IdentitySpec): boolean {
  if ('path' in certificate) return 'path' in key && key.path === certificate.path
  return 'pem' in key && key.pem === certificate.pem
}

function orderChain(leaf: Certificate, given: readonly Certificate[], notes: IdentityNote[]): readonly Certificate[] {
  const { chain, left, reordered } = ownChain(leaf, given)
  const subjects = (list: readonly Certificate[]): string =>
    list.map(({ subject }) => `"${renderName(subject, 'edge')}"`).join(', ')
  if (reordered) notes.push({ code: 'chain-order', message: `the order was wrong and is now ${subjects(chain)}` })
  if (left.length > 0) {
    notes.push({
      code: 'extra-certificates',
      message: `left out, as they do not belong to the chain of the leaf: ${subjects(left)}`,
    })
  }
  return chain
}

// RFC 5280 section 4.2.1.12: absent means any; anyExtendedKeyUsage likewise.
function checkPurpose(leaf: Certificate, purpose: IdentitySpec['purpose']): IdentityNote | null {
  if (purpose === undefined || leaf.extendedKeyUsage === null) return null
  const needed = purpose === 'client' ? '1.3.6.1.5.5.7.3.2' : '1.3.6.1.5.5.7.3.1'
  if (leaf.extendedKeyUsage.some((oid) => oid === needed || oid === '2.5.29.37.0')) return null
  const name = renderName(leaf.subject, 'edge')
  const message = `"${name}" is not issued for ${purpose} authentication (extendedKeyUsage without ${purpose}Auth); many peers will refuse it`
  return { code: 'wrong-purpose', message }
}

function mismatch(label: string, given: readonly Certificate[], keyType: string | undefined): PosternError {
  const subjects = given.map(({ subject, publicKey }) => `"${renderName(subject, 'edge')}" (${publicKey.algorithm})`)
  const message = `${label}: the private key (${keyType ?? 'unknown kind'}) belongs to none of the certificates: ${subjects.join(', ')}`
  return new PosternError('identity-refused', message, {
    evidence: { label, fault: 'key-mismatch', certificates: subjects },
  })
}

function pfxGiven(label: string): PosternError {
  const message = `${label}: this is PKCS#12 (PFX), which also carries certificates that would become anchors; split it with: openssl pkcs12 -in FILE -nokeys -out chain.pem, and: openssl pkcs12 -in FILE -nocerts -nodes -out key.pem (add -legacy for RC2 or 3DES files)`
  return new PosternError('identity-refused', message, { evidence: { label, fault: 'pkcs12' } })
}
