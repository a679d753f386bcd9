import type { AccessRecord, BackendRecord, PosternEvent, RequestRef } from '../../src/observe/events.ts'
import type { LogContext } from '../../src/observe/log-context.ts'
import type { ProxyPlan } from '../../src/proxy/plan.ts'

import { fault } from '../faults/fault-cases.ts'

export const context: LogContext = {
  organization: 'acme',
  environment: 'prod',
  region: 'aks',
  hostName: 'gw1',
  pid: 4242,
}

export const requestId = 'd5d383dc-c395-4111-8558-2193f9bbb8ff'
const startedAt = Date.UTC(2026, 0, 23, 7, 26, 26, 678)

export const proxy: ProxyPlan = {
  key: 'billing',
  name: 'billing',
  organization: 'acme',
  environment: 'prod',
  listeners: null,
  hosts: [],
  basePath: '/billing',
  route: { kind: 'target', target: 'billing-backend' },
  revision: '1',
  faults: 'native',
  faultDetail: 'standard',
  path: 'strip',
  host: 'target',
}

const backend: BackendRecord = {
  target: 'billing-backend',
  address: '10.2.0.7:443',
  url: 'https://billing.internal:8443/v1/invoices?id=7',
  status: 200,
  protocol: 'HTTP/1.1',
  totalMs: 20.25,
  firstByteMs: 12.5,
  reused: true,
  snapshot: 'trust-1',
}

/** A good request; tests name what differs. */
export function record(over: Partial<AccessRecord> = {}): AccessRecord {
  return {
    id: requestId,
    startedAt,
    totalMs: 23.4567,
    worker: 2,
    listener: 'https',
    clientAddress: '192.0.2.9',
    clientPort: 51_000,
    clientProtocol: 'HTTP/1.1',
    clientTls: 'TLSv1.3',
    method: 'GET',
    target: '/billing/v1/invoices?id=7',
    host: 'api.example.com',
    userAgent: 'curl/8.5.0',
    forwardedFor: '',
    proxy,
    status: 200,
    requestBytes: 120,
    responseBytes: 410,
    responseBodyBytes: 200,
    backend,
    fault: null,
    traceId: '',
    ...over,
  }
}

export const failedBackend: BackendRecord = {
  ...backend,
  address: '',
  status: 0,
  protocol: '',
  totalMs: 920,
  firstByteMs: -1,
  reused: false,
}

/** The request of the field report: 922 ms, its backend's certificate refused. */
export const refused = record({
  status: 500,
  totalMs: 922.4,
  responseBytes: 259,
  responseBodyBytes: 111,
  backend: failedBackend,
  fault: fault('tls-untrusted'),
})

export const records: readonly AccessRecord[] = [
  record(),
  record({ forwardedFor: '203.0.113.1, 192.0.2.9', clientTls: '', clientAddress: '2001:db8::9', method: 'POST' }),
  refused,
  record({ status: 504, backend: { ...failedBackend, address: '10.2.0.7:443' }, fault: fault('response-timeout') }),
  record({ status: 503, backend: failedBackend, fault: fault('connect-refused') }),
  record({ status: 404, proxy: null, backend: null, target: '/nowhere', fault: fault('no-route'), clientTls: 'TLSv1' }),
  record({
    status: 400,
    proxy: null,
    backend: null,
    method: '',
    target: '',
    host: '',
    userAgent: '',
    clientProtocol: '',
    fault: fault('bad-request'),
  }),
  record({ status: 101, backend: { ...backend, status: 101 } }),
]

const request: RequestRef = { id: requestId, proxy, method: 'GET', elapsedMs: 573.1 }

const at = (ms: number) => ({ at: Date.UTC(2026, 0, 23, 7, 26, 27, ms), worker: 2 })

const leaf = {
  thumbprint: '62BF1CFA2116828E3F0B3C7D8FB4C380CD2CE358',
  sha256: '9c1185a5c5e9fc54612808977ee8f548b2258d31',
  subject: 'CN=*.myxxxxx.com,O=My Self Server Org,ST=Chongqing,C=CN',
  subjectWindows: 'CN=*.myxxxxx.com, O=My Self Server Org, S=Chongqing, C=CN',
  issuer: 'CN=My Self Intermediate,C=CN',
  notAfter: Date.UTC(2027, 0, 1),
  crlUrls: [],
  aiaUrls: [],
} as const

/** The four events of the field report, in its order, with its times and names. */
export const fieldReport: readonly PosternEvent[] = [
  { ...at(251), type: 'dns-resolution', target: 'billing-backend', host: 'xselfca02.myxxxxx.com', request },
  { ...at(252), type: 'tls-offered', target: 'billing-backend', versions: ['TLSv1', 'TLSv1.1', 'TLSv1.2'], request },
  { ...at(598), type: 'certificate-presented', target: 'billing-backend', leaf, request },
  {
    ...at(601),
    type: 'request-failed',
    target: 'billing-backend',
    fault: fault('tls-untrusted'),
    request,
    localAddress: '192.168.194.140:55102',
    remoteAddress: '10.2.0.7:443',
    connectionAgeMs: 233.2,
    connectionUses: 0,
  },
]

