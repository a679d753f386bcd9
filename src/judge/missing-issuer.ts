import type { VerdictCode } from '../verdict/codes.ts'
import type { CertificateRef } from '../verdict/model.ts'
import type { Certificate } from '../x509/certificate.ts'
import { commonNameOf, type Name, renderName, sameName } from '../x509/name.ts'
import { labelOf, refOf } from './certificate-ref.ts'
import { type FaultFinding, fault } from './fault.ts'
import type { JudgeInput } from './types.ts'

type MissingCode = Extract<VerdictCode, 'self-signed-leaf' | 'missing-root' | 'missing-intermediate' | 'unknown-issuer'>

/** What tells a missing root from a missing intermediate: the verdict, and the sentence that defends it. */
interface Conclusion {
  readonly code: MissingCode
  readonly because: string
  /** The missing certificate itself, where it is known from elsewhere. */
  readonly missing?: Certificate
  readonly knownAs?: string
}

/** Whether the key of `issuer` made the signature of `subject`. The caller counts the work (I10). */
export type Verifies = (issuer: Certificate, subject: Certificate) => boolean

/**
 * The fault of a path that ends before an anchor. `path` is what could be built, leaf first; its last certificate is the one
 * whose issuer is missing, or a self-signed certificate that nobody trusts. Evidence decides between the codes, strongest
 * first: the certificate itself seen elsewhere, an anchor of that name with another key, what the certificate says about
 * its issuer, and at last names. Where nothing tells, the verdict is `unknown-issuer`.
 */
export function missingIssuer(
  input: Pick<JudgeInput, 'served' | 'anchors' | 'intermediates' | 'fetched' | 'known'>,
  path: readonly Certificate[],
  verifies: Verifies,
): FaultFinding {
  const at = path.length - 1
  const top = path[at] as Certificate
  const namesake = namesakeOf(top, input, verifies)
  const conclusion = conclude(input, path, top, namesake, verifies)
  const { missing } = conclusion
  return fault(conclusion.code, { at, certificate: top }, summaryOf(conclusion.code, top, path.length === 1), {
    because: conclusion.because,
    missingSubject: labelOf(top.issuer),
    issuer: renderName(top.issuer, 'edge'),
    authorityKeyId: top.authorityKeyId,
    aia: top.aiaUrls.caIssuers.slice(0, 8),
    ...(missing === undefined ? {} : { missing: refOf(missing) satisfies CertificateRef }),
    ...(conclusion.knownAs === undefined ? {} : { knownAs: conclusion.knownAs }),
    ...(namesake === null ? {} : { sameNameOtherKey: refOf(namesake.certificate), sameNameOtherKeyIn: namesake.where }),
  })
}

function conclude(
  input: Parameters<typeof missingIssuer>[0],
  path: readonly Certificate[],
  top: Certificate,
  namesake: Namesake | null,
  verifies: Verifies,
): Conclusion {
  const issuer = labelOf(top.issuer)
  if (top.selfSigned) {
    return path.length === 1
      ? {
          code: 'self-signed-leaf',
          because: 'The certificate is signed with its own key and is no anchor.',
          missing: top,
        }
      : {
          code: 'missing-root',
          because: `The path ends in the self-signed root "${issuer}", which is in no trust store.`,
          missing: top,
        }
  }
  const seen = seenElsewhere(input, top, verifies)
  if (seen !== null) {
    const { certificate, where, anchor } = seen
    const root = anchor || certificate.selfSigned
    return {
      code: root ? 'missing-root' : 'missing-intermediate',
      because: `"${issuer}" is known (${where}), and it is ${root ? 'a root' : 'no root: it has an issuer of its own'}.`,
      missing: certificate,
      knownAs: where,
    }
  }
  if (
    input.served.some(
      ({ certificate }) => certificate !== null && certificate !== top && verifiesFor(certificate, top, verifies),
    )
  ) {
    return {
      code: 'unknown-issuer',
      because: 'The served CAs vouch for each other in a circle, and no anchor vouches for any of them.',
    }
  }
  if (namesake !== null && namesake.where === 'anchor') {
    return {
      code: 'missing-root',
      because: `Another certificate of the name "${issuer}" with another key is in the trust store: ${rolledOver(namesake.certificate, top)}.`,
    }
  }
  const renamed = sameKeyOtherName(input, top, verifies)
  if (renamed !== null) {
    const root = renamed.selfSigned
    return {
      code: root ? 'missing-root' : 'missing-intermediate',
      because: `"${labelOf(renamed.subject)}" has the key that signed it, under another name: its certificate for "${issuer}" is missing.`,
    }
  }
  return concludeFromHints(input, path, top, namesake)
}

