import type { BodySize } from './testbed.ts'

export type Measure = 'cpu-per-request' | 'cpu-per-mib' | 'rss-per-connection'

/** One proxy in one configuration; most scenarios have one entrant for each peer. */
export interface Entrant {
  readonly label: string
  readonly peer: string
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
}

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly measure: Measure
  readonly client: 'h1' | 'h1-tls'
  readonly body: BodySize
  readonly connections: number
  readonly entrants: readonly Entrant[]
  readonly bars: readonly Bar[]
  /** Runs when no scenario is named. */
  readonly byDefault: boolean
}

const everyone = ['nginx', 'postern', 'haproxy', 'envoy', 'caddy', 'undici', 'http-proxy-3', 'fastify'].map(single)
const fastOnes = everyone.filter(({ peer }) => ['nginx', 'postern', 'haproxy', 'envoy', 'undici'].includes(peer))

const againstNginx = (atMost: number): Bar => ({ entrant: 'postern', against: ['nginx'], atMost })

/** In every one: HTTP/1.1 over verified TLS to the backend, kept alive on both sides, access log and metrics on. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'small-h1',
    about: 'HTTP/1.1 client, replies of 100 bytes, 64 connections',
    measure: 'cpu-per-request',
    client: 'h1',
    body: 'small',
    connections: 64,
    entrants: everyone,
    bars: [againstNginx(1.6)],
    byDefault: true,
  },
  {
    name: 'body-64k',
    about: 'HTTP/1.1 client, replies of 64 KiB, 64 connections',
    measure: 'cpu-per-mib',
    client: 'h1',
    body: '64k',
    connections: 64,
    entrants: fastOnes,
    bars: [againstNginx(1.5)],
    byDefault: false,
  },
  {
    name: 'body-1m',
    about: 'HTTP/1.1 client, replies of 1 MiB, 16 connections',
    measure: 'cpu-per-mib',
    client: 'h1',
    body: '1m',
    connections: 16,
    entrants: fastOnes,
    bars: [againstNginx(1.5)],
    byDefault: false,
  },
  {
    name: 'tls-both-sides-h1',
    about: 'HTTP/1.1 client over TLS 1.3, replies of 100 bytes, 64 connections',
    measure: 'cpu-per-request',
    client: 'h1-tls',
    body: 'small',
    connections: 64,
    entrants: fastOnes,
    bars: [againstNginx(1.4), { entrant: 'postern', against: ['haproxy'], atMost: 1.4 }],
    byDefault: false,
  },
  {
    name: 'many-proxies',
    about: '10,000 proxies and 1,000 targets configured against 10 and 10; the load goes to 10 of them',
    measure: 'cpu-per-request',
    client: 'h1',
    body: 'small',
    connections: 64,
    entrants: ['nginx', 'postern'].flatMap((peer) => [
      { label: `${peer} 10`, peer, routes: 10, targets: 10, against: null },
      { label: `${peer} 10000`, peer, routes: 10_000, targets: 1_000, against: `${peer} 10` },
    ]),
    bars: [{ entrant: 'postern 10000', against: ['postern 10'], atMost: 1.05 }],
    byDefault: false,
  },
  {
    name: 'idle-connections',
    about: '10,000 idle client connections, each after one request: KiB of resident memory for one',
    measure: 'rss-per-connection',
    client: 'h1',
    body: 'small',
    connections: 10_000,
    entrants: fastOnes,
    bars: [{ entrant: 'postern', against: null, atMost: 20 }],
    byDefault: false,
  },
]

/** Rows that are owed and what each still needs. */
export const notYet: Readonly<Record<string, string>> = {
  'small-h2-upstream': 'HTTP/2 upstream in Postern; HAProxy and Envoy with h2 upstream as its peers',
  'tls-both-sides-h2': 'HTTP/2 listeners in Postern; h2load as the client',
  'handshake-full': 'a switch for upstream keep-alive and TLS session reuse in every peer',
  'handshake-resumed': 'the same, with sessions reused',
  'latency-half-rate': "a client that holds half of NGINX's own maximum rate",
}

function single(peer: string): Entrant {
  return { label: peer, peer, routes: 1, targets: 1, against: peer === 'nginx' ? null : 'nginx' }
}
