import { DerError, readWhole } from '../../x509/der.ts'
import { type Name, readName } from '../../x509/name.ts'
import {
  type Ber,
  BerError,
  bitsOf,
  booleanOf,
  contextClass,
  elementsOf,
  explicitOf,
  Fields,
  integerOf,
  oidOf,
  readBer,
  sequenceOf,
  stringOf,
  toDer,
} from './ber.ts'
import { readAddressBlocks, readAutonomousSystems, type RuntimeResources } from './runtime-resources.ts'

/** `type` is the number of the choice (RFC 5280 section 4.2.1.6). */
export type RuntimeGeneralName =
  | { readonly type: 1 | 2 | 6; readonly text: string }
  | { readonly type: 7; readonly bytes: Buffer }
  | { readonly type: 4; readonly name: Name }
  | { readonly type: 0; readonly oid: string; readonly value: Ber }
  | { readonly type: 3 | 5 | 8 }

export interface RuntimeSubtree {
  readonly base: RuntimeGeneralName
  /** No maximum, and no minimum but 0 (`nc_minmax_valid`). */
  readonly unbounded: boolean
}

export interface RuntimeNameConstraints {
  readonly permitted: readonly RuntimeSubtree[]
  readonly excluded: readonly RuntimeSubtree[]
}

export interface RuntimeExtensions {
  /** EXFLAG_INVALID: OpenSSL takes such a certificate for nobody's issuer and nobody's issue. OIDs of what is wrong. */
  readonly invalid: readonly string[]
  /** EXFLAG_CRITICAL: OID of the first critical extension that is not processed. */
  readonly unhandledCritical: string | null
  /** null: no basicConstraints. */
  readonly ca: boolean | null
  readonly pathLength: bigint | null
  readonly proxy: boolean
  /** Bits as in the first two octets, second one first (`ex_kusage`); null: absent. */
  readonly keyUsage: number | null
  /** Hexadecimal OIDs; null: absent. */
  readonly purposes: readonly string[] | null
  /** First octet of the Netscape certificate type; null: absent. */
  readonly netscapeType: number | null
  readonly subjectKeyId: Buffer | null
  readonly authorityKey: {
    readonly keyId: Buffer | null
    readonly issuer: Name | null
    readonly serial: bigint | null
  } | null
  readonly altNames: readonly RuntimeGeneralName[]
  readonly nameConstraints: RuntimeNameConstraints | null
  /** Null: absent. */
  readonly addressBlocks: RuntimeResources | null
  readonly autonomousSystems: RuntimeResources | null
}

interface RawExtension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Buffer
}

/** Hexadecimal contents of the OIDs that `ossl_x509v3_cache_extensions` looks at. */
const oids = {
  subjectKeyId: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  issuerAltName: '551d12',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  crlDistributionPoints: '551d1f',
  certificatePolicies: '551d20',
  policyMappings: '551d21',
  authorityKeyId: '551d23',
  policyConstraints: '551d24',
  extendedKeyUsage: '551d25',
  inhibitAnyPolicy: '551d36',
  netscapeType: '6086480186f8420101',
  proxyCertInfo: '2b0601050507010e',
  addressBlocks: '2b06010505070107',
  autonomousSystems: '2b06010505070108',
  ocspNoCheck: '2b0601050507300105',
} as const

/** `X509_supported_extension`. */
const supported: ReadonlySet<string> = new Set([
  oids.netscapeType,
  oids.keyUsage,
  oids.subjectAltName,
  oids.basicConstraints,
  oids.certificatePolicies,
  oids.crlDistributionPoints,
  oids.extendedKeyUsage,
  oids.addressBlocks,
  oids.autonomousSystems,
  oids.ocspNoCheck,
  oids.policyConstraints,
  oids.proxyCertInfo,
  oids.nameConstraints,
  oids.policyMappings,
  oids.inhibitAnyPolicy,
])