/** The CA is at hand, and its name is not the one in the certificate: chains are built by name (RFC 5280 section 6.1.3 (a)(4)). */
function sameKeyOtherName(
  input: Parameters<typeof missingIssuer>[0],
  top: Certificate,
  verifies: Verifies,
): Certificate | null {
  const { authorityKeyId } = top
  if (authorityKeyId === null) return null
  const served = input.served.flatMap(({ certificate }) => certificate ?? [])
  const found = [...input.anchors, ...input.intermediates, ...served].find(
    (it) =>
      it.subjectKeyId === authorityKeyId &&
      it.sha256 !== top.sha256 &&
      !sameName(it.subject, top.issuer) &&
      verifies(it, top),
  )
  return found ?? null
}

/** What the certificate and the names around it say. Weaker than keys, but real: people and CA software write them. */
function concludeFromHints(
  input: Parameters<typeof missingIssuer>[0],
  path: readonly Certificate[],
  top: Certificate,
  namesake: Namesake | null,
): Conclusion {
  const issuer = labelOf(top.issuer)
  const issuersIssuer = top.authorityKey?.issuer ?? null
  if (issuersIssuer !== null) {
    // RFC 5280 section 4.2.1.1: authorityCertIssuer is the issuer of the issuer.
    return sameName(issuersIssuer, top.issuer)
      ? { code: 'missing-root', because: `The authority key identifier says that "${issuer}" issued itself: a root.` }
      : {
          code: 'missing-intermediate',
          because: `The authority key identifier says that "${issuer}" was issued by "${labelOf(issuersIssuer)}".`,
        }
  }
  if (namesake !== null && !namesake.certificate.selfIssued) {
    return {
      code: 'missing-intermediate',
      because: `A certificate of the intermediate "${issuer}" is at hand (${namesake.where}), but with another key.`,
    }
  }
  const text = commonNameOf(top.issuer) ?? renderName(top.issuer, 'edge')
  if (rootWords.test(text)) return { code: 'missing-root', because: `The issuer calls itself a root: "${issuer}".` }
  if (intermediateWords.test(text)) {
    return { code: 'missing-intermediate', because: `The issuer calls itself an intermediate: "${issuer}".` }
  }
  const kin = kinOf(top.issuer, input)
  if (kin !== null) {
    return {
      code: 'missing-intermediate',
      because: `"${labelOf(kin)}" of the same organisation is at hand, so "${issuer}" stands between.`,
    }
  }
  if (path.length > 1) {
    return {
      code: 'missing-root',
      because: `The backend serves its chain up to "${issuer}", the issuer of its last CA.`,
    }
  }
  if (top.aiaUrls.caIssuers.length > 0) {
    return {
      code: 'missing-intermediate',
      because: `The leaf says where "${issuer}" can be fetched; no root is given so.`,
    }
  }
  return {
    code: 'unknown-issuer',
    because: `Nothing at hand tells whether "${issuer}" is a root or an intermediate.`,
  }
}

interface Namesake {
  readonly certificate: Certificate
  readonly where: 'anchor' | 'stored' | 'served'
}

/** What the dates say about a CA with two keys. A key signs nothing before it is there, but CAs backdate what they issue by hours. */
function rolledOver(stored: Certificate, top: Certificate): string {
  const day = 24 * 3_600_000
  if (stored.notBefore > top.notBefore + day) {
    return `it is the newer one, and "${labelOf(top.subject)}" is still under the older`
  }
  if (stored.notAfter < top.notBefore) return `it is the older one, and ended before "${labelOf(top.subject)}" began`
  return `"${labelOf(top.subject)}" is under the other one, which is missing`
}

