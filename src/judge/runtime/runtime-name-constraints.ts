import { ipText } from '../../x509/ip-address.ts'
import { escapeControls, renderName } from '../../x509/name.ts'
import type { RuntimeCertificate } from './runtime-certificate.ts'
import type { RuntimeGeneralName, RuntimeNameConstraints, RuntimeSubtree } from './runtime-extensions.ts'

/** Errors of `NAME_CONSTRAINTS_check`, without X509_V_ERR_. */
export type NameConstraintError =
  | 'PERMITTED_VIOLATION'
  | 'EXCLUDED_VIOLATION'
  | 'SUBTREE_MINMAX'
  | 'UNSUPPORTED_CONSTRAINT_TYPE'
  | 'UNSUPPORTED_NAME_SYNTAX'
  | 'UNSPECIFIED'

/** What was wrong, and with which name. */
export interface NameConstraintFault {
  readonly error: NameConstraintError
  readonly name: string
}

type Outcome = 'OK' | NameConstraintError

/** `NAME_CONSTRAINTS_check`, and for a leaf without a DNS name `NAME_CONSTRAINTS_check_CN`. */
export function checkNameConstraints(
  certificate: RuntimeCertificate,
  constraints: RuntimeNameConstraints,
  isLeaf: boolean,
): NameConstraintFault | null {
  const attributes = certificate.subject.rdns.flat()
  if (tooMany(certificate, constraints)) return { error: 'UNSPECIFIED', name: 'too many names' }
  const names: RuntimeGeneralName[] = []
  if (attributes.length > 0) names.push({ type: 4, name: certificate.subject })
  for (const { oid, tag, der } of attributes) {
    if (oid !== '1.2.840.113549.1.9.1') continue
    if (tag !== ia5String) names.push(badSyntax)
    else names.push({ type: 1, text: contentOf(der).toString('latin1') })
  }
  names.push(...certificate.altNames)
  if (isLeaf && !certificate.altNames.some(({ type }) => type === 2)) names.push(...hostsOfCommonNames(certificate))
  for (const name of names) {
    const outcome = name === badSyntax ? 'UNSUPPORTED_NAME_SYNTAX' : matchAll(name, constraints)
    if (outcome !== 'OK') return { error: outcome, name: textOf(name) }
  }
  return null
}

/** How many names `checkNameConstraints` will compare with constraints. */
export function comparisonsOf(certificate: RuntimeCertificate, constraints: RuntimeNameConstraints): number {
  return tooMany(certificate, constraints) ? 0 : namesOf(certificate) * limitsOf(constraints)
}

/** OpenSSL's own limit: it compares none of them then. */
function tooMany(certificate: RuntimeCertificate, constraints: RuntimeNameConstraints): boolean {
  const names = namesOf(certificate)
  return names > 0 && limitsOf(constraints) > Math.floor(maxChecks / names)
}

const namesOf = ({ subject, altNames }: RuntimeCertificate): number => subject.rdns.flat().length + altNames.length

const limitsOf = ({ permitted, excluded }: RuntimeNameConstraints): number => permitted.length + excluded.length

const maxChecks = 1 << 20
const ia5String = 0x16
/** Stands for a name that cannot be compared at all. */
const badSyntax: RuntimeGeneralName = { type: 8 }

/** `cn2dnsid`: common names that look like host names of two labels or more. */
function hostsOfCommonNames({ subject }: RuntimeCertificate): RuntimeGeneralName[] {
  return subject.rdns.flat().flatMap(({ oid, text }): RuntimeGeneralName[] => {
    if (oid !== '2.5.4.3') return []
    const name = text?.replace(/\0+$/, '')
    if (name === undefined || name.includes('\0')) return [badSyntax]
    return looksLikeHost(name) ? [{ type: 2, text: name }] : []
  })
}

/** Dots and hyphens inside only, no hyphen and no second dot beside a dot, and at least one dot. */
const looksLikeHost = (name: string): boolean =>
  /^[a-z0-9_][a-z0-9_.-]*[a-z0-9_]$/i.test(name) && name.includes('.') && !/\.\.|-\.|\.-/.test(name)

/** `nc_match`. */
function matchAll(name: RuntimeGeneralName, { permitted, excluded }: RuntimeNameConstraints): Outcome {
  const type = effectiveType(name)
  const concerns = ({ base }: RuntimeSubtree): boolean =>
    type === base.type && (base.type !== 0 || (name.type === 0 && name.oid === base.oid))
  let matched: 'none' | 'tried' | 'yes' = 'none'
  for (const subtree of permitted.filter(concerns)) {
    if (!subtree.unbounded) return 'SUBTREE_MINMAX'
    if (matched === 'yes') continue
    matched = 'tried'
    const outcome = matchOne(name, subtree.base)
    if (outcome === 'OK') matched = 'yes'
    else if (outcome !== 'PERMITTED_VIOLATION') return outcome
  }
  if (matched === 'tried') return 'PERMITTED_VIOLATION'
  for (const subtree of excluded.filter(concerns)) {
    if (!subtree.unbounded) return 'SUBTREE_MINMAX'
    const outcome = matchOne(name, subtree.base)
    if (outcome === 'OK') return 'EXCLUDED_VIOLATION'
    if (outcome !== 'PERMITTED_VIOLATION') return outcome
  }
  return 'OK'
}

/** A mailbox in UTF-8 (RFC 8398) is a mail address to constraints. */
const effectiveType = (name: RuntimeGeneralName): number => (name.type === 0 && name.oid === smtpUtf8 ? 1 : name.type)

