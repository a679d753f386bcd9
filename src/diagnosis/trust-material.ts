import type { TargetTlsPlan } from '../proxy/plan.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { type Crl, readCrls } from '../x509/crl.ts'

/** The certificates of a TLS plan as the judge wants them. */
export interface TrustMaterial {
  readonly anchors: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
}

/** Lists of a store are shared by the plans that trust it: each is read once. */
const read = new WeakMap<readonly string[], readonly Certificate[]>()

const readLists = new WeakMap<readonly string[], readonly Crl[]>()

/** The revocation lists of a TLS plan; null where it goes by none. */
export function revocationLists({ revocation }: Pick<TargetTlsPlan, 'revocation'>): readonly Crl[] | null {
  if (revocation.mode !== 'crl') return null
  let crls = readLists.get(revocation.crls)
  if (crls === undefined) {
    crls = revocation.crls.flatMap((pem) => readCrls(pem))
    readLists.set(revocation.crls, crls)
  }
  return crls
}

export function trustMaterial({ anchors, intermediates }: TargetTlsPlan): TrustMaterial {
  return { anchors: certificatesOf(anchors), intermediates: certificatesOf(intermediates) }
}

/** Of the cipher string, as OpenSSL reads it; the runtime's own default is 2. */
export function securityLevelOf({ ciphers }: Pick<TargetTlsPlan, 'ciphers'>): number {
  const [, level] = /@SECLEVEL=([0-5])/.exec(ciphers ?? '') ?? []
  return level === undefined ? 2 : Number(level)
}

/** Targets with the same stores have lists of their own of the same certificates. (I10: the public roots, several times.) */
const parsed = new Map<string, Certificate>()
const maxParsed = 2048

function fromPem(pem: string): Certificate {
  let certificate = parsed.get(pem)
  if (certificate === undefined) {
    if (parsed.size >= maxParsed) parsed.clear()
    // Of the trust module's own making: one block, nothing around it.
    certificate = parseCertificate(Buffer.from(pem.replaceAll(/-----[A-Z ]+-----/g, ''), 'base64'))
    parsed.set(pem, certificate)
  }
  return certificate
}

function certificatesOf(list: readonly string[]): readonly Certificate[] {
  let certificates = read.get(list)
  if (certificates === undefined) {
    certificates = list.map(fromPem)
    read.set(list, certificates)
  }
  return certificates
}
