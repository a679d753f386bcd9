import type { CertificateFacts, ConnectionStory, TlsStory } from '../../src/dial/story.ts'
import type {
  RecordedBody,
  RecordedFault,
  RecordedMessage,
  RecordedStep,
  RecordedTransaction,
} from '../../src/observe/recording.ts'
import { noMasks } from '../../src/traces/mask.ts'
import type { SessionRequest } from '../../src/traces/types.ts'

/** 2026-01-23T07:26:26.678Z */
export const sampleTime = Date.UTC(2026, 0, 23, 7, 26, 26, 678)

export const sampleSession: SessionRequest = {
  name: 's1',
  organization: 'acme',
  environment: 'test',
  proxy: 'orders',
  revision: '3',
  headers: [],
  query: [],
  statuses: [],
  failuresOnly: false,
  timeoutSeconds: 600,
  maxTransactions: 20,
  bodyBytes: 4096,
  masks: noMasks,
  showCredentials: false,
  user: 'anna',
}

export const bodyOf = (text: string, bytes?: number): RecordedBody => {
  const latin1 = Buffer.from(text, 'utf8').toString('latin1')
  return { text: latin1, bytes: bytes ?? latin1.length }
}

export function request(
  verb: string,
  uri: string,
  headers: readonly (readonly [string, string])[] = [['Host', 'api.example.com']],
): RecordedMessage {
  return { verb, uri, status: 0, reason: '', headers }
}

export function response(
  status: number,
  reason: string,
  headers: readonly (readonly [string, string])[] = [['Content-Length', '2']],
): RecordedMessage {
  return { verb: '', uri: '', status, reason, headers }
}

/** A transaction of proxy `orders` around these steps; an end is added. */
export function transaction(
  steps: readonly RecordedStep[],
  rest: Partial<RecordedTransaction> = {},
): RecordedTransaction {
  const end = (steps.at(-1)?.at ?? 0) + 0.5
  return {
    id: 'acme-1-2-3',
    sessions: [],
    context: null,
    worker: 1,
    startedAt: sampleTime,
    totalMs: end,
    listener: 'secure',
    client: { address: '192.0.2.7', port: 40_000, protocol: 'HTTP/1.1', tls: 'TLSv1.3' },
    method: 'GET',
    uri: '/orders/v1/7?x=1',
    host: 'api.example.com',
    proxy: {
      key: 'acme/test/orders/3/default',
      organization: 'acme',
      environment: 'test',
      name: 'orders',
      revision: '3',
      basePath: '/orders',
      faults: 'apigee',
    },
    status: 200,
    requestBytes: 100,
    responseBytes: 200,
    backend: null,
    fault: null,
    dropped: { steps: 0, bytes: 0 },
    ...rest,
    steps: [...steps, { at: end, type: 'ended' }],
  }
}

const certificate = (subject: string, issuer: string, letter: string): CertificateFacts => ({
  subject,
  issuer,
  serialNumber: '0a',
  sha256: letter.repeat(64),
  notBefore: Date.UTC(2025, 0, 1),
  notAfter: Date.UTC(2027, 0, 1),
  names: subject.startsWith('CN=b.example') ? ['DNS:b.example.com'] : [],
  pem: `-----BEGIN CERTIFICATE-----\n${letter}\n-----END CERTIFICATE-----\n`,
})

const tlsStory: TlsStory = {
  ms: 21.2,
  snapshot: 'sha256:abc',
  verdict: 'trusted',
  resumed: false,
  offered: {
    serverName: 'b.example.com',
    versions: ['TLSv1.2', 'TLSv1.3'],
    ciphers: ['TLS_AES_256_GCM_SHA384'],
    groups: ['X25519'],
    signatureAlgorithms: ['ecdsa_secp256r1_sha256'],
    alpn: ['http/1.1'],
    clientCertificate: '',
  },
  chosen: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', group: 'X25519', alpn: 'http/1.1' },
  chain: [
    certificate('CN=b.example.com, O=Example\\, Inc., C=DE', 'CN=Issuing CA', 'a'),
    certificate('CN=Issuing CA', 'CN=Root CA', 'b'),
  ],
  clientCertificateAsked: false,
  alert: null,
  captured: true,
  skipped: [],
}

