import type { Fault, FaultKind } from '../../src/faults/fault.ts'

/** A fault of every kind, as the data plane would make it; the type keeps the table complete. */
export const faultOfKind = {
  'tls-untrusted': {
    verdict: 'missing-root',
    party: 'gateway',
    summary: 'the root "Corp Root" that signed the chain of "billing" is in none of its trust stores',
    evidence: { address: '10.2.0.7:443', snapshot: 'trust-1' },
  },
  'tls-failed': {
    verdict: 'protocol-version',
    party: 'backend',
    summary: 'the backend speaks no TLS version that this target allows',
    evidence: { address: '10.2.0.7:443', alert: 'protocol_version' },
  },
  'tls-timeout': {
    verdict: 'handshake-timeout',
    party: 'backend',
    summary: 'the handshake did not finish within 10000 ms',
    evidence: { address: '10.2.0.7:443' },
  },
  'client-certificate': {
    verdict: 'client-certificate-required',
    party: 'client-identity',
    summary: 'the backend asks for a client certificate and this target has none',
    evidence: { address: '10.2.0.7:443', alert: 116 },
  },
  'dns-failed': {
    verdict: 'dns-failure',
    party: 'network',
    summary: 'billing.internal has no address',
    evidence: { address: 'billing.internal:8443' },
  },
  'connect-refused': {
    verdict: 'connection-refused',
    party: 'backend',
    summary: 'nothing listens on 10.2.0.7:443',
    evidence: { address: '10.2.0.7:443' },
  },
  'connect-timeout': {
    verdict: 'connect-timeout',
    party: 'network',
    summary: '10.2.0.7:443 did not answer within 5000 ms',
    evidence: { address: '10.2.0.7:443' },
  },
  'connect-reset': {
    verdict: 'connection-reset',
    party: 'backend',
    summary: '10.2.0.7:443 reset the connection',
    evidence: { address: '10.2.0.7:443' },
  },
  'response-timeout': {
    verdict: null,
    party: 'backend',
    summary: 'no response within 60000 ms',
    evidence: { address: '10.2.0.7:443' },
  },
  'response-eof': { verdict: null, party: 'backend', summary: 'closed after 12 of 400 bytes', evidence: {} },
  'response-malformed': { verdict: null, party: 'backend', summary: 'two Content-Length fields', evidence: {} },
  'response-head-too-large': {
    verdict: null,
    party: 'backend',
    summary: 'response headers over 65536 bytes',
    evidence: { limit: 65_536 },
  },
  'no-route': { verdict: null, party: 'client', summary: 'no proxy for this host and path', evidence: {} },
  'bad-request': { verdict: null, party: 'client', summary: 'two Content-Length fields', evidence: {} },
  'bad-path': { verdict: null, party: 'client', summary: 'the path leaves its base path', evidence: {} },
  'uri-too-long': {
    verdict: null,
    party: 'client',
    summary: 'request line over 8192 bytes',
    evidence: { limit: 8192 },
  },
  'headers-too-large': { verdict: null, party: 'client', summary: 'request headers over the limit', evidence: {} },
  'body-too-large': {
    verdict: null,
    party: 'client',
    summary: 'body over 1048576 bytes',
    evidence: { limit: 1_048_576 },
  },
  'expectation-failed': { verdict: null, party: 'client', summary: 'unknown expectation', evidence: {} },
  'method-not-implemented': { verdict: null, party: 'client', summary: 'CONNECT is not served', evidence: {} },
  'version-not-supported': { verdict: null, party: 'client', summary: 'HTTP/3.0 in a request line', evidence: {} },
  'request-timeout': { verdict: null, party: 'client', summary: 'no complete head in 10000 ms', evidence: {} },
  overloaded: { verdict: null, party: 'gateway', summary: '1000 requests wait for "billing"', evidence: {} },
  'no-server': {
    verdict: null,
    party: 'backend',
    summary: 'no server of target "billing" can be used: a is unhealthy (expired): its leaf ended 2026-01-01',
    evidence: {
      target: 'billing',
      servers: [{ server: 'a', state: 'unhealthy', verdict: 'expired', party: 'backend' }],
    },
  },
  'circuit-open': {
    verdict: null,
    party: 'backend',
    summary: 'too many requests to target "billing" have failed: its breaker is open for another 5 s',
    evidence: { target: 'billing', openMs: 4200 },
  },
  'not-ready': { verdict: null, party: 'gateway', summary: 'no generation is in force', evidence: {} },
  'route-failed': { verdict: null, party: 'gateway', summary: 'none of the 2 route rules holds', evidence: {} },
  'store-unknown': { verdict: null, party: 'gateway', summary: 'there is no store "gold"', evidence: {} },
  'step-not-supported': {
    verdict: null,
    party: 'gateway',
    summary: 'policy "Sign" (JavaCallout) of orders/1 is not supported',
    evidence: {},
  },
  'client-gone': { verdict: null, party: 'client', summary: 'closed while the answer was sent', evidence: {} },
} as const satisfies Record<FaultKind, Omit<Fault, 'kind'>>

export const everyFault: readonly Fault[] = (Object.keys(faultOfKind) as FaultKind[]).map(fault)

export function fault(kind: FaultKind): Fault {
  return { kind, ...faultOfKind[kind] }
}

/** Faults of one kind that a profile tells apart. */
export const furtherFaults: readonly Fault[] = [
  {
    ...fault('tls-untrusted'),
    verdict: 'name-mismatch',
    party: 'backend',
    summary: 'the certificate is for backend.apigee.example, this target verifies backend.company.example',
  },
  { ...fault('tls-untrusted'), verdict: 'expired', party: 'backend', summary: 'the leaf ended 2026-01-01' },
  { ...fault('tls-failed'), verdict: 'not-tls', summary: 'the port answered in plain HTTP', evidence: {} },
  { ...fault('tls-failed'), verdict: 'handshake-closed', summary: 'closed before its certificate', evidence: {} },
  { ...fault('tls-failed'), verdict: 'peer-alert', summary: 'alert handshake failure', evidence: { alert: 40 } },
]
