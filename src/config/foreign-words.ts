/*
 * Words that other gateways use for what this file calls differently. Whoever moves here from one of them gets told the
 * word, not only that theirs is unknown.
 */

const skipChain = 'exceptions: [{ skip: chain, owner: "who", reason: "why" }]'
const skipName = 'exceptions: [{ skip: name, owner: "who", reason: "why" }]'

/** Foreign key in lower case without "-" and "_" -> our key, and what to write where the key alone does not say it. */
const foreignKeys: Readonly<Record<string, readonly { readonly key: string; readonly instead?: string }[]>> = {
  hostname: [{ key: 'serverName' }, { key: 'hosts' }],
  sni: [{ key: 'serverName' }],
  servername: [{ key: 'serverName' }],
  commonname: [{ key: 'subjectAltNames' }],
  verifyname: [{ key: 'subjectAltNames' }],
  san: [{ key: 'subjectAltNames' }],
  ca: [{ key: 'trust', instead: 'trust: [corp], with the store "corp" under trustStores' }],
  cacertificaterefs: [{ key: 'trust', instead: 'trust: [corp], with the store "corp" under trustStores' }],
  cacertificates: [{ key: 'trust', instead: 'trust: [corp], with the store "corp" under trustStores' }],
  truststore: [{ key: 'trust', instead: 'trust: [corp], with the store "corp" under trustStores' }],
  wellknowncacertificates: [
    { key: 'trust', instead: 'trust: [public], with trustStores: { public: { sources: [{ system: true }] } }' },
  ],
  insecureskipverify: [{ key: 'exceptions', instead: skipChain }],
  rejectunauthorized: [{ key: 'exceptions', instead: skipChain }],
  ignorevalidationerrors: [{ key: 'exceptions', instead: skipChain }],
  validatecertificatechain: [{ key: 'exceptions', instead: skipChain }],
  validatecertificatename: [{ key: 'exceptions', instead: skipName }],
  skipchain: [{ key: 'exceptions', instead: skipChain }],
  skipname: [{ key: 'exceptions', instead: skipName }],
  keystore: [{ key: 'clientCertificate' }],
  clientcert: [{ key: 'clientCertificate' }],
  protocols: [{ key: 'minVersion', instead: 'minVersion and maxVersion' }],
  cert: [{ key: 'certificate' }, { key: 'certificates' }],
  privatekey: [{ key: 'key' }],
  passphrase: [{ key: 'passphraseFile' }],
  host: [{ key: 'hosts' }],
  prefix: [{ key: 'basePath' }],
  backend: [{ key: 'target' }],
  upstream: [{ key: 'target' }],
  backends: [{ key: 'targets' }],
  upstreams: [{ key: 'targets' }],
  routes: [{ key: 'proxies' }],
  apis: [{ key: 'proxies' }],
  admin: [{ key: 'management' }],
  org: [{ key: 'organization' }],
  env: [{ key: 'environment' }],
  path: [{ key: 'file' }, { key: 'basePath' }],
  dir: [{ key: 'directory' }],
  pem: [{ key: 'inline' }],
  mozilla: [{ key: 'bundled' }],
  expires: [{ key: 'until' }],
}

/** What to write for another product's key where one of ours takes its place, or null. */
export function foreignWord(key: string, ours: readonly string[]): string | null {
  const word = key.toLowerCase().replaceAll(/[-_]/g, '')
  const match = Object.hasOwn(foreignKeys, word)
    ? foreignKeys[word]?.find((each) => ours.includes(each.key))
    : undefined
  return match ? (match.instead ?? match.key) : null
}

/** Advice for values that make sense and are not available here. */
export function valueAdvice(key: string, value: unknown): string | null {
  if (value === 'h2') return 'http/1.1; HTTP/2 to backends is not part of this version'
  if (key === 'trust' && typeof value === 'string') return `[${value}]`
  if (key.endsWith('Version')) {
    const number = /^(?:tls)?[ v_]*1[._]?([0-3])?$/i.exec(String(value))
    if (number) return number[1] === undefined || number[1] === '0' ? 'TLSv1' : `TLSv1.${number[1]}`
  }
  return null
}