/** What OpenSSL keeps of the extensions (`ossl_x509v3_cache_extensions`). `list` is the SEQUENCE OF; null: there is none. */
export function readRuntimeExtensions(list: Ber | null): RuntimeExtensions {
  const raw = list === null ? [] : elementsOf(list).map(readExtension)
  const invalid: string[] = []
  const read = <T>(oid: string, parse: (value: Buffer) => T): T | null => {
    const found = raw.filter((extension) => extension.oid === oid)
    const [only] = found
    if (only === undefined) return null
    try {
      // X509V3_get_d2i finds nothing where there are two, and says so.
      if (found.length > 1) throw new BerError('more than one')
      return parse(only.value)
    } catch (error) {
      if (!isUnreadable(error)) throw error
      invalid.push(oid)
      return null
    }
  }
  const has = (oid: string): boolean => raw.some((extension) => extension.oid === oid)

  const constraints = read(oids.basicConstraints, readBasicConstraints)
  const proxy = read(oids.proxyCertInfo, readProxyInfo)
  if (proxy !== null && (constraints?.ca === true || has(oids.subjectAltName) || has(oids.issuerAltName))) {
    invalid.push(oids.proxyCertInfo)
  }
  const keyUsage = read(oids.keyUsage, (value) => {
    const [first = 0, second = 0] = bitsOf(ofTag(readBer(value), 0x03))
    const bits = first | (second << 8)
    if (bits === 0) throw new BerError('allows nothing')
    return bits
  })
  const facts = {
    purposes: read(oids.extendedKeyUsage, (value) => elementsOf(sequenceOf(value)).map((it) => oidOf(ofTag(it, 0x06)))),
    netscapeType: read(oids.netscapeType, (value) => bitsOf(ofTag(readBer(value), 0x03))[0] ?? 0),
    subjectKeyId: read(oids.subjectKeyId, (value) => stringOf(ofTag(readBer(value), 0x04))),
    authorityKey: read(oids.authorityKeyId, readAuthorityKey),
    altNames: read(oids.subjectAltName, (value) => readGeneralNames(sequenceOf(value))) ?? [],
    nameConstraints: read(oids.nameConstraints, readNameConstraints),
    addressBlocks: read(oids.addressBlocks, readAddressBlocks),
    autonomousSystems: read(oids.autonomousSystems, readAutonomousSystems),
  }
  read(oids.crlDistributionPoints, (value) => elementsOf(sequenceOf(value)).map(checkDistributionPoint))
  return {
    invalid,
    unhandledCritical: raw.find(({ oid, critical }) => critical && !supported.has(oid))?.oid ?? null,
    ca: constraints?.ca ?? null,
    pathLength: constraints?.pathLength ?? null,
    proxy: proxy !== null,
    keyUsage,
    ...facts,
  }
}

function readExtension(element: Ber): RawExtension {
  const fields = new Fields(ofTag(element, 0x10))
  const oid = oidOf(ofTag(fields.next(), 0x06))
  const critical = fields.optional(0x01)
  const value = stringOf(ofTag(fields.next(), 0x04))
  fields.finish()
  return { oid, critical: critical !== null && booleanOf(critical), value }
}

function readBasicConstraints(value: Buffer): { ca: boolean; pathLength: bigint | null } {
  const fields = new Fields(sequenceOf(value))
  const ca = fields.optional(0x01)
  const length = fields.optional(0x02)
  fields.finish()
  const pathLength = length === null ? null : integerOf(length)
  if (pathLength !== null && pathLength < 0n) throw new BerError('a negative path length')
  // Beyond a C long ASN1_INTEGER_get answers -1, which stands for no limit.
  const limited = pathLength !== null && pathLength < 2n ** 63n
  return { ca: ca !== null && booleanOf(ca), pathLength: limited ? pathLength : null }
}

function readProxyInfo(value: Buffer): true {
  const fields = new Fields(sequenceOf(value))
  const length = fields.optional(0x02)
  if (length !== null) integerOf(length)
  const policy = new Fields(ofTag(fields.next(), 0x10))
  fields.finish()
  oidOf(ofTag(policy.next(), 0x06))
  policy.optional(0x04)
  policy.finish()
  return true
}

function readAuthorityKey(value: Buffer): NonNullable<RuntimeExtensions['authorityKey']> {
  const fields = new Fields(sequenceOf(value))
  const keyId = fields.optional(contextClass)
  const issuer = fields.optional(contextClass | 1)
  const serial = fields.optional(contextClass | 2)
  fields.finish()
  const directory = (issuer === null ? [] : readGeneralNames(issuer)).find((name) => name.type === 4)
  return {
    keyId: keyId === null ? null : stringOf(keyId),
    issuer: directory?.name ?? null,
    serial: serial === null ? null : integerOf(serial),
  }
}

