import { isoDate, labelOf } from '../certificate-ref.ts'
import { type FaultFinding, fault, type Place } from '../fault.ts'
import type { RuntimeCertificate } from './runtime-certificate.ts'
import type { OpensslError, RuntimeError } from './runtime-checks.ts'
import { bitsOfLevel } from '../strength.ts'
import { keyStrength, signatureStrength } from './runtime-strength.ts'

/**
 * What OpenSSL's errors about a path mean. One fault where it complains more than once about the same thing; none for a
 * missing anchor, which needs more evidence than an error has.
 */
export function faultsOf(
  errors: readonly RuntimeError[],
  chain: readonly RuntimeCertificate[],
  { level, now }: { readonly level: number; readonly now: number },
): FaultFinding[] {
  const faults: FaultFinding[] = []
  const issuers = new Set<number>()
  for (const it of errors) {
    const subject = chain[it.at] as RuntimeCertificate
    const context = { ...it, subject, chain, place: { at: it.at, certificate: subject.facts }, level, now }
    if (aboutIssuer(it)) {
      if (!issuers.has(it.at)) faults.push(...issuerFaults(context))
      issuers.add(it.at)
    } else faults.push(...faultOf(context))
  }
  return faults
}

/** One error and what can be said about it. */
interface Context extends RuntimeError {
  readonly subject: RuntimeCertificate
  readonly chain: readonly RuntimeCertificate[]
  readonly place: Place
  readonly level: number
  readonly now: number
}

const aboutIssuer = ({ error, detail }: RuntimeError): boolean =>
  error === 'INVALID_CA' || error === 'KEYUSAGE_NO_CERTSIGN' || detail?.['reason'] === 'notAnAuthority'

function issuerFaults({ subject, place }: Context): FaultFinding[] {
  const { ca, keyUsage, facts } = subject
  const name = labelOf(subject.subject)
  const faults: FaultFinding[] = []
  if (ca !== true) {
    faults.push(
      fault('issuer-not-ca', place, `"${name}" issued a certificate and is not a CA`, {
        basicConstraints: facts?.basicConstraints ?? null,
        version: Number(subject.version) + 1,
      }),
    )
  }
  if (keyUsage !== null && (keyUsage & 0x04) === 0) {
    faults.push(
      fault('issuer-key-usage', place, `The key usage of "${name}" does not allow it to sign certificates`, {
        keyUsage: [...(facts?.keyUsage ?? [])],
        needed: 'keyCertSign',
      }),
    )
  }
  return faults
}

function faultOf(context: Context): FaultFinding[] {
  const { error, at, subject, chain, place, detail = {} } = context
  const name = `"${labelOf(subject.subject)}"`
  const rule = `OpenSSL: X509_V_ERR_${error}`
  switch (error) {
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'INVALID_CA':
    case 'KEYUSAGE_NO_CERTSIGN':
      return []
    case 'CERT_CHAIN_TOO_LONG':
      return [fault('depth-exceeded', place, `The path is longer than ${chain.length - 1} certificates`, { rule })]
    case 'EE_KEY_TOO_SMALL':
    case 'CA_KEY_TOO_SMALL':
      // Told a second time where no anchor was found, about another place.
      return subject.key === null || keyStrength(subject.key) < bitsOfLevel(context.level) ? [weakKey(context)] : []
    case 'CA_MD_TOO_WEAK':
      return [weakSignature(context)]
    case 'UNHANDLED_CRITICAL_EXTENSION':
      return [unknownCritical(context)]
    case 'PROXY_CERTIFICATES_NOT_ALLOWED':
      return [
        fault('wrong-purpose', place, `${name} is a proxy certificate, which this gateway does not accept`, { rule }),
      ]
    case 'PROXY_SUBJECT_NAME_VIOLATION':
      // It is refused as a proxy already.
      return []
    case 'UNNESTED_RESOURCE':
      return [
        fault('policy-violation', place, `${name} does not have the resources that the leaf claims`, {
          ...detail,
          rule,
        }),
      ]
    case 'INVALID_EXTENSION':
      return [
        fault('malformed-certificate', place, `The resources of ${name} are not written as they must be`, {
          ...detail,
          rule,
        }),
      ]
    case 'INVALID_NON_CA':
      return [fault('wrong-purpose', place, `${name} is a CA and has issued a proxy certificate`, { rule })]
    case 'INVALID_PURPOSE':
      return [wrongPurpose(context)]
    case 'PATH_LENGTH_EXCEEDED':
      return [
        fault(
          'path-length-exceeded',
          place,
          `${name} allows ${String(detail['pathLength'])} CAs below itself, and the path has ${String(detail['authoritiesBelow'])}`,
          { ...detail, authority: labelOf(subject.subject), rule },
        ),
      ]
    case 'KEYUSAGE_NO_DIGITAL_SIGNATURE':
      return [fault('issuer-key-usage', place, `${name} may not sign proxy certificates`, { rule })]
    case 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY':
      return [fault('malformed-certificate', place, `The public key of ${name} cannot be read`, { rule })]
    case 'CERT_SIGNATURE_FAILURE': {
      const issuer = chain[at + 1]
      return [
        fault(
          'bad-signature',
          place,
          `The signature of ${name} does not match the key of "${issuer === undefined ? '' : labelOf(issuer.subject)}"`,
          {
            algorithm: subject.facts?.signatureAlgorithm.name ?? subject.signatureOid,
            issuer: issuer === undefined ? null : labelOf(issuer.subject),
            issuerKey: issuer?.key?.kind ?? null,
            rule,
          },
        ),
      ]
    }
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return [outsideValidity(context)]
    case 'ERROR_IN_CERT_NOT_BEFORE_FIELD':
    case 'ERROR_IN_CERT_NOT_AFTER_FIELD':
      return [fault('malformed-certificate', place, `The validity of ${name} is not written as it must be`, { rule })]
    case 'EC_KEY_EXPLICIT_PARAMS':
      return [fault('malformed-certificate', place, `The key of ${name} defines its own curve`, { rule })]
    case 'UNSPECIFIED':
      return detail['constrainedBy'] === undefined
        ? [fault('malformed-certificate', place, `The public key of ${name} cannot be read`, { rule })]
        : [fault('too-complex', place, `${name} has more names than OpenSSL compares with name constraints`, { rule })]
    case 'UNABLE_TO_GET_CRL':
    case 'KEYUSAGE_NO_CRL_SIGN':
    case 'DIFFERENT_CRL_SCOPE':
    case 'CRL_NOT_YET_VALID':
    case 'CRL_HAS_EXPIRED':
    case 'CRL_SIGNATURE_FAILURE':
    case 'CERT_REVOKED':
      // `listFaults`: several of them about one certificate are one fault.
      return []
    case 'PERMITTED_VIOLATION':
    case 'EXCLUDED_VIOLATION':
    case 'SUBTREE_MINMAX':
    case 'UNSUPPORTED_CONSTRAINT_TYPE':
    case 'UNSUPPORTED_NAME_SYNTAX':
      return [nameConstraint(context)]
    default:
      return error satisfies never
  }
}

