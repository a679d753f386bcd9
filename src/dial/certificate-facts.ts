import { hash } from 'node:crypto'
import type { TargetTlsPlan } from '../proxy/plan.ts'
import { parseCertificate, toPem } from '../x509/certificate.ts'
import { DerError } from '../x509/der.ts'
import { renderName } from '../x509/name.ts'
import { readBundleLeniently } from '../x509/pem.ts'
import type { CertificateFacts } from './story.ts'

/** What a story tells of a chain; `chain` as DER, leaf first. */
export function certificateFacts(chain: readonly Buffer[]): readonly CertificateFacts[] {
  return chain.slice(0, maxChain).map((der) => {
    let facts = known.get(der)
    if (facts === undefined) {
      facts = factsOf(der)
      known.set(der, facts)
    }
    return facts
  })
}

/** Subject of the certificate that a target shows when it is asked for one; '' where it has none. */
export function clientCertificateOf({ clientCertificate }: TargetTlsPlan): string {
  if (clientCertificate === null) return ''
  let subject = ours.get(clientCertificate)
  if (subject === undefined) {
    const [leaf] = readBundleLeniently(Buffer.from(clientCertificate.chain, 'latin1')).certificates
    subject = leaf === undefined ? 'unreadable' : bounded(renderName(leaf.subject, 'edge'))
    ours.set(clientCertificate, subject)
  }
  return subject
}

/** I10: OpenSSL takes 100 KiB of certificates, which may be many, and each may have thousands of names. */
const maxChain = 128
const maxNames = 50
const maxText = 512

/** Connections of a target share the buffers of their chain, as long as it shows the same one. */
const known = new WeakMap<Buffer, CertificateFacts>()
const ours = new WeakMap<object, string>()

function factsOf(der: Buffer): CertificateFacts {
  try {
    const read = parseCertificate(der)
    return {
      subject: bounded(renderName(read.subject, 'edge')),
      issuer: bounded(renderName(read.issuer, 'edge')),
      serialNumber: bounded(read.serial),
      sha256: read.sha256,
      notBefore: read.notBefore,
      notAfter: read.notAfter,
      names: read.subjectAltNames.slice(0, maxNames).map(({ value }) => bounded(value)),
      pem: read.pem,
    }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    // Malformed, and served all the same: its bytes are what there is to tell.
    const nothing = { subject: '', issuer: '', serialNumber: '', notBefore: 0, notAfter: 0, names: [] }
    return { ...nothing, sha256: hash('sha256', der, 'hex').toUpperCase(), pem: toPem(der) }
  }
}

function bounded(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText)}...`
}