function readNameConstraints(value: Buffer): RuntimeNameConstraints {
  const fields = new Fields(sequenceOf(value))
  const permitted = fields.optional(contextClass)
  const excluded = fields.optional(contextClass | 1)
  fields.finish()
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) }
}

function readSubtrees(list: Ber | null): RuntimeSubtree[] {
  return (list === null ? [] : elementsOf(list)).map((element) => {
    const fields = new Fields(ofTag(element, 0x10))
    const base = readGeneralName(fields.next())
    const minimum = fields.optional(contextClass)
    const maximum = fields.optional(contextClass | 1)
    fields.finish()
    if (maximum !== null) integerOf(maximum)
    return { base, unbounded: maximum === null && (minimum === null || integerOf(minimum) === 0n) }
  })
}

const readGeneralNames = (list: Ber): RuntimeGeneralName[] => elementsOf(list).map(readGeneralName)

function readGeneralName(element: Ber): RuntimeGeneralName {
  const type = element.tag ^ contextClass
  switch (type) {
    case 1:
    case 2:
    case 6:
      return { type, text: stringOf(element).toString('latin1') }
    case 7:
      return { type, bytes: stringOf(element) }
    case 4:
      return { type, name: readRuntimeName(explicitOf(element)) }
    case 0: {
      const fields = new Fields(element)
      const oid = oidOf(ofTag(fields.next(), 0x06))
      const value = explicitOf(ofTag(fields.next(), contextClass))
      fields.finish()
      return { type, oid, value }
    }
    case 8:
      oidOf(element)
      return { type }
    case 3:
      if (!element.constructed) throw new BerError('not a GeneralName')
      return { type }
    case 5: {
      const fields = new Fields(element)
      const assigner = fields.optional(contextClass)
      if (assigner !== null) explicitOf(assigner)
      explicitOf(ofTag(fields.next(), contextClass | 1))
      fields.finish()
      return { type }
    }
    default:
      throw new BerError('not a GeneralName')
  }
}

// `setup_dp`: one that names neither a place nor an issuer makes the whole certificate invalid.
function checkDistributionPoint(element: Ber): void {
  const fields = new Fields(ofTag(element, 0x10))
  const place = fields.optional(contextClass)
  const reasons = fields.optional(contextClass | 1)
  const issuer = fields.optional(contextClass | 2)
  fields.finish()
  if (place !== null) {
    const name = explicitOf(place)
    if (name.tag === contextClass) readGeneralNames(name)
    else if (name.tag === (contextClass | 1)) readRelativeName(name)
    else throw new BerError('not a distribution point name')
  }
  if (reasons !== null) bitsOf(reasons)
  const issuers = issuer === null ? [] : readGeneralNames(issuer)
  if (place === null && issuers.length === 0) throw new BerError('a distribution point without a place')
}

/** Throws where OpenSSL does: on a kind of string that names may not have, and on one that cannot be made UTF-8. */
export const readRuntimeName = (element: Ber): Name => checkedName(toDer(element))

/** A name of one part, out of the part. */
const readRelativeName = (part: Ber): Name => {
  const set = toDer({ ...part, tag: 0x11, constructed: true })
  return checkedName(toDer({ tag: 0x10, constructed: true, content: set, raw: set }))
}

function checkedName(der: Buffer): Name {
  const name = readName(readWhole(der), 'name')
  for (const { tag, text } of name.rdns.flat()) {
    if (!nameTags.has(tag & 0xdf) || (text === null && decodedTags.has(tag))) throw new BerError('not a name')
  }
  return name
}

/** ASN1_PRINTABLE. */
const nameTags: ReadonlySet<number> = new Set([0x03, 0x0c, 0x10, 0x12, 0x13, 0x14, 0x16, 0x1c, 0x1e])
const decodedTags: ReadonlySet<number> = new Set([0x0c, 0x13, 0x14, 0x16, 0x1c, 0x1e])

/** The bytes are at fault, not the program. */
export const isUnreadable = (error: unknown): boolean => error instanceof BerError || error instanceof DerError

function ofTag(element: Ber, tag: number): Ber {
  if (element.tag !== tag) throw new BerError(`tag ${element.tag} instead of ${tag}`)
  return element
}