const smtpUtf8 = '2b06010505070809'

/** `nc_match_single`. PERMITTED_VIOLATION: does not match. */
function matchOne(name: RuntimeGeneralName, base: RuntimeGeneralName): Outcome {
  if (name.type === 0 && base.type === 1) return matchUtf8Mail(name.value.content, name.value.tag, base.text)
  if (name.type === 4 && base.type === 4) {
    const { canonical } = base.name
    const within =
      name.name.canonical === canonical || canonical === '' || name.name.canonical.startsWith(`${canonical}/`)
    return within ? 'OK' : 'PERMITTED_VIOLATION'
  }
  if (name.type === 1 && base.type === 1) return matchMail(name.text, base.text)
  if (name.type === 2 && base.type === 2) return matchDns(name.text, base.text)
  if (name.type === 6 && base.type === 6) return matchUri(name.text, base.text)
  if (name.type === 7 && base.type === 7) return matchAddress(name.bytes, base.bytes)
  return 'UNSUPPORTED_CONSTRAINT_TYPE'
}

function matchDns(name: string, base: string): Outcome {
  if (base === '') return 'OK'
  const start = name.length - base.length
  if (start < 0) return 'PERMITTED_VIOLATION'
  if (start > 0 && base[0] !== '.' && name[start - 1] !== '.') return 'PERMITTED_VIOLATION'
  return sameIa5(name.slice(start), base) ? 'OK' : 'PERMITTED_VIOLATION'
}

function matchMail(name: string, base: string): Outcome {
  const at = name.lastIndexOf('@')
  const baseAt = base.lastIndexOf('@')
  if (at === -1) return 'UNSUPPORTED_NAME_SYNTAX'
  if (baseAt === -1 && base.startsWith('.')) {
    return name.length > base.length && sameIa5(name.slice(-base.length), base) ? 'OK' : 'PERMITTED_VIOLATION'
  }
  if (baseAt > 0) {
    if (baseAt !== at) return 'PERMITTED_VIOLATION'
    if (base.slice(0, baseAt).includes('\0') || name.slice(0, at).includes('\0')) return 'UNSUPPORTED_NAME_SYNTAX'
    if (base.slice(0, baseAt) !== name.slice(0, at)) return 'PERMITTED_VIOLATION'
  }
  return sameIa5(name.slice(at + 1), base.slice(baseAt + 1)) ? 'OK' : 'PERMITTED_VIOLATION'
}

// `nc_email_eai`. The base is turned into U-labels there; an ASCII one stays what it is.
function matchUtf8Mail(content: Buffer, tag: number, host: string): Outcome {
  if (host.includes('\0') || tag !== 0x0c) return 'UNSUPPORTED_NAME_SYNTAX'
  const name = content.toString('latin1')
  const at = name.lastIndexOf('@')
  if (at === -1) return 'UNSUPPORTED_NAME_SYNTAX'
  if (host.startsWith('.')) {
    return name.length > host.length && sameIa5(name.slice(-host.length), host) ? 'OK' : 'PERMITTED_VIOLATION'
  }
  return sameIa5(name.slice(at + 1), host) ? 'OK' : 'PERMITTED_VIOLATION'
}

/** `OSSL_parse_url`, as far as the host depends on it; a C string ends at the first NUL. */
function matchUri(name: string, base: string): Outcome {
  const match = url.exec(name.split('\0')[0] as string)
  if (match === null || Number(match[2] ?? 0) > 65_535) return 'UNSUPPORTED_NAME_SYNTAX'
  const host = match[1] as string
  if (base.startsWith('.')) {
    return host.length > base.length && sameIa5(host.slice(-base.length), base) ? 'OK' : 'PERMITTED_VIOLATION'
  }
  return sameIa5(host, base) ? 'OK' : 'PERMITTED_VIOLATION'
}

const url = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|(?!\[)[^:/?#]*)(?::(\d+))?(?:[/?#]|$)/i

function matchAddress(address: Buffer, base: Buffer): Outcome {
  if (address.length !== 4 && address.length !== 16) return 'UNSUPPORTED_NAME_SYNTAX'
  if (base.length !== 8 && base.length !== 32) return 'UNSUPPORTED_NAME_SYNTAX'
  if (address.length * 2 !== base.length) return 'PERMITTED_VIOLATION'
  const within = address.every((byte, index) => {
    const mask = base[address.length + index] as number
    return (byte & mask) === ((base[index] as number) & mask)
  })
  return within ? 'OK' : 'PERMITTED_VIOLATION'
}

/** ASCII case does not count. */
const sameIa5 = (one: string, other: string): boolean =>
  one === other || (one.length === other.length && foldAscii(one) === foldAscii(other))

const foldAscii = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())

const contentOf = (der: Buffer): Buffer => {
  const long = (der[1] as number) >= 0x80 ? (der[1] as number) & 0x7f : 0
  return der.subarray(2 + long)
}

/** For people; the peer's text. */
function textOf(name: RuntimeGeneralName): string {
  switch (name.type) {
    case 1:
    case 2:
    case 6:
      return escapeControls(name.text.slice(0, maxText))
    case 4:
      return renderName(name.name, 'edge').slice(0, maxText)
    case 7:
      return ipText(name.bytes) ?? `#${name.bytes.toString('hex').slice(0, maxText)}`
    default:
      return 'a name that cannot be compared'
  }
}

const maxText = 256
