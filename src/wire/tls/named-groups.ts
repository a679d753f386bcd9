/** Name of a key exchange group by its number, as in the IANA registry; `0x1A1A` where the registry's usual part has none. */
export function namedGroupName(number: number): string {
  return names[number] ?? `0x${number.toString(16).toUpperCase().padStart(4, '0')}`
}

/** The registry's name of a group that OpenSSL, or the runtime, calls by another one. */
export function namedGroupOf(name: string): string {
  return aliases[name.toLowerCase()] ?? name
}

const names: Readonly<Record<number, string>> = {
  0x0013: 'secp192r1',
  0x0015: 'secp224r1',
  0x0016: 'secp256k1',
  0x0017: 'secp256r1',
  0x0018: 'secp384r1',
  0x0019: 'secp521r1',
  0x001a: 'brainpoolP256r1',
  0x001b: 'brainpoolP384r1',
  0x001c: 'brainpoolP512r1',
  0x001d: 'x25519',
  0x001e: 'x448',
  0x001f: 'brainpoolP256r1tls13',
  0x0020: 'brainpoolP384r1tls13',
  0x0021: 'brainpoolP512r1tls13',
  0x0100: 'ffdhe2048',
  0x0101: 'ffdhe3072',
  0x0102: 'ffdhe4096',
  0x0103: 'ffdhe6144',
  0x0104: 'ffdhe8192',
  0x0200: 'MLKEM512',
  0x0201: 'MLKEM768',
  0x0202: 'MLKEM1024',
  0x11eb: 'SecP256r1MLKEM768',
  0x11ec: 'X25519MLKEM768',
  0x11ed: 'SecP384r1MLKEM1024',
}

const aliases: Readonly<Record<string, string>> = {
  'p-256': 'secp256r1',
  prime256v1: 'secp256r1',
  'p-384': 'secp384r1',
  'p-521': 'secp521r1',
  ...Object.fromEntries(Object.values(names).map((name) => [name.toLowerCase(), name])),
}