function weakKey({ subject, place, level, error }: Context): FaultFinding {
  const { key } = subject
  const needed = bitsOfLevel(level)
  if (key === null)
    return fault('malformed-certificate', place, `The public key of "${labelOf(subject.subject)}" cannot be read`)
  const { kind, bits, curve } = key
  return fault(
    'weak-key',
    place,
    `The ${curve ?? `${bits}-bit`} ${kind.toUpperCase()} key of "${labelOf(subject.subject)}" is too weak`,
    {
      algorithm: kind,
      bits,
      curve,
      strength: keyStrength(key),
      needed,
      level,
      rule: ruleOf(error),
    },
  )
}

function weakSignature({ subject, place, level, error }: Context): FaultFinding {
  const { name = subject.signatureOid, hash = null } = subject.facts?.signatureAlgorithm ?? {}
  return fault('weak-signature', place, `"${labelOf(subject.subject)}" is signed with ${name}, which is too weak`, {
    algorithm: name,
    hash,
    strength: signatureStrength(subject),
    needed: bitsOfLevel(level),
    level,
    rule: ruleOf(error),
  })
}

function unknownCritical({ subject, place, error }: Context): FaultFinding {
  // The strict reader names the OIDs; OpenSSL stops at the first.
  const known = subject.facts?.extensions.filter(({ critical }) => critical).map(({ oid }) => oid) ?? []
  const oids = known.filter((oid) => oid === '2.5.29.35' || oid === '2.5.29.14' || !processed.has(oid))
  return fault(
    'unknown-critical-extension',
    place,
    `"${labelOf(subject.subject)}" carries a critical extension that is not understood: ${oids.join(', ')}`,
    { oids, rule: ruleOf(error) },
  )
}

/** `X509_supported_extension`. */
const processed: ReadonlySet<string> = new Set([
  ...[15, 17, 19, 30, 31, 32, 33, 36, 37, 54].map((last) => `2.5.29.${last}`),
  '2.16.840.1.113730.1.1',
  ...[7, 8, 14].map((last) => `1.3.6.1.5.5.7.1.${last}`),
  '1.3.6.1.5.5.7.48.1.5',
])

function wrongPurpose({ subject, place, error, detail = {} }: Context): FaultFinding {
  const name = labelOf(subject.subject)
  const { facts } = subject
  const rule = ruleOf(error)
  if (detail['reason'] === 'keyUsage') {
    return fault('wrong-purpose', place, `The key usage of "${name}" allows nothing that a TLS peer does`, {
      keyUsage: [...(facts?.keyUsage ?? [])],
      needed: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
      rule,
    })
  }
  return fault('wrong-purpose', place, `"${name}" is not meant for TLS`, {
    extendedKeyUsage: facts?.extendedKeyUsage ?? null,
    netscapeType: subject.netscapeType,
    needed: '1.3.6.1.5.5.7.3.1',
    rule,
  })
}

function outsideValidity({ subject, place, error, now }: Context): FaultFinding {
  const name = labelOf(subject.subject)
  const notBefore = isoDate(subject.notBefore ?? 0)
  const notAfter = isoDate(subject.notAfter ?? 0)
  const evidence = { notBefore, notAfter, time: isoDate(now), rule: ruleOf(error) }
  return error === 'CERT_HAS_EXPIRED'
    ? fault('expired', place, `"${name}" expired at ${notAfter}`, evidence)
    : fault('not-yet-valid', place, `"${name}" is not valid before ${notBefore}`, evidence)
}

function nameConstraint({ subject, place, error, chain, detail = {} }: Context): FaultFinding {
  const by = chain[Number(detail['constrainedBy'])]
  const authority = by === undefined ? '' : labelOf(by.subject)
  return fault(
    'name-constraint-violation',
    place,
    `"${authority}" may not issue for ${String(detail['name'])}, a name of "${labelOf(subject.subject)}"`,
    { ...detail, authority, rule: ruleOf(error) },
  )
}

const ruleOf = (error: OpensslError): string => `OpenSSL: X509_V_ERR_${error}`
