import type { CodeText } from './code-text.ts'

export const handshakeTexts = {
  'not-tls': {
    meaning:
      'The port answered our ClientHello in another protocol. Most often it is the plain HTTP port of the same service, sometimes SMTP, SSH or a database. The first bytes of the answer say which.',
    elsewhere:
      'curl and OpenSSL: "wrong version number", which sounds like a TLS version and is none. Java and Edge: "Unrecognized SSL message, plaintext connection?". NGINX: "SSL_do_handshake() failed ... wrong version number". A browser: ERR_SSL_PROTOCOL_ERROR.',
    evidence: 'The first bytes of the answer, and the protocol they belong to.',
    fix: {
      gateway:
        'Correct the port; if the backend is meant to be plain, say `http://` and know that nothing is verified then.',
      backend: 'Switch TLS on for the port.',
    },
    see: ['protocol-version', 'handshake-closed'],
    notInLab: null,
  },
  'handshake-timeout': {
    meaning:
      'The connection was established and the TLS handshake did not end within `timeouts.handshake`. A hung process accepts through the kernel and says nothing; a middlebox may drop a ClientHello that no longer fits one packet.',
    elsewhere:
      'curl: "SSL connection timeout" (28). NGINX: "upstream timed out (110) while SSL handshaking to upstream". Java: "Read timed out". Products that count it as a slow response send people to the application, which never saw a request.',
    evidence: 'How far the handshake came, which bytes came back, and the time.',
    fix: {
      backend: 'Look for a process that accepts and does not answer: exhausted threads, blocked entropy or key store.',
      network: 'Look for a device that drops large or fragmented packets (MTU).',
      gateway: 'Raise `timeouts.handshake` if the backend is merely slow.',
    },
    see: ['connect-timeout', 'handshake-closed'],
    notInLab: null,
  },
  'handshake-closed': {
    meaning:
      'The backend read our ClientHello and closed the connection without an alert. Many servers do so when they have no certificate for the name, when they expect another protocol version, or when a load balancer has no healthy member.',
    elsewhere:
      'curl: "OpenSSL SSL_connect: SSL_ERROR_SYSCALL". OpenSSL: "unexpected eof while reading". Java and Edge: "Remote host closed connection during handshake". NGINX: "peer closed connection in SSL handshake".',
    evidence: 'How far the handshake came; what happens with another name, without one, and in other versions.',
    fix: {
      backend: "Look in the server's log at that second: the reason stands there and nowhere else.",
      gateway: 'Send the name that the backend serves (`serverName`), where a probe without a name gets through.',
    },
    see: ['server-name-rejected', 'connection-reset', 'protocol-version'],
    notInLab: null,
  },
  'protocol-version': {
    meaning:
      'Gateway and backend have no TLS version in common. The gateway offers `minVersion` to `maxVersion` of the target (TLS 1.2 and 1.3 unless said otherwise); old servers stop at 1.0 or 1.1, strict ones begin at 1.3.',
    elsewhere:
      'curl: "tlsv1 alert protocol version" or "unsupported protocol". Java and Edge: "Received fatal alert: protocol_version", or "handshake_failure" from older servers. APIM logs `OutgoingTlsProtocolsSet` and no more. Not to be confused with "wrong version number", which is not-tls.',
    evidence:
      'Alert 70, or the version in the ServerHello; the versions that the server accepts when each is tried alone.',
    fix: {
      backend: 'Switch TLS 1.2 or 1.3 on.',
      gateway:
        'Widen `minVersion` or `maxVersion`; below TLS 1.2 that needs security level 0 and gives up known protection.',
    },
    see: ['no-shared-cipher', 'not-tls'],
    notInLab: null,
  },
  'no-shared-cipher': {
    meaning:
      'A version would do, and no cipher suite is accepted by both sides. The server insists on suites that are not offered unasked (CCM, CBC, static RSA), or its key does not fit the suites it allows (an ECDSA key and RSA suites).',
    elsewhere:
      'Everybody shows alert 40, "handshake failure": curl "sslv3 alert handshake failure", Java and Edge "Received fatal alert: handshake_failure". A missing client certificate in TLS 1.2 ends in the same alert, which is why the two are settled by further connections here.',
    evidence: 'The suites offered, and the suites that the server accepts when they are tried.',
    fix: {
      backend: 'Accept a current suite: AES-GCM or ChaCha20 with ECDHE.',
      gateway: "Add the suite to the target's `ciphers`.",
    },
    see: ['client-certificate-required', 'protocol-version', 'peer-alert'],
    notInLab: null,
  },
  'server-name-rejected': {
    meaning:
      'The backend refuses the name that it was asked for (SNI), with an alert of its own for that. It is a shared address that serves other names, or the target asks for an internal alias that the backend does not know.',
    elsewhere:
      'curl: "tlsv1 unrecognized name" (alert 112). Java: "handshake alert: unrecognized_name". `curl -k` with an IP address works, because no name is sent then; so does Edge on Private Cloud, where SNI is off by default.',
    evidence: 'Alert 112; whether the handshake gets on with another name and with none.',
    fix: {
      gateway: 'Set `serverName` to a name that the backend serves.',
      backend: 'Serve the name.',
    },
    see: ['name-mismatch', 'handshake-closed'],
    notInLab: null,
  },
  'client-certificate-required': {
    meaning:
      'The backend demands a certificate of the gateway, and none is configured for the target. In TLS 1.3 the handshake seems to succeed and the refusal comes with the first read; in TLS 1.2 it ends the handshake.',
    elsewhere:
      'TLS 1.2: "handshake failure" (alert 40), as for no-shared-cipher. TLS 1.3: curl "alert certificate required" (116) after "SSL certificate verify ok". Java and Edge: "Received fatal alert: bad_certificate". NGINX as a backend answers 400 "No required SSL certificate was sent" inside of HTTP, which is no TLS fault.',
    evidence: 'A CertificateRequest in the handshake, the CAs it names, alert 116 or 40, and that we sent none.',
    fix: {
      'client-identity': 'Give the target a `clientCertificate` that one of the named CAs issued.',
      backend: 'Say which CA may issue it.',
    },
    see: ['client-certificate-rejected', 'no-shared-cipher'],
    notInLab: null,
  },
  'client-certificate-rejected': {
    meaning:
      'The backend refused the certificate that the gateway showed. It has expired, its issuer is not among those the backend accepts, its intermediates were not sent, or it is not for clients (extended key usage).',
    elsewhere:
      'Alerts 42 to 48: "bad certificate", "certificate expired", "unknown ca". curl: "tlsv1 alert unknown ca", which many read as if curl did not know the server. Java and Edge: "Received fatal alert: unknown_ca". Since 2026 public CAs no longer issue for clients.',
    evidence: 'The alert, the certificate that was sent, and the CAs that the server names.',
    fix: {
      'client-identity': 'Send one that is in date, for clientAuth, with its intermediates, from a CA of the list.',
      backend: "Look in the server's log for the reason, and add our CA where that is missing.",
    },
    see: ['client-certificate-required'],
    notInLab: null,
  },
  'peer-alert': {
    meaning:
      'The backend ended the handshake with an alert that has no code of its own here, or one that stands for several causes and could not be settled by further connections. The alert is named in the evidence.',
    elsewhere:
      'curl and NGINX print the OpenSSL text of the alert, Java "Received fatal alert: ...". "handshake failure" (40) and "internal error" (80) are the usual ones and say nothing about the cause.',
    evidence: 'Number and name of the alert, and when in the handshake it came.',
    fix: {
      backend: "Look in the server's log at that second.",
      gateway: 'Try the name, versions, suites and application protocols (ALPN) that the probe found to work.',
    },
    see: ['no-shared-cipher', 'client-certificate-required', 'server-name-rejected'],
    notInLab: null,
  },
} as const satisfies Record<string, CodeText>