const story: ConnectionStory = {
  target: 'acme/test/orders/3/default',
  server: 'b1',
  startedAt: sampleTime + 2,
  dns: { host: 'b.example.com', ms: 1.2, addresses: ['198.51.100.4', '198.51.100.5'], cached: false },
  attempts: [
    { address: '198.51.100.4:443', ms: 3, error: 'ECONNREFUSED' },
    { address: '198.51.100.5:443', ms: 2, error: '' },
  ],
  address: '198.51.100.5:443',
  localAddress: '10.0.0.2:51000',
  via: '',
  connectMs: 7.4,
  tls: tlsStory,
  failure: null,
}

const untrusted: RecordedFault = {
  kind: 'tls-untrusted',
  verdict: 'missing-intermediate',
  party: 'backend',
  summary: 'the backend sent no certificate of CN=Issuing CA',
  evidence: { host: 'b.example.com', missing: 'CN=Issuing CA' },
}

const untrustedStory: ConnectionStory = {
  ...story,
  tls: { ...tlsStory, verdict: 'missing-intermediate', chain: tlsStory.chain.slice(0, 1), chosen: tlsStory.chosen },
  failure: { verdict: 'missing-intermediate', kind: 'tls-untrusted', summary: untrusted.summary, phase: 'handshake' },
}

const received = request('GET', '/orders/v1/7?x=1', [
  ['Host', 'api.example.com'],
  ['Accept', '*/*'],
])
const routed: RecordedStep = { at: 0.4, type: 'routed', listener: 'secure', basePath: '/orders', pathSuffix: '/v1/7' }
const toDefault: RecordedStep = {
  at: 0.9,
  type: 'route-chosen',
  rule: 'default',
  target: 'acme/test/orders/3/default',
  none: false,
}
const chosen = (at: number, server = 'b1', attempt = 1): RecordedStep => ({
  at,
  type: 'server-chosen',
  target: 'acme/test/orders/3/default',
  server,
  attempt,
})
const begin: readonly RecordedStep[] = [{ at: 0, type: 'request-received', message: received }, routed]
const sent = (at: number): RecordedStep => ({
  at,
  type: 'request-sent',
  message: request('GET', '/v1/7?x=1', [['Host', 'b.example.com']]),
})
const backend = {
  target: 'acme/test/orders/3/default',
  address: '198.51.100.5:443',
  url: 'https://b.example.com/v1/7?x=1',
  status: 200,
  protocol: 'HTTP/1.1',
  totalMs: 20,
  firstByteMs: 12,
  reused: false,
  snapshot: 'sha256:abc',
}
const okHeaders = [
  ['Content-Type', 'application/json'],
  ['Content-Length', '10'],
] as const
const answered = (at: number): readonly RecordedStep[] => [
  { at, type: 'response-received', message: response(200, 'OK', okHeaders), protocol: 'HTTP/1.1' },
  { at: at + 1, type: 'response-sent', message: response(200, 'OK', okHeaders), code: '', source: '' },
  { at: at + 2, type: 'response-body', body: bodyOf('{"a":"ü"}') },
]

export const good = transaction(
  [
    ...begin,
    { at: 0.5, type: 'request-body', body: bodyOf('hello') },
    toDefault,
    chosen(1),
    { at: 9, type: 'connected', reused: false, uses: 1, story },
    sent(10),
    ...answered(30),
  ],
  { backend },
)

/** A fault of the backend's side: what happened before it, and what the client got. */
function failed(fault: RecordedFault, status: number, before: readonly RecordedStep[]): RecordedTransaction {
  const at = (before.at(-1)?.at ?? 0) + 1
  const headers = [['Content-Type', 'application/json']] as const
  return transaction(
    [
      ...before,
      { at, type: 'fault', fault },
      { at, type: 'response-sent', message: response(status, 'Fault', headers), code: 'c', source: 'target' },
      { at, type: 'response-body', body: bodyOf('{"fault":{}}') },
    ],
    { fault, status, backend: { ...backend, status: 0 } },
  )
}

const plain = (kind: RecordedFault['kind'], verdict: RecordedFault['verdict'], summary: string): RecordedFault => ({
  kind,
  verdict,
  party: 'backend',
  summary,
  evidence: {},
})

const refusedStory: ConnectionStory = {
  ...story,
  address: '',
  localAddress: '',
  connectMs: null,
  tls: null,
  attempts: [{ address: '198.51.100.4:443', ms: 3, error: 'ECONNREFUSED' }],
  failure: { verdict: 'connection-refused', kind: 'connect-refused', summary: 'refused', phase: 'connect' },
}
const refused = plain('connect-refused', 'connection-refused', 'nobody listens at 198.51.100.4:443')
const alertFault: RecordedFault = {
  ...plain('client-certificate', 'client-certificate-required', 'the backend wants a certificate'),
  evidence: { alert: 'certificate_required' },
}
const early = [...begin, toDefault, chosen(1)]
const onWire: readonly RecordedStep[] = [
  ...early,
  { at: 9, type: 'connected', reused: true, uses: 4, story: { ...story, startedAt: sampleTime - 5000 } },
  sent(10),
]

