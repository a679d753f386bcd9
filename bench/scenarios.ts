import type { BackendKind, BodySize } from './backend.ts'

export type Measure = 'cpu-per-request' | 'cpu-per-mib' | 'p99-latency' | 'heap-per-request' | 'rss-per-connection'

/** One proxy in one configuration; most scenarios have one entrant for each peer. */
export interface Entrant {
  readonly label: string
  readonly peer: string
  /** What it must speak to the backend; proven before it is measured. */
  readonly upstream: 'h1' | 'h2'
  readonly routes: number
  readonly targets: number
  /** The label it is paired with in every round; null: it is the yardstick. */
  readonly against: string | null
}

export interface Bar {
  readonly entrant: string
  /** The cheapest of these in each round; null: the figure itself is the bar, in the scenario's own unit. */
  readonly against: readonly string[] | null
  readonly atMost: number
  /** A peer that cannot be had here excuses the bar; without it, `--enforce` fails. */
  readonly whereInstallable?: true
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly measure: Measure
  readonly client: 'h1' | 'h1-tls' | 'h2-tls'
  readonly body: BodySize
  readonly connections: number
  /** Requests under way on one connection; more than 1 only for an HTTP/2 client. */
  readonly streams: number
  /** The same port for all entrants, also for those that do not speak all it offers. */
  readonly backend: BackendKind
  /** May a new connection to the backend resume the TLS session of an earlier one? */
  readonly resumption: boolean
  readonly entrants: readonly Entrant[]
  readonly bars: readonly Bar[]
  /** Runs when no scenario is named. */
  readonly byDefault: boolean
}

const npmProxies = ['undici', 'http-proxy-3', 'fastify']
const fastPeers = ['nginx', 'postern', 'haproxy', 'envoy', 'undici']
const fastOnes = fastPeers.map((peer) => entrant(peer))

/** What most scenarios have in common. */
const usual = {
  measure: 'cpu-per-request',
  client: 'h1',
  body: 'small',
  connections: 64,
  streams: 1,
  backend: 'h1',
  resumption: true,
  entrants: fastOnes,
  byDefault: false,
} as const

