import type { CertificateFacts, ConnectionStory, TlsStory } from '../../src/dial/story.ts'
import type { RecordedFault, RecordedStep, RecordedTransaction } from '../../src/observe/recording.ts'

export const startedAt = Date.UTC(2026, 0, 23, 7, 26, 26, 678) + 0.25

const proxy = {
  key: 'billing',
  organization: 'acme',
  environment: 'prod',
  name: 'billing',
  revision: '3',
  basePath: '/billing',
  faults: 'apigee',
} as const

const backend = {
  target: 'billing-backend',
  address: '10.2.0.7:8443',
  url: 'https://billing.internal:8443/v1/invoices?id=7&sig=abc',
  status: 200,
  protocol: 'HTTP/1.1',
  totalMs: 20.25,
  firstByteMs: 12.5,
  reused: true,
  snapshot: 'trust-1',
}

const leaf: CertificateFacts = {
  subject: 'CN=billing.internal',
  issuer: 'CN=Acme Issuing CA 1',
  serialNumber: '01',
  sha256: 'ab'.repeat(32),
  notBefore: Date.UTC(2026, 0, 1),
  notAfter: Date.UTC(2026, 3, 1),
  names: ['billing.internal'],
  pem: '',
}

export const tls: TlsStory = {
  ms: 6.5,
  snapshot: 'trust-1',
  verdict: 'trusted',
  resumed: false,
  offered: {
    serverName: 'billing.internal',
    versions: ['TLSv1.2', 'TLSv1.3'],
    ciphers: ['TLS_AES_256_GCM_SHA384'],
    groups: ['X25519'],
    signatureAlgorithms: ['ecdsa_secp256r1_sha256'],
    alpn: ['http/1.1'],
    clientCertificate: '',
  },
  chosen: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', group: 'X25519', alpn: 'http/1.1' },
  chain: [leaf],
  clientCertificateAsked: false,
  alert: null,
  captured: true,
  skipped: [],
}

/** Begun 0.5 ms after the request: 1 ms for the name, 2 for the connection, 6.5 for the handshake. */
export const story: ConnectionStory = {
  target: 'billing-backend',
  server: 'billing.internal:8443',
  startedAt: startedAt + 0.5,
  dns: { host: 'billing.internal', ms: 1, addresses: ['10.2.0.6', '10.2.0.7'], cached: false },
  attempts: [
    { address: '10.2.0.6:8443', ms: 1, error: 'ECONNREFUSED' },
    { address: '10.2.0.7:8443', ms: 1, error: '' },
  ],
  address: '10.2.0.7:8443',
  localAddress: '10.2.0.1:40112',
  via: '',
  connectMs: 3,
  tls,
  failure: null,
}

const untrusted: RecordedFault = {
  kind: 'tls-untrusted',
  verdict: 'unknown-issuer',
  party: 'backend',
  summary: 'The certificate of billing.internal was issued by CN=Other CA, which no trust store of the target holds.',
  evidence: { host: 'billing.internal', port: 8443, address: '10.2.0.7:8443', phase: 'handshake' },
}

const refused: RecordedFault = {
  kind: 'connect-refused',
  verdict: 'connection-refused',
  party: 'backend',
  summary: 'Nothing listens on 10.2.0.7:8443.',
  evidence: {
    host: 'billing.internal',
    port: 8443,
    address: '10.2.0.7:8443',
    timings: { startedAt: startedAt + 0.5, dnsMs: 1, connectMs: 2.5, handshakeMs: null },
  },
}

const timeout: RecordedFault = {
  kind: 'response-timeout',
  verdict: null,
  party: 'backend',
  summary: 'billing.internal:8443 did not answer within 20 ms.',
  evidence: { address: '10.2.0.7:8443' },
}

export function step(at: number, type: 'chosen' | 'waiting' | 'sent' | 'received' | 'body' | 'ended'): RecordedStep {
  const target = 'billing-backend'
  const server = 'billing.internal:8443'
  switch (type) {
    case 'chosen':
      return { at, type: 'server-chosen', target, server, attempt: 1 }
    case 'waiting':
      return { at, type: 'waiting', target, server }
    case 'sent':
      return { at, type: 'request-sent', message: null }
    case 'received':
      return { at, type: 'response-received', message: null, protocol: 'HTTP/1.1' }
    case 'body':
      return { at, type: 'response-body', body: { text: '', bytes: 200 } }
    default:
      return { at, type: 'ended' }
  }
}

const reused: RecordedStep = { at: 0.4, type: 'connected', reused: true, uses: 8, story }

/** A good request over a connection that was there; tests name what differs. */
export function transaction(over: Partial<RecordedTransaction> = {}): RecordedTransaction {
  return {
    id: 'd5d383dc-c395-4111-8558-2193f9bbb8ff',
    sessions: [],
    context: {
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      spanId: '00f067aa0ba902b7',
      parentId: 'b7ad6b7169203331',
      state: 'acme=1',
      sampled: true,
      upstreamSpanId: '53995c3f42cd8ad8',
    },
    worker: 2,
    startedAt,
    totalMs: 23.5,
    listener: 'https',
    client: { address: '192.0.2.9', port: 51_000, protocol: 'HTTP/2.0', tls: 'TLSv1.3' },
    method: 'GET',
    uri: '/billing/v1/invoices?id=7&sig=abc&access_token=t0p',
    host: 'api.example.com',
    proxy,
    status: 200,
    requestBytes: 120,
    responseBytes: 410,
    backend,
    fault: null,
    steps: [
      step(0.3, 'chosen'),
      reused,
      step(0.5, 'sent'),
      step(13, 'received'),
      step(20.5, 'body'),
      step(23.5, 'ended'),
    ],
    dropped: { steps: 0, bytes: 0 },
    ...over,
  }
}