/** Every kind of way a transaction can go, by name. */
export const samples: Readonly<Record<string, RecordedTransaction>> = {
  good,
  untrusted: failed(untrusted, 503, [
    ...early,
    { at: 25, type: 'connect-failed', story: untrustedStory, fault: untrusted },
  ]),
  'connection-refused': failed(refused, 503, [
    ...early,
    { at: 4, type: 'connect-failed', story: refusedStory, fault: refused },
  ]),
  'client-certificate': failed(alertFault, 503, [
    ...early,
    {
      at: 25,
      type: 'connect-failed',
      story: {
        ...story,
        tls: {
          ...tlsStory,
          clientCertificateAsked: true,
          alert: { from: 'backend', name: 'certificate_required', code: 116 },
        },
      },
      fault: alertFault,
    },
  ]),
  'no-server': failed(plain('no-server', null, 'every server of the target is unhealthy'), 503, [...begin, toDefault]),
  'response-timeout': failed(plain('response-timeout', null, 'no response within 55000 ms'), 504, onWire),
  'response-eof': failed(plain('response-eof', null, 'the backend closed the connection'), 502, onWire),
  'route-failed': failed(
    { ...plain('route-failed', null, 'no rule of the proxy says where the request goes'), party: 'gateway' },
    500,
    [
      ...begin,
      {
        at: 0.7,
        type: 'condition',
        name: 'blue',
        expression: '(request.header.colour = "blue")',
        result: false,
        reads: [{ name: 'request.header.colour', value: null }],
      },
    ],
  ),
  rules: transaction(
    [
      ...begin,
      {
        at: 0.7,
        type: 'condition',
        name: 'blue',
        expression: '(request.header.colour = "blue")',
        result: false,
        reads: [{ name: 'request.header.colour', value: 'red' }],
      },
      {
        at: 0.8,
        type: 'condition',
        name: 'red',
        expression: '(request.header.colour = "red")',
        result: true,
        reads: [{ name: 'request.header.colour', value: 'red' }],
      },
      { ...toDefault, rule: 'red' },
      chosen(1),
      { at: 2, type: 'connected', reused: true, uses: 9, story: { ...story, tls: null, dns: null } },
      sent(3),
      ...answered(10),
    ],
    { backend: { ...backend, url: 'http://198.51.100.5/v1/7' } },
  ),
  'null-route': transaction([
    ...begin,
    { at: 0.9, type: 'route-chosen', rule: 'noRoute', target: '', none: true },
    { at: 1, type: 'response-sent', message: response(200, 'OK'), code: '', source: '' },
  ]),
  retry: transaction(
    [
      ...early,
      { at: 4, type: 'connect-failed', story: refusedStory, fault: refused },
      chosen(5, 'b2', 2),
      { at: 9, type: 'connected', reused: false, uses: 1, story: { ...story, server: 'b2' } },
      sent(10),
      { at: 11, type: 'try-failed', fault: plain('response-eof', null, 'closed while idle') },
      chosen(12, 'b3', 3),
      { at: 14, type: 'waiting', target: 'acme/test/orders/3/default', server: 'b3' },
      { at: 19, type: 'connected', reused: false, uses: 1, story: { ...story, server: 'b3' } },
      sent(20),
      ...answered(30),
    ],
    { backend },
  ),
  tunnel: transaction(
    [
      ...onWire,
      {
        at: 20,
        type: 'response-received',
        message: response(101, 'Switching Protocols', [['Upgrade', 'websocket']]),
        protocol: 'HTTP/1.1',
      },
      {
        at: 21,
        type: 'response-sent',
        message: response(101, 'Switching Protocols', [['Upgrade', 'websocket']]),
        code: '',
        source: '',
      },
      { at: 22, type: 'tunnel' },
    ],
    { status: 101, backend: { ...backend, status: 101 } },
  ),
  'client-gone': transaction(
    [
      ...onWire,
      {
        at: 15,
        type: 'fault',
        fault: { ...plain('client-gone', null, 'the client closed the connection'), party: 'client' },
      },
    ],
    {
      status: 0,
      fault: { ...plain('client-gone', null, 'the client closed the connection'), party: 'client' },
      backend: { ...backend, status: 0 },
    },
  ),
}