/** In every one: verified TLS 1.3 to the backend, access log and metrics on, one worker on one core. */
export const scenarios: readonly Scenario[] = [
  {
    ...usual,
    name: 'small-h1',
    about: 'HTTP/1.1 client and upstream, replies of 100 bytes, 64 connections',
    entrants: ['nginx', 'postern', 'haproxy', 'envoy', 'caddy', ...npmProxies].map((peer) => entrant(peer)),
    bars: [againstNginx(1.35), { entrant: 'postern', against: npmProxies, atMost: 0.55 }],
    byDefault: true,
  },
  {
    ...usual,
    name: 'observability',
    about: 'small-h1 with more and more of it watched; what watching costs',
    entrants: ['nginx', 'postern-bare', 'postern', 'postern-observed', 'postern-debugged'].map((peer) => entrant(peer)),
    bars: [
      { entrant: 'postern-observed', against: ['postern-bare'], atMost: 1.06 },
      { entrant: 'postern-debugged', against: ['postern-observed'], atMost: 1.02 },
    ],
  },
  {
    ...usual,
    name: 'small-h2-upstream',
    about: 'HTTP/1.1 client, HTTP/2 upstream (NGINX: HTTP/1.1, it has no other), replies of 100 bytes, 64 connections',
    backend: 'h2',
    entrants: [entrant('nginx'), ...['postern', 'haproxy', 'envoy', 'caddy'].map((peer) => entrant(peer, 'h2'))],
    bars: [
      againstNginx(0.95),
      { entrant: 'postern', against: ['haproxy'], atMost: 1.15 },
      { entrant: 'postern', against: ['envoy'], atMost: 0.8, whereInstallable: true },
    ],
  },
  {
    ...usual,
    name: 'body-64k',
    about: 'HTTP/1.1 client and upstream, replies of 64 KiB, 64 connections',
    measure: 'cpu-per-mib',
    body: '64k',
    bars: [againstNginx(1.5)],
  },
  {
    ...usual,
    name: 'body-1m',
    about: 'HTTP/1.1 client and upstream, replies of 1 MiB, 16 connections',
    measure: 'cpu-per-mib',
    body: '1m',
    connections: 16,
    bars: [againstNginx(1.5)],
  },
  {
    ...usual,
    name: 'tls-both-sides-h1',
    about: 'HTTP/1.1 client over TLS 1.3, replies of 100 bytes, 64 connections; upstream as labelled',
    client: 'h1-tls',
    backend: 'h2',
    entrants: [
      entrant('nginx'),
      ...['postern', 'haproxy'].flatMap((peer) => [
        entrant(peer),
        { ...entrant(peer, 'h2'), label: `${peer} h2 upstream` },
      ]),
    ],
    bars: [
      againstNginx(1.4),
      { entrant: 'postern', against: ['haproxy'], atMost: 1.4 },
      { entrant: 'postern h2 upstream', against: ['nginx'], atMost: 1.4 },
      { entrant: 'postern h2 upstream', against: ['haproxy h2 upstream'], atMost: 1.4 },
    ],
  },
  {
    ...usual,
    name: 'tls-both-sides-h2',
    about: 'HTTP/2 client over TLS 1.3, replies of 100 bytes, 16 connections of 4 streams; upstream as labelled',
    client: 'h2-tls',
    connections: 16,
    streams: 4,
    backend: 'h2',
    entrants: [
      entrant('nginx'),
      ...['postern', 'haproxy', 'envoy'].flatMap((peer) => [
        entrant(peer),
        { ...entrant(peer, 'h2'), label: `${peer} h2 upstream` },
      ]),
    ],
    bars: [
      againstNginx(1.4),
      { entrant: 'postern', against: ['haproxy'], atMost: 1.4 },
      { entrant: 'postern h2 upstream', against: ['nginx'], atMost: 1.4 },
      { entrant: 'postern h2 upstream', against: ['haproxy h2 upstream'], atMost: 1.4 },
    ],
  },
  {
    ...usual,
    name: 'latency-half-rate',
    about:
      "HTTP/1.1, replies of 100 bytes, 64 connections: p99 at half of NGINX's own maximum rate, held by an open loop",
    measure: 'p99-latency',
    backend: 'h2',
    entrants: [
      entrant('nginx'),
      entrant('haproxy'),
      entrant('postern'),
      { ...entrant('postern', 'h2'), label: 'postern h2 upstream' },
    ],
    bars: [againstNginx(1.5), { entrant: 'postern h2 upstream', against: ['nginx'], atMost: 1.5 }],
  },
  {
    ...usual,
    name: 'handshake-full',
    about: 'HTTP/1.1, replies of 100 bytes, 64 client connections: a new verified full TLS handshake for every request',
    backend: 'closing',
    resumption: false,
    bars: [againstNginx(1.6)],
  },
  {
    ...usual,
    name: 'handshake-resumed',
    about:
      'HTTP/1.1, replies of 100 bytes, 64 client connections: a new connection for every request, sessions resumed',
    backend: 'closing',
    bars: [againstNginx(2.2)],
  },
  {
    ...usual,
    name: 'many-proxies',
    about: '10,000 proxies and 1,000 targets configured against 10 and 10; the load goes to 10 of them',
    entrants: ['nginx', 'postern'].flatMap((peer) => [
      { ...entrant(peer), label: `${peer} 10`, routes: 10, targets: 10, against: null },
      { ...entrant(peer), label: `${peer} 10000`, routes: 10_000, targets: 1_000, against: `${peer} 10` },
    ]),
    bars: [{ entrant: 'postern 10000', against: ['postern 10'], atMost: 1.05 }],
  },
  {
    ...usual,
    name: 'idle-connections',
    about: '10,000 idle client connections, each after one request: KiB of resident memory for one',
    measure: 'rss-per-connection',
    connections: 10_000,
    bars: [{ entrant: 'postern', against: null, atMost: 20 }],
  },
  {
    ...usual,
    name: 'heap-per-request',
    about:
      'Bytes of V8 heap allocated for a request, all threads: HTTP/1.1 client, replies of 100 bytes, 64 connections',
    measure: 'heap-per-request',
    backend: 'h2',
    entrants: [
      { ...entrant('postern'), against: null },
      { ...entrant('postern', 'h2'), label: 'postern h2 upstream', against: 'postern' },
      ...npmProxies.map((peer) => ({ ...entrant(peer), against: 'postern' })),
    ],
    bars: [],
  },
]

export function entrant(peer: string, upstream: Entrant['upstream'] = 'h1'): Entrant {
  return { label: peer, peer, upstream, routes: 1, targets: 1, against: peer === 'nginx' ? null : 'nginx' }
}

function againstNginx(atMost: number): Bar {
  return { entrant: 'postern', against: ['nginx'], atMost }
}
