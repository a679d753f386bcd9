import type { Path } from './document.ts'

/*
 * Words that other gateways use for what this file calls differently. Whoever moves here from one of them gets told the
 * word, not only that theirs is unknown.
 */

const skipChain = 'exceptions: [{ skip: chain, owner: "who", reason: "why" }]'
const skipName = 'exceptions: [{ skip: name, owner: "who", reason: "why" }]'
const servers = 'servers: [{ address: a.internal }, { address: b.internal }]'
const ejection = 'ejection: { consecutiveFailures: 5 }'
const connections = [
  { key: 'connections' },
  { key: 'limits', instead: 'limits: { connections: 1024 }' },
  { key: 'fallback', instead: 'limits: { connections: 1024 }, on the target' },
]
const resolvers = 'dns: { servers: [10.0.0.53] }'
const egress = 'egress: { url: "http://proxy.internal:3128" }'

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
  host: [{ key: 'hosts' }, { key: 'address', instead: 'address: a.internal:8443' }],
  port: [{ key: 'address', instead: 'address: a.internal:8443' }],
  url: [{ key: 'address', instead: 'address: a.internal:8443' }],
  prefix: [{ key: 'basePath' }],
  backend: [{ key: 'target' }],
  upstream: [{ key: 'target' }, { key: 'servers', instead: servers }],
  backends: [{ key: 'targets' }],
  upstreams: [{ key: 'targets' }],
  routes: [{ key: 'proxies' }],
  apis: [{ key: 'proxies' }],
  admin: [{ key: 'management' }],
  org: [{ key: 'organization' }],
  env: [{ key: 'environment' }],
  path: [{ key: 'file' }, { key: 'basePath' }, { key: 'http', instead: 'http: { path: /healthz }' }],
  dir: [{ key: 'directory' }],
  pem: [{ key: 'inline' }],
  mozilla: [{ key: 'bundled' }],
  expires: [{ key: 'until' }],
  alpn: [{ key: 'tls', instead: 'tls: { alpn: [h2, http/1.1] }' }],
  http2: [{ key: 'h2c' }, { key: 'alpn', instead: 'alpn: [h2, http/1.1]' }],
  http2protocoloptions: [{ key: 'h2c' }, { key: 'alpn', instead: 'alpn: [h2, http/1.1]' }],
  maxconcurrentstreams: [{ key: 'streams' }, { key: 'limits', instead: 'limits: { streams: 100 }' }],
  http2maxconcurrentstreams: [{ key: 'streams' }, { key: 'limits', instead: 'limits: { streams: 100 }' }],
  maxconns: connections,
  maxconn: connections,
  maxpendingrequests: [{ key: 'pending' }, { key: 'limits', instead: 'limits: { pending: 1024 }' }],
  loadbalancer: [{ key: 'servers', instead: servers }],
  loadassignment: [{ key: 'servers', instead: servers }],
  endpoints: [{ key: 'servers', instead: servers }],
  lbendpoints: [{ key: 'servers', instead: servers }],
  targetservers: [{ key: 'servers', instead: servers }],
  pool: [{ key: 'servers', instead: servers }],
  services: [{ key: 'servers', instead: servers }],
  server: [{ key: 'servers', instead: servers }, { key: 'address' }],
  algorithm: [{ key: 'balance' }],
  lbpolicy: [{ key: 'balance' }],
  leastconn: [{ key: 'balance', instead: 'balance: least-requests' }],
  isfallback: [{ key: 'fallback' }],
  backup: [{ key: 'fallback' }],
  priority: [{ key: 'fallback', instead: 'fallback: true for those of lower priority' }],
  healthmonitor: [{ key: 'health' }],
  healthcheck: [{ key: 'health' }],
  healthchecks: [{ key: 'health' }],
  check: [{ key: 'health' }],
  httpmonitor: [{ key: 'http' }],
  httphealthcheck: [{ key: 'http' }],
  tcpmonitor: [{ key: 'tcp', instead: 'tcp: true' }],
  tcphealthcheck: [{ key: 'tcp', instead: 'tcp: true' }],
  intervalinsec: [{ key: 'interval', instead: 'interval: 5s' }],
  inter: [{ key: 'interval', instead: 'interval: 5s' }],
  connecttimeoutinsec: [{ key: 'timeout', instead: 'timeout: 3s' }],
  socketreadtimeoutinsec: [{ key: 'timeout', instead: 'timeout: 3s' }],
  verb: [{ key: 'method' }],
  uri: [{ key: 'path' }, { key: 'http', instead: 'http: { path: /healthz }' }],
  successresponse: [{ key: 'statuses', instead: 'statuses: ["200-299"]' }],
  expectedstatuses: [{ key: 'statuses', instead: 'statuses: ["200-299"]' }],
  responsecode: [{ key: 'statuses', instead: 'statuses: [500]' }],
  rise: [{ key: 'healthyAfter' }],
  healthythreshold: [{ key: 'healthyAfter' }],
  passes: [{ key: 'healthyAfter' }],
  fall: [{ key: 'unhealthyAfter' }],
  unhealthythreshold: [{ key: 'unhealthyAfter' }],
  fails: [{ key: 'unhealthyAfter' }],
  outlierdetection: [{ key: 'ejection', instead: ejection }],
  maxfailures: [{ key: 'ejection', instead: ejection }],
  maxfails: [
    { key: 'ejection', instead: ejection },
    { key: 'fallback', instead: `${ejection}, on the target` },
  ],
  consecutive5xx: [{ key: 'consecutiveFailures', instead: 'consecutiveFailures: 5, statuses: ["500-599"]' }],
  consecutivegatewayfailure: [{ key: 'consecutiveFailures', instead: 'consecutiveFailures: 5, statuses: ["502-504"]' }],
  serverunhealthyresponse: [
    { key: 'statuses', instead: 'statuses: [500]' },
    { key: 'ejection', instead: 'ejection: { statuses: [500] }' },
  ],
  baseejectiontime: [{ key: 'base' }],
  targetdisablesecs: [
    { key: 'base', instead: 'base: 60s' },
    { key: 'ejection', instead: 'ejection: { base: 60s }' },
  ],
  failtimeout: [
    { key: 'base', instead: 'base: 60s' },
    { key: 'ejection', instead: 'ejection: { base: 60s }' },
    { key: 'fallback', instead: 'ejection: { base: 60s }, on the target' },
  ],
  maxejectiontime: [{ key: 'max' }],
  maxejectionpercent: [{ key: 'maxPercent' }],
  retryenabled: [{ key: 'retries', instead: 'retries: { attempts: 1 }' }],
  retry: [{ key: 'retries', instead: 'retries: { attempts: 1 }' }],
  retrypolicy: [{ key: 'retries', instead: 'retries: { attempts: 1 }' }],
  proxynextupstream: [{ key: 'retries', instead: 'retries: { attempts: 1 }' }],
  numretries: [{ key: 'attempts' }],
  retryon: [{ key: 'on' }, { key: 'retries', instead: 'retries: { on: [connect, reset] }' }],
  retriablestatuscodes: [{ key: 'statuses' }],
  retrybudget: [{ key: 'budget' }],
  budgetpercent: [{ key: 'percent' }],
  minretryconcurrency: [{ key: 'minPerSecond' }],
  circuitbreaker: [{ key: 'breaker' }],
  // Envoy's word for what are limits here
  circuitbreakers: [{ key: 'limits', instead: 'limits: { connections: 1024, pending: 1024 }, or breaker' }],
  tripduration: [{ key: 'open' }],
  resolver: [{ key: 'dns', instead: resolvers }],
  resolvers: [{ key: 'dns', instead: resolvers }],
  dnsresolvers: [{ key: 'dns', instead: resolvers }],
  dnsrefreshrate: [{ key: 'refresh' }, { key: 'dns', instead: 'dns: { refresh: 30s }' }],
  proxy: [{ key: 'egress', instead: egress }],
  httpproxy: [{ key: 'egress', instead: egress }],
  httpsproxy: [{ key: 'egress', instead: egress }],
  useproxy: [{ key: 'egress', instead: egress }],
  username: [{ key: 'user' }],
  value: [{ key: 'file', instead: 'file: /run/secrets/proxy-password' }],
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
export function valueAdvice(path: Path, value: unknown): string | null {
  const key = String(path.at(-1) ?? '')
  if (path.at(-2) === 'alpn') {
    const known = { http2: 'h2', http11: 'http/1.1', http1: 'http/1.1', h2c: 'h2; without TLS it is h2c: true' }
    return lookUp(known, value)
  }
  if (key === 'balance') {
    const known = { leastconnections: 'least-requests', leastconn: 'least-requests', leastrequest: 'least-requests' }
    return lookUp({ ...known, roundrobin: 'round-robin', weightedroundrobin: 'weighted' }, value)
  }
  if (path.at(-2) === 'on') {
    if (value === 'status') return 'statuses: [503], beside "on"'
    if (/^5xx$|gateway-error|retriable/i.test(String(value))) return 'statuses: ["502-504"], beside "on"'
    return lookUp(
      { connectfailure: 'connect', connfailure: 'connect', error: 'reset', responsetimeout: 'timeout' },
      value,
    )
  }
  if (key === 'tcp') return 'tcp: true'
  if (key === 'trust' && typeof value === 'string') return `[${value}]`
  if (key.endsWith('Version')) {
    const number = /^(?:tls)?[ v_]*1[._]?([0-3])?$/i.exec(String(value))
    if (number) return number[1] === undefined || number[1] === '0' ? 'TLSv1' : `TLSv1.${number[1]}`
  }
  return null
}

function lookUp(known: Readonly<Record<string, string>>, value: unknown): string | null {
  const word = String(value)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
  return Object.hasOwn(known, word) ? (known[word] ?? null) : null
}
