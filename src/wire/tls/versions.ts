/** TLS versions as the runtime calls them, oldest first, by their number on the wire. */
const names: Readonly<Record<number, string>> = {
  0x0300: 'SSLv3',
  0x0301: 'TLSv1',
  0x0302: 'TLSv1.1',
  0x0303: 'TLSv1.2',
  0x0304: 'TLSv1.3',
}

export function tlsVersionName(version: number): string {
  return names[version] ?? `0x${version.toString(16).toUpperCase().padStart(4, '0')}`
}