function failed(fault: RecordedFault, status: number, steps: readonly RecordedStep[]): RecordedTransaction {
  const code = 'messaging.adaptors.http.flow.SslHandshakeFailed'
  return transaction({
    status,
    fault,
    backend: { ...backend, address: '', status: 0, protocol: '', firstByteMs: -1, snapshot: '' },
    steps: [
      step(0.3, 'chosen'),
      ...steps,
      { at: 22, type: 'fault', fault },
      { at: 23, type: 'response-sent', message: null, code, source: 'target' },
      step(23.5, 'ended'),
    ],
  })
}

function dialFailed(fault: RecordedFault, story: ConnectionStory | null): RecordedTransaction {
  return failed(fault, 503, [step(0.4, 'waiting'), { at: 21, type: 'connect-failed', story, fault }])
}

const failure = (fault: RecordedFault, phase: string): ConnectionStory['failure'] => ({ ...fault, phase })
const noNames: RecordedFault = {
  kind: 'dns-failed',
  verdict: 'dns-failure',
  party: 'network',
  summary: 'billing.internal has no address.',
  evidence: { host: 'billing.internal', port: 8443 },
}
const alert: RecordedFault = {
  kind: 'client-certificate',
  verdict: 'client-certificate-required',
  party: 'client-identity',
  summary: 'The backend asked for a client certificate.',
  evidence: { host: 'billing.internal' },
}

/** What a gateway sees, by the name of its golden. */
export const cases: Readonly<Record<string, RecordedTransaction>> = {
  'reused-connection': transaction(),
  'new-connection': transaction({
    steps: [
      step(0.3, 'chosen'),
      step(0.4, 'waiting'),
      { at: 10.1, type: 'connected', reused: false, uses: 1, story },
      step(10.2, 'sent'),
      step(15, 'received'),
      step(20.5, 'body'),
      step(23.5, 'ended'),
    ],
  }),
  'begins-a-trace-without-tls': transaction({
    context: { ...transaction().context!, parentId: '', state: '', sampled: false, upstreamSpanId: '' },
    client: { address: '2001:db8::9', port: 51_000, protocol: 'HTTP/1.1', tls: '' },
    host: '[2001:db8::1]:8080',
    method: 'PURGE',
    uri: '/billing',
  }),
  untrusted: dialFailed(untrusted, {
    ...story,
    tls: { ...tls, ms: null, verdict: 'unknown-issuer', alert: { from: 'gateway', name: 'unknown_ca', code: 48 } },
    failure: failure(untrusted, 'handshake'),
  }),
  'client-certificate-wanted': dialFailed(alert, {
    ...story,
    dns: { host: 'billing.internal', ms: 0.1, addresses: ['10.2.0.7'], cached: true },
    attempts: [{ address: '10.2.0.7:8443', ms: 1, error: '' }],
    tls: {
      ...tls,
      verdict: 'client-certificate-required',
      clientCertificateAsked: true,
      alert: { from: 'backend', name: 'certificate_required', code: 116 },
    },
    failure: failure(alert, 'handshake'),
  }),
  'no-address': dialFailed(noNames, {
    ...story,
    dns: { host: 'billing.internal', ms: 20, addresses: [], cached: false },
    attempts: [],
    address: '',
    localAddress: '',
    connectMs: null,
    tls: null,
    failure: failure(noNames, 'dns'),
  }),
  'refused-with-times-alone': dialFailed(refused, null),
  'untrusted-with-nothing-but-the-fault': dialFailed(untrusted, null),
  'response-timeout': failed(timeout, 504, [reused, step(0.5, 'sent')]),
  'cut-off-answer': {
    ...failed({ ...timeout, kind: 'response-eof', summary: 'The backend closed in the middle of its response.' }, 200, [
      reused,
      step(0.5, 'sent'),
      step(13, 'received'),
    ]),
    backend,
  },
  'bad-request': transaction({
    status: 400,
    proxy: null,
    backend: null,
    method: '',
    uri: '',
    host: '',
    fault: { kind: 'bad-request', verdict: null, party: 'client', summary: 'The head is malformed.', evidence: {} },
    steps: [step(23.5, 'ended')],
  }),
  'backend-says-404': transaction({ status: 404, backend: { ...backend, status: 404 } }),
  'backend-says-500': transaction({ status: 500, backend: { ...backend, status: 500 } }),
  'sent-again': transaction({
    steps: [
      step(0.3, 'chosen'),
      reused,
      step(0.5, 'sent'),
      {
        at: 4,
        type: 'try-failed',
        fault: { ...timeout, kind: 'response-eof', verdict: 'connection-reset', summary: 'Reset before it answered.' },
      },
      { at: 4.1, type: 'server-chosen', target: 'billing-backend', server: 'billing-2.internal:8443', attempt: 2 },
      { at: 4.2, type: 'connect-failed', story: null, fault: { ...refused, evidence: {} } },
      { at: 4.3, type: 'server-chosen', target: 'billing-backend', server: 'billing-3.internal:8443', attempt: 3 },
      { at: 4.5, type: 'connected', reused: true, uses: 2, story: { ...story, server: 'billing-3.internal:8443' } },
      step(5, 'sent'),
      step(13, 'received'),
      step(20.5, 'body'),
      step(23.5, 'ended'),
    ],
  }),
  tunnel: transaction({
    status: 101,
    backend: { ...backend, status: 101 },
    steps: [
      step(0.3, 'chosen'),
      reused,
      step(0.5, 'sent'),
      step(3, 'received'),
      { at: 3, type: 'tunnel' },
      step(3.1, 'body'),
      step(23.5, 'ended'),
    ],
  }),
}