const failed = {
  type: 'request-failed',
  target: 'billing-backend',
  request,
  localAddress: '',
  remoteAddress: '',
  connectionAgeMs: 0,
  connectionUses: 0,
} as const

export const events: readonly PosternEvent[] = [
  ...fieldReport,
  { ...at(610), type: 'dns-resolution', target: 'billing-backend', host: 'billing.internal', request: null },
  {
    ...at(611),
    type: 'certificate-presented',
    target: 'billing-backend',
    leaf: { ...leaf, crlUrls: ['http://crl.example/a', 'http://crl.example/b'], aiaUrls: ['http://ca.example/i'] },
    request: null,
  },
  ...(['missing-root', 'trusted'] as const).map(
    (verdict): PosternEvent => ({
      ...at(620),
      type: 'handshake',
      target: 'billing-backend',
      verdict,
      ms: 12.3,
      resumed: verdict === 'trusted',
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      snapshot: 'trust-1',
    }),
  ),
  { ...at(630), ...failed, fault: fault('connect-refused') },
  { ...at(631), ...failed, fault: fault('tls-failed') },
  { ...at(632), ...failed, fault: fault('tls-timeout'), request: { ...request, proxy: null } },
  {
    ...at(640),
    type: 'pool-retired',
    target: 'billing-backend',
    snapshot: 'trust-1',
    idle: 3,
    busy: 1,
    mode: 'drain',
  },
  {
    ...at(641),
    type: 'server-health',
    target: 'billing-backend',
    server: 'b-2',
    healthy: false,
    verdict: 'missing-root',
    party: 'gateway',
    summary: '10.0.0.2:8443: missing-root: self-signed certificate in certificate chain',
  },
  {
    ...at(642),
    type: 'server-health',
    target: 'billing-backend',
    server: 'b-1',
    healthy: false,
    verdict: null,
    party: 'backend',
    summary: '10.0.0.1:8443: GET /healthz: answered 503, not 200-399',
  },
  {
    ...at(643),
    type: 'server-health',
    target: 'billing-backend',
    server: 'b-1',
    healthy: true,
    verdict: null,
    party: null,
    summary: '',
  },
  {
    ...at(644),
    type: 'server-ejected',
    target: 'billing-backend',
    server: 'b-1',
    failures: 5,
    ms: 30_000,
    verdict: 'expired',
    party: 'backend',
    summary: '10.0.0.1:8443: the leaf ended 2026-01-01',
  },
  {
    ...at(645),
    type: 'breaker',
    target: 'billing-backend',
    state: 'open',
    requests: 120,
    failed: 66,
    verdict: null,
    party: 'backend',
    summary: 'status 503',
  },
  {
    ...at(646),
    type: 'breaker',
    target: 'billing-backend',
    state: 'half-open',
    requests: 0,
    failed: 0,
    verdict: null,
    party: null,
    summary: '',
  },
  {
    ...at(647),
    type: 'breaker',
    target: 'billing-backend',
    state: 'open',
    requests: 0,
    failed: 0,
    verdict: 'connection-refused',
    party: 'backend',
    summary: '10.0.0.1:8443: connection refused',
  },
  {
    ...at(648),
    type: 'breaker',
    target: 'billing-backend',
    state: 'closed',
    requests: 0,
    failed: 0,
    verdict: null,
    party: null,
    summary: '',
  },
  { ...at(650), type: 'generation-committed', generation: 1, ms: 41.2 },
  { ...at(651), type: 'generation-committed', generation: 2, ms: 12 },
  { ...at(652), type: 'generation-refused', source: 'postern.yaml', problems: ['targets.a.url: not a URL', 'b'] },
  { ...at(653), type: 'trust-changed', store: 'corp', added: ['CN=Corp Root 2'], removed: [] },
  { ...at(654), type: 'trust-refused', store: 'corp', problem: 'corp-ca.pem: no certificate' },
  { ...at(655), type: 'warning', code: 'sub-path-mount', message: 'this mount can never update' },
  {
    ...at(656),
    type: 'exception-in-force',
    target: 'billing-backend',
    skip: 'chain',
    owner: 'payments',
    reason: 'appliance',
    until: Date.UTC(2026, 5, 1),
  },
  { ...at(657), type: 'listening', listener: 'https', address: '0.0.0.0', port: 8443, tls: true },
  { ...at(658), type: 'worker-died', died: 1, message: 'out of memory' },
  { ...at(659), type: 'draining' },
  { ...at(660), type: 'stopped' },
]
