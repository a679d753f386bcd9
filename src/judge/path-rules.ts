import { commonNameOf, type Name } from '../x509/name.ts'
import { labelOf } from './certificate-ref.ts'
import { issuerFaults } from './certificate-rules.ts'
import { type FaultFinding, fault } from './fault.ts'
import type { Link } from './links.ts'
import type { JudgeInput, PathElement } from './types.ts'

/** Signatures along the path. `links[i]` leads from `path[i]` to `path[i + 1]`. */
export function signatureFaults(path: readonly PathElement[], links: readonly Link[]): FaultFinding[] {
  return links.flatMap(({ signature }, at) => {
    const certificate = path[at]?.certificate
    const issuer = path[at + 1]?.certificate
    if (signature === 'good' || certificate === undefined || issuer === undefined) return []
    const { name, oid } = certificate.signatureAlgorithm
    const subject = labelOf(certificate.subject)
    if (signature === 'unsupported' && forgotten.has(oid)) {
      const summary = `"${subject}" is signed with ${name}, which is too weak for anyone to verify`
      return [fault('weak-signature', { at, certificate }, summary, { algorithm: name, signature })]
    }
    const summary =
      signature === 'bad'
        ? `The signature of "${subject}" does not match the key of "${labelOf(issuer.subject)}"`
        : `The signature of "${subject}" (${name}) cannot be verified with the key of "${labelOf(issuer.subject)}"`
    return [
      fault('bad-signature', { at, certificate }, summary, {
        signature,
        algorithm: name,
        issuer: labelOf(issuer.subject),
        issuerKey: issuer.publicKey.algorithm,
      }),
    ]
  })
}

/** RSA with MD2 and MD4: so weak that the cryptographic library no longer has them. */
const forgotten: ReadonlySet<string> = new Set(['1.2.840.113549.1.1.2', '1.2.840.113549.1.1.3'])

/** Every certificate above the leaf is a CA that may sign; with proxy certificates, see RFC 3820. */
export function authorityFaults(path: readonly PathElement[], allowProxies: boolean): FaultFinding[] {
  return path.flatMap(({ certificate, origin }, at) => {
    if (at === 0) return []
    const below = path[at - 1] as PathElement
    if (allowProxies && isProxy(below)) return []
    return issuerFaults(certificate, at, { leaf: false, anchor: origin === 'anchor' })
  })
}

/** RFC 5280 section 6.1.4 (l) and (m). The guilty certificate is the CA that is one too many. */
export function pathLengthFaults(path: readonly PathElement[]): FaultFinding[] {
  const tooMany = new Map<number, FaultFinding>()
  for (const [at, { certificate }] of path.entries()) {
    const limit = certificate.basicConstraints?.ca === true ? certificate.basicConstraints.pathLength : null
    if (at === 0 || limit === null) continue
    let left = limit
    for (let below = at - 1; below > 0; below -= 1) {
      const { certificate: sub } = path[below] as PathElement
      if (sub.selfIssued || sub.basicConstraints?.ca !== true) continue
      left -= 1
      if (left >= 0) continue
      if (!tooMany.has(below)) {
        tooMany.set(
          below,
          fault(
            'path-length-exceeded',
            { at: below, certificate: sub },
            `"${labelOf(certificate.subject)}" allows ${limit} CAs below itself, and "${labelOf(sub.subject)}" is one more`,
            { pathLength: limit, authority: labelOf(certificate.subject), rule: 'RFC 5280 section 6.1.4 (l)' },
          ),
        )
      }
      break
    }
  }
  return [...tooMany.values()]
}

/** CAs that renew their own key do not count: they are one logical CA. */
export function depthFaults(path: readonly PathElement[], { maxDepth }: Pick<JudgeInput, 'maxDepth'>): FaultFinding[] {
  if (maxDepth === null) return []
  const counted = path.flatMap(({ certificate }, at) =>
    at > 0 && at < path.length - 1 && !certificate.selfIssued ? [at] : [],
  )
  const at = counted[maxDepth]
  if (at === undefined) return []
  const { certificate } = path[at] as PathElement
  return [
    fault(
      'depth-exceeded',
      { at, certificate },
      `The path has ${counted.length} intermediates, ${maxDepth} are allowed`,
      {
        depth: counted.length,
        maxDepth,
      },
    ),
  ]
}

const proxyInfo = '1.3.6.1.5.5.7.1.14'

export const isProxy = ({ certificate }: Pick<PathElement, 'certificate'>): boolean =>
  certificate.extensions.some(({ oid }) => oid === proxyInfo)

/** RFC 3820 sections 3.4, 3.8 and 4: what is asked of proxy certificates beyond other leaves. */
export function proxyFaults(path: readonly PathElement[]): FaultFinding[] {
  const faults: FaultFinding[] = []
  // What a proxy certificate claims for those below it counts whether or not there are any, as in OpenSSL.
  let claimed = 0
  for (const [at, element] of path.entries()) {
    const { certificate } = element
    const issuer = path[at + 1]?.certificate
    if (!isProxy(element)) break
    const limit = proxyPathLength(certificate.extensions.find(({ oid }) => oid === proxyInfo)?.value)
    if (limit !== null && claimed > limit) {
      faults.push(
        fault(
          'path-length-exceeded',
          { at: at - 1, certificate: path[at - 1]?.certificate ?? null },
          'One proxy certificate too many',
          {
            pathLength: limit,
            rule: 'RFC 3820 section 3.8.1',
          },
        ),
      )
    }
    if (issuer !== undefined && !extendsName(certificate.subject, issuer.subject)) {
      faults.push(
        fault(
          'malformed-certificate',
          { at, certificate },
          'The name of a proxy certificate is not that of its issuer with one common name more',
          {
            rule: 'RFC 3820 section 3.4',
          },
        ),
      )
    }
    if (certificate.basicConstraints?.ca === true) {
      faults.push(
        fault('malformed-certificate', { at, certificate }, 'A proxy certificate may not be a CA', {
          rule: 'RFC 3820 section 3.7',
        }),
      )
    }
    claimed = (limit ?? claimed) + 1
  }
  return faults
}

/** The issuer's name and one more part, which is a single common name. */
function extendsName(subject: Name, issuer: Name): boolean {
  const last = subject.rdns.at(-1)
  const prefix = issuer.canonical === '' ? '' : `${issuer.canonical}/`
  return (
    subject.rdns.length === issuer.rdns.length + 1 &&
    subject.canonical.startsWith(prefix) &&
    last?.length === 1 &&
    last[0]?.oid === '2.5.4.3' &&
    commonNameOf(subject) !== null
  )
}

/** pCPathLenConstraint of ProxyCertInfo: the INTEGER that may open its SEQUENCE. */
function proxyPathLength(value: Buffer | undefined): number | null {
  if (value === undefined || value[0] !== 0x30 || value[2] !== 0x02) return null
  return value.subarray(4, 4 + (value[3] ?? 0)).reduce((sum, byte) => sum * 256 + byte, 0)
}
