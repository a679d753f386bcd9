import { fails, type Scenario } from './expectation.ts'

/** Backends whose handshake never gets as far as a judgement of their certificate, or is refused by them after it. */
export const handshakeScenarios = {
  'handshake-reset': {
    summary: 'Reads the ClientHello and resets the connection.',
    expect: fails('handshake-closed', 'tls-failed'),
    tryThis: 'Look for a middlebox that inspects ClientHellos, and at what differs in ours.',
  },
  'handshake-closed-late': {
    summary: 'Closes the connection after its ServerHello, without a word.',
    expect: fails('handshake-closed', 'tls-failed'),
    tryThis: "Look at the backend's log at that second: its process may have crashed.",
  },
  'handshake-timeout-late': {
    summary: 'Sends its ServerHello and then nothing.',
    expect: fails('handshake-timeout', 'tls-timeout'),
    tryThis: 'Look for a key in a module (HSM) that does not answer, or a path that drops large packets.',
  },
  'server-name-rejected': {
    summary: 'Serves no such name: answers every SNI with the alert unrecognized_name.',
    expect: { ...fails('server-name-rejected', 'tls-failed'), alert: 112 },
    tryThis: "Correct the target's serverName, or add the name to the backend.",
  },
  'peer-alert': {
    summary: 'Ends the handshake with the alert internal_error, as servers without a usable certificate do.',
    expect: { ...fails('peer-alert', 'tls-failed'), alert: 80 },
    tryThis: "Look at the backend's log at that second.",
  },
  'peer-alert-unregistered': {
    summary: 'Ends the handshake with alert 121, which no registry knows.',
    expect: fails('peer-alert', 'tls-failed', 'handshake-closed'),
    tryThis: 'See that the number is in the evidence: the runtime tells of a closed connection only.',
  },
  'no-application-protocol': {
    summary: 'Ends the handshake of every client that does not offer HTTP/2 (ALPN).',
    // Which protocols are spoken is the target's setting.
    expect: { ...fails('peer-alert', 'tls-failed'), alert: 120, party: 'gateway' },
    tryThis: 'See which protocols were offered; where a backend like this speaks HTTP/2, alpn: [h2] reaches it.',
  },
  'insufficient-security': {
    summary: 'Finds every cipher suite that is offered too weak.',
    expect: { ...fails('no-shared-cipher', 'tls-failed'), alert: 71 },
    tryThis: "Compare the backend's cipher suites with the target's.",
  },
  'no-shared-cipher-tls12': {
    summary: 'Accepts a single TLS 1.2 cipher suite that clients do not offer unasked (AES-CCM-8).',
    expect: { ...fails('no-shared-cipher', 'tls-failed', 'peer-alert'), alert: 40 },
    tryThis: "Widen the backend's list.",
  },
  'protocol-version-tls13': {
    summary: 'Speaks TLS 1.3 only, and the target is held at TLS 1.2.',
    expect: { ...fails('protocol-version', 'tls-failed'), alert: 70, party: 'gateway' },
    tryThis: "Remove maxVersion from the target's tls.",
    target: { maxVersion: 'TLSv1.2' },
  },
  'client-certificate-rejected': {
    summary: 'Wants a client certificate of its own CA, and the target shows one of another; TLS 1.3.',
    // The backend says nothing and closes after the handshake: to the request that was sent, no answer came.
    expect: { ...fails('client-certificate-rejected', 'response-eof'), trafficVerdict: 'trusted' },
    tryThis: 'Give the target client.crt and client.key as its client certificate.',
  },
  'client-certificate-rejected-tls12': {
    summary: 'As client-certificate-rejected, in TLS 1.2.',
    expect: fails('client-certificate-rejected', 'tls-failed', 'handshake-closed'),
    tryThis: 'Give the target client.crt and client.key as its client certificate.',
  },
  'client-certificate-expired': {
    summary: 'Wants a client certificate; the one that the target shows expired yesterday.',
    expect: { ...fails('client-certificate-rejected', 'response-eof'), trafficVerdict: 'trusted' },
    tryThis: 'Give the target client.crt and client.key as its client certificate.',
  },
  'ssh-banner': {
    summary: 'Speaks SSH on the port where TLS is expected.',
    expect: fails('not-tls', 'tls-failed'),
    tryThis: 'Correct the port.',
  },
  'smtp-banner': {
    summary: 'Speaks SMTP on the port where TLS is expected.',
    expect: fails('not-tls', 'tls-failed'),
    tryThis: 'Correct the port.',
  },
  'http-400': {
    summary: 'Answers HTTP 400 before it was asked anything.',
    expect: fails('not-tls', 'tls-failed'),
    tryThis: 'Correct the port, or the scheme of the target if plain HTTP is meant.',
  },
  'junk-bytes': {
    summary: 'Sends two bytes that mean nothing, and waits.',
    expect: fails('not-tls', 'tls-timeout', 'handshake-timeout'),
    tryThis: 'See the two bytes in the evidence; to the runtime they are no different from silence.',
  },
} as const satisfies Record<string, Scenario>
