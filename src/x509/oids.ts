/** Names that three products give to one attribute of a distinguished name. */
export interface AttributeNames {
  readonly edge: string
  readonly windows: string
  readonly openssl: string
}

const attribute = (edge: string, windows = edge, openssl = edge): AttributeNames => ({ edge, windows, openssl })

/** Edge prints names the way Java does, the self-hosted gateway the way .NET does. */
export const attributeNames: Readonly<Record<string, AttributeNames>> = {
  '2.5.4.3': attribute('CN'),
  '2.5.4.4': attribute('SURNAME', 'SN', 'SN'),
  '2.5.4.5': attribute('SERIALNUMBER', 'SERIALNUMBER', 'serialNumber'),
  '2.5.4.6': attribute('C'),
  '2.5.4.7': attribute('L'),
  '2.5.4.8': attribute('ST', 'S', 'ST'),
  '2.5.4.9': attribute('STREET', 'STREET', 'street'),
  '2.5.4.10': attribute('O'),
  '2.5.4.11': attribute('OU'),
  '2.5.4.12': attribute('T', 'T', 'title'),
  '2.5.4.13': attribute('OID.2.5.4.13', 'Description', 'description'),
  '2.5.4.15': attribute('OID.2.5.4.15', 'OID.2.5.4.15', 'businessCategory'),
  '2.5.4.17': attribute('OID.2.5.4.17', 'PostalCode', 'postalCode'),
  '2.5.4.42': attribute('GIVENNAME', 'G', 'GN'),
  '2.5.4.43': attribute('INITIALS', 'I', 'initials'),
  '2.5.4.44': attribute('GENERATION', 'OID.2.5.4.44', 'generationQualifier'),
  '2.5.4.46': attribute('DNQ', 'dnQualifier', 'dnQualifier'),
  '2.5.4.97': attribute('OID.2.5.4.97', 'OID.2.5.4.97', 'organizationIdentifier'),
  '0.9.2342.19200300.100.1.1': attribute('UID', 'OID.0.9.2342.19200300.100.1.1', 'UID'),
  '0.9.2342.19200300.100.1.25': attribute('DC'),
  '1.2.840.113549.1.9.1': attribute('EMAILADDRESS', 'E', 'emailAddress'),
  '1.3.6.1.4.1.311.60.2.1.1': attribute(
    'OID.1.3.6.1.4.1.311.60.2.1.1',
    'OID.1.3.6.1.4.1.311.60.2.1.1',
    'jurisdictionL',
  ),
  '1.3.6.1.4.1.311.60.2.1.2': attribute(
    'OID.1.3.6.1.4.1.311.60.2.1.2',
    'OID.1.3.6.1.4.1.311.60.2.1.2',
    'jurisdictionST',
  ),
  '1.3.6.1.4.1.311.60.2.1.3': attribute(
    'OID.1.3.6.1.4.1.311.60.2.1.3',
    'OID.1.3.6.1.4.1.311.60.2.1.3',
    'jurisdictionC',
  ),
}

export const extensionOids = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
} as const

/**
 * Critical extensions that OpenSSL processes (`X509_supported_extension`); any other critical one makes it refuse. AIA is
 * not among them: RFC 5280 section 4.2.2.1 forbids it to be critical.
 */
export const processedExtensions: ReadonlySet<string> = new Set([
  '2.16.840.1.113730.1.1',
  extensionOids.keyUsage,
  extensionOids.subjectAltName,
  extensionOids.basicConstraints,
  extensionOids.certificatePolicies,
  extensionOids.crlDistributionPoints,
  extensionOids.extendedKeyUsage,
  '1.3.6.1.5.5.7.1.7',
  '1.3.6.1.5.5.7.1.8',
  extensionOids.policyConstraints,
  '1.3.6.1.5.5.7.1.14',
  extensionOids.nameConstraints,
  extensionOids.policyMappings,
  extensionOids.inhibitAnyPolicy,
  extensionOids.subjectKeyIdentifier,
  extensionOids.authorityKeyIdentifier,
  // id-pkix-ocsp-nocheck
  '1.3.6.1.5.5.7.48.1.5',
])

export const crlExtensionOids = {
  crlNumber: '2.5.29.20',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  authorityKeyIdentifier: '2.5.29.35',
  freshestCrl: '2.5.29.46',
} as const

/** Extensions of revocation lists that are read here (RFC 5280 section 5.2). */
export const processedCrlExtensions: ReadonlySet<string> = new Set(Object.values(crlExtensionOids))

/** `hash` is null where the algorithm has its own, `key` the kind of key that can make such a signature. */
export interface SignatureFacts {
  readonly name: string
  readonly hash: string | null
  readonly key: string
}

const signature = (name: string, hash: string | null, key: string): SignatureFacts => ({ name, hash, key })

export const rsaPssOid = '1.2.840.113549.1.1.10'