/** A certificate with the very name of the missing issuer and another key: what a CA rollover leaves behind. */
function namesakeOf(top: Certificate, input: Parameters<typeof missingIssuer>[0], verifies: Verifies): Namesake | null {
  const lists = [
    ['anchor', input.anchors],
    ['stored', input.intermediates],
    ['served', input.served.flatMap(({ certificate }) => certificate ?? [])],
  ] as const
  for (const [where, list] of lists) {
    const found = list.find((it) => it.sha256 !== top.sha256 && sameName(it.subject, top.issuer) && !verifies(it, top))
    if (found !== undefined) return { certificate: found, where }
  }
  return null
}

function seenElsewhere(input: Parameters<typeof missingIssuer>[0], top: Certificate, verifies: Verifies) {
  const fetched = input.fetched.map((certificate) => ({
    certificate,
    where: 'fetched by its own pointer',
    anchor: false,
  }))
  const matches = [...input.known, ...fetched].filter(({ certificate }) => verifiesFor(certificate, top, verifies))
  // A CA may be known as a root and, cross-signed, as an intermediate: that some store anchors it weighs more.
  return matches.find(({ anchor }) => anchor) ?? matches[0] ?? null
}

const verifiesFor = (issuer: Certificate, subject: Certificate, verifies: Verifies): boolean =>
  sameName(issuer.subject, subject.issuer) && verifies(issuer, subject)

// Whole words only: "Grassroots Ltd" is no root.
const rootWords = /\b(?:root|wurzel|anchor)\b/i
const intermediateWords = /\b(?:issuing|intermediate|subordinate|sub-?ca|policy|ica)\b/i

/** The name of an anchor, or of a CA that was served beside the path, that belongs to the same organisation. */
function kinOf(issuer: Name, input: Parameters<typeof missingIssuer>[0]): Name | null {
  const served = input.served
    .slice(1)
    .flatMap(({ certificate }) => (certificate?.basicConstraints?.ca ? certificate : []))
  const family = familyOf(issuer)
  if (family.length === 0) return null
  const kin = [...input.anchors, ...served].find(
    ({ subject }) => !sameName(subject, issuer) && familyOf(subject).some((trait) => family.includes(trait)),
  )
  return kin?.subject ?? null
}

/** Organisation, and the words that a CA's name begins with before it says what kind of CA it is. */
function familyOf(name: Name): readonly string[] {
  const organisation = name.rdns.flat().find(({ oid }) => oid === '2.5.4.10')?.text
  const words = (commonNameOf(name) ?? '').toLowerCase().split(/[\s_.,-]+/)
  const generic = words.findIndex((word) => genericWords.test(word))
  const brand = (generic === -1 ? [] : words.slice(0, generic)).join(' ')
  return [...(organisation ? [`o:${organisation.toLowerCase()}`] : []), ...(brand.length > 2 ? [`cn:${brand}`] : [])]
}

const genericWords =
  /^(?:root|issuing|intermediate|policy|subordinate|sub|ca|cert|certificate|certification|authority|tls|ssl|server|global|trust|class|rsa|ecc|ecdsa|[a-z]?\d+)$/

function summaryOf(code: MissingCode, top: Certificate, alone: boolean): string {
  const issuer = labelOf(top.issuer)
  const subject = labelOf(top.subject)
  switch (code) {
    case 'self-signed-leaf':
      return `"${subject}" is self-signed and not in the trust store`
    case 'missing-root':
      return `The root "${issuer}" is not in the trust store`
    case 'missing-intermediate':
      return `"${issuer}", the issuer of "${subject}", is neither served nor stored`
    case 'unknown-issuer':
      return alone
        ? `"${issuer}", the issuer of "${subject}", is not known`
        : `The path of "${subject}" leads to "${issuer}", which is not known`
    default:
      return code satisfies never
  }
}
