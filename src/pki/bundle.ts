import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { type BundleFault, scanBundle } from '../x509/bundle-scan.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { derKind } from '../x509/der-kind.ts'
import { commonNameOf, renderName } from '../x509/name.ts'
import { refusal } from '../x509/pem.ts'
import { MaterialError } from '../trust/material-error.ts'
import { readPkcs12 } from '../trust/pkcs12.ts'
import { inTrustOrder, withoutIssuer } from './chain-order.ts'

export interface BundleInput {
  /** What to call it in messages: the path it was read from. */
  readonly label: string
  readonly bytes: Uint8Array
}

export interface BundleOptions {
  /** For the PKCS#12 files among the inputs. Default: none. */
  readonly password?: string
  /** Keep certificates that are no authorities; a bundle of anchors has no use for them. Default false. */
  readonly keepLeaves?: boolean
}

interface Dropped {
  readonly source: string
  readonly what: string
  readonly why: string
}

interface FileContent {
  readonly certificates: readonly Certificate[]
  readonly dropped: readonly Dropped[]
}

export interface MergedBundle {
  /** PEM: issuing authorities first, roots last. Holds certificates and nothing else. */
  readonly pem: string
  readonly certificates: readonly Certificate[]
  readonly dropped: readonly Dropped[]
  /** Certificates whose issuer is in none of the inputs: a path through them ends nowhere. */
  readonly incomplete: readonly Certificate[]
}

/**
 * Merges CA files in PEM, DER, PKCS#7 and PKCS#12 into the one bundle that gateways take. Private keys and what is no
 * certificate are left out and named; a file that is damaged is refused whole, since nobody knows what it was meant to say.
 */
export async function mergeBundle(inputs: readonly BundleInput[], options: BundleOptions = {}): Promise<MergedBundle> {
  const dropped: Dropped[] = []
  const kept = new Map<string, Certificate>()
  const sourceOf = new Map<string, string>()
  for (const { label, bytes } of inputs) {
    const read = await readAny(bytes, label, options.password ?? '')
    dropped.push(...read.dropped)
    for (const certificate of read.certificates) {
      const drop = (why: string) => dropped.push({ source: label, what: titleOf(certificate), why })
      const earlier = sourceOf.get(certificate.sha256)
      if (earlier !== undefined) drop(`the same certificate is in ${earlier}`)
      else if (isLeaf(certificate) && options.keepLeaves !== true) drop('not a certificate authority')
      else {
        kept.set(certificate.sha256, certificate)
        sourceOf.set(certificate.sha256, label)
      }
    }
  }
  const certificates = inTrustOrder([...kept.values()])
  if (certificates.length === 0) {
    const found = dropped.length === 0 ? '' : `: ${dropped.map(({ what, why }) => `${what} (${why})`).join(', ')}`
    throw new PosternError(
      'bundle-empty',
      `no certificate authority in ${inputs.map(({ label }) => label).join(', ')}${found}`,
    )
  }
  const incomplete = withoutIssuer(certificates)
  return { pem: certificates.map(({ pem }) => pem).join(''), certificates, dropped, incomplete }
}

/** The certificates of one file in any of the four forms. */
export async function readAny(bytes: Uint8Array, label: string, password: string): Promise<FileContent> {
  if (derKind(Buffer.from(bytes)) === 'pkcs12') return readContainer(bytes, label, password)
  const certificates: Certificate[] = []
  const dropped: Dropped[] = []
  for (const item of scanBundle(bytes)) {
    if (item.kind === 'certificate') certificates.push(item.certificate)
    else if (item.kind === 'ignored') dropped.push({ source: label, what: item.what, why: item.why })
    else if (harmless.has(item.fault)) dropped.push({ source: label, what: item.fault, why: item.reason })
    else throw refusal(label, item)
  }
  return { certificates, dropped }
}

/** A name for people, `CN` where there is one. */
export function titleOf(certificate: Certificate): string {
  return (
    commonNameOf(certificate.subject) ?? (renderName(certificate.subject, 'edge') || `serial ${certificate.serial}`)
  )
}

/** Self-signed ones are somebody's anchor even without CA:TRUE, as version 1 roots are. */
export function isLeaf(certificate: Certificate): boolean {
  return certificate.basicConstraints?.ca !== true && !certificate.selfSigned
}

async function readContainer(bytes: Uint8Array, label: string, password: string): Promise<FileContent> {
  try {
    const { certificates, others } = await readPkcs12(bytes, { password, keys: false })
    const why = 'only certificates go into a bundle'
    return {
      certificates: certificates.map(({ der }) => parseCertificate(der)),
      dropped: others.map((what) => ({ source: label, what, why })),
    }
  } catch (thrown) {
    const hint = codeOf(thrown) === 'material-password-missing' ? ': --password-file FILE' : ''
    throw new PosternError(codeOfContainer(thrown), `${label}: ${messageOf(thrown)}${hint}`, { cause: thrown })
  }
}

function codeOfContainer(thrown: unknown): string {
  if (!(thrown instanceof MaterialError)) return codeOf(thrown) || 'bundle-refused'
  return thrown.fault === 'material-unsupported' ? 'pkcs12-unsupported' : 'pkcs12-password'
}

/** Kinds of refusal that concern a part which is whole in itself, and merely does not belong into a bundle. */
const harmless: ReadonlySet<BundleFault> = new Set<BundleFault>(['private-key', 'not-a-certificate'])