export const signatureAlgorithms: Readonly<Record<string, SignatureFacts>> = {
  '1.2.840.113549.1.1.2': signature('md2WithRSAEncryption', 'md2', 'rsa'),
  '1.2.840.113549.1.1.4': signature('md5WithRSAEncryption', 'md5', 'rsa'),
  '1.2.840.113549.1.1.5': signature('sha1WithRSAEncryption', 'sha1', 'rsa'),
  '1.3.14.3.2.29': signature('sha1WithRSA', 'sha1', 'rsa'),
  '1.2.840.113549.1.1.14': signature('sha224WithRSAEncryption', 'sha224', 'rsa'),
  '1.2.840.113549.1.1.11': signature('sha256WithRSAEncryption', 'sha256', 'rsa'),
  '1.2.840.113549.1.1.12': signature('sha384WithRSAEncryption', 'sha384', 'rsa'),
  '1.2.840.113549.1.1.13': signature('sha512WithRSAEncryption', 'sha512', 'rsa'),
  [rsaPssOid]: signature('rsassaPss', 'sha1', 'rsa'),
  '1.2.840.10040.4.3': signature('dsa-with-SHA1', 'sha1', 'dsa'),
  '2.16.840.1.101.3.4.3.1': signature('dsa-with-SHA224', 'sha224', 'dsa'),
  '2.16.840.1.101.3.4.3.2': signature('dsa-with-SHA256', 'sha256', 'dsa'),
  '1.2.840.10045.4.1': signature('ecdsa-with-SHA1', 'sha1', 'ec'),
  '1.2.840.10045.4.3.1': signature('ecdsa-with-SHA224', 'sha224', 'ec'),
  '1.2.840.10045.4.3.2': signature('ecdsa-with-SHA256', 'sha256', 'ec'),
  '1.2.840.10045.4.3.3': signature('ecdsa-with-SHA384', 'sha384', 'ec'),
  '1.2.840.10045.4.3.4': signature('ecdsa-with-SHA512', 'sha512', 'ec'),
  '2.16.840.1.101.3.4.3.5': signature('dsa-with-SHA3-224', 'sha3-224', 'dsa'),
  '2.16.840.1.101.3.4.3.6': signature('dsa-with-SHA3-256', 'sha3-256', 'dsa'),
  '2.16.840.1.101.3.4.3.7': signature('dsa-with-SHA3-384', 'sha3-384', 'dsa'),
  '2.16.840.1.101.3.4.3.8': signature('dsa-with-SHA3-512', 'sha3-512', 'dsa'),
  '2.16.840.1.101.3.4.3.9': signature('ecdsa-with-SHA3-224', 'sha3-224', 'ec'),
  '2.16.840.1.101.3.4.3.10': signature('ecdsa-with-SHA3-256', 'sha3-256', 'ec'),
  '2.16.840.1.101.3.4.3.11': signature('ecdsa-with-SHA3-384', 'sha3-384', 'ec'),
  '2.16.840.1.101.3.4.3.12': signature('ecdsa-with-SHA3-512', 'sha3-512', 'ec'),
  '2.16.840.1.101.3.4.3.13': signature('RSA-SHA3-224', 'sha3-224', 'rsa'),
  '2.16.840.1.101.3.4.3.14': signature('RSA-SHA3-256', 'sha3-256', 'rsa'),
  '2.16.840.1.101.3.4.3.15': signature('RSA-SHA3-384', 'sha3-384', 'rsa'),
  '2.16.840.1.101.3.4.3.16': signature('RSA-SHA3-512', 'sha3-512', 'rsa'),
  '1.3.101.112': signature('Ed25519', null, 'ed25519'),
  '1.3.101.113': signature('Ed448', null, 'ed448'),
  '2.16.840.1.101.3.4.3.17': signature('ML-DSA-44', null, 'ml-dsa-44'),
  '2.16.840.1.101.3.4.3.18': signature('ML-DSA-65', null, 'ml-dsa-65'),
  '2.16.840.1.101.3.4.3.19': signature('ML-DSA-87', null, 'ml-dsa-87'),
}

export const hashAlgorithms: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.5': 'md5',
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

export const keyAlgorithms: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': 'rsa',
  // X.509's own, which OpenSSL takes for the same.
  '2.5.8.1.1': 'rsa',
  [rsaPssOid]: 'rsa-pss',
  '1.2.840.10040.4.1': 'dsa',
  '1.2.840.10045.2.1': 'ec',
  '1.3.101.110': 'x25519',
  '1.3.101.111': 'x448',
  '1.3.101.112': 'ed25519',
  '1.3.101.113': 'ed448',
  '2.16.840.1.101.3.4.3.17': 'ml-dsa-44',
  '2.16.840.1.101.3.4.3.18': 'ml-dsa-65',
  '2.16.840.1.101.3.4.3.19': 'ml-dsa-87',
}

export const curves: Readonly<Record<string, { readonly name: string; readonly bits: number }>> = {
  '1.2.840.10045.3.1.1': { name: 'P-192', bits: 192 },
  '1.3.132.0.33': { name: 'P-224', bits: 224 },
  '1.2.840.10045.3.1.7': { name: 'P-256', bits: 256 },
  '1.3.132.0.34': { name: 'P-384', bits: 384 },
  '1.3.132.0.35': { name: 'P-521', bits: 521 },
  '1.3.132.0.10': { name: 'secp256k1', bits: 256 },
  '1.3.36.3.3.2.8.1.1.7': { name: 'brainpoolP256r1', bits: 256 },
  '1.3.36.3.3.2.8.1.1.11': { name: 'brainpoolP384r1', bits: 384 },
  '1.3.36.3.3.2.8.1.1.13': { name: 'brainpoolP512r1', bits: 512 },
}
