/**
 * Name of a signature scheme by its number, as in the IANA registry. Before TLS 1.3 the two bytes are a hash and a kind of key
 * (RFC 5246 section 7.4.1.4.1), and those that TLS 1.3 gave no name are called by them: `sha224_rsa`.
 */
export function signatureSchemeName(number: number): string {
  const name = names[number]
  if (name !== undefined) return name
  const hash = hashes[number >> 8]
  const key = keys[number & 0xff]
  if (hash !== undefined && key !== undefined) return `${hash}_${key}`
  return `0x${number.toString(16).toUpperCase().padStart(4, '0')}`
}

const names: Readonly<Record<number, string>> = {
  0x0201: 'rsa_pkcs1_sha1',
  0x0203: 'ecdsa_sha1',
  0x0401: 'rsa_pkcs1_sha256',
  0x0403: 'ecdsa_secp256r1_sha256',
  0x0501: 'rsa_pkcs1_sha384',
  0x0503: 'ecdsa_secp384r1_sha384',
  0x0601: 'rsa_pkcs1_sha512',
  0x0603: 'ecdsa_secp521r1_sha512',
  0x0804: 'rsa_pss_rsae_sha256',
  0x0805: 'rsa_pss_rsae_sha384',
  0x0806: 'rsa_pss_rsae_sha512',
  0x0807: 'ed25519',
  0x0808: 'ed448',
  0x0809: 'rsa_pss_pss_sha256',
  0x080a: 'rsa_pss_pss_sha384',
  0x080b: 'rsa_pss_pss_sha512',
  0x081a: 'ecdsa_brainpoolP256r1tls13_sha256',
  0x081b: 'ecdsa_brainpoolP384r1tls13_sha384',
  0x081c: 'ecdsa_brainpoolP512r1tls13_sha512',
  0x0904: 'mldsa44',
  0x0905: 'mldsa65',
  0x0906: 'mldsa87',
}

const hashes: Readonly<Record<number, string>> = {
  1: 'md5',
  2: 'sha1',
  3: 'sha224',
  4: 'sha256',
  5: 'sha384',
  6: 'sha512',
}

const keys: Readonly<Record<number, string>> = { 1: 'rsa', 2: 'dsa', 3: 'ecdsa' }
