/** A TLS alert (RFC 8446 section 6). */
export interface CapturedAlert {
  /** 1 warning, 2 fatal. */
  readonly level: number
  readonly description: number
  /** It came after the server's Finished, when the client already took the handshake for done. */
  readonly late: boolean
}

/** What a server asks for that wants to know who the client is. */
export interface CapturedCertificateRequest {
  /** DER names of the authorities it accepts; empty: any. */
  readonly issuers: readonly Buffer[]
  /** SignatureScheme numbers (RFC 8446 section 4.2.3); empty where it said nothing. */
  readonly signatureAlgorithms: readonly number[]
}

/** What one handshake showed, read from its bytes. */
export interface CapturedHandshake {
  /** `TLSv1.3`, ...; '' where no ServerHello came. */
  readonly version: string
  /** IANA name of the cipher suite; '' where none was chosen. */
  readonly cipher: string
  /** IANA name of the key exchange group; '' where none was chosen, or it was none of the named ones (DHE, RSA). */
  readonly group: string
  /** The peer asked for another key share first (HelloRetryRequest). */
  readonly helloRetry: boolean
  readonly alpn: string | null
  /** DER of the served certificates, in that order, extras included. */
  readonly served: readonly Buffer[]
  /** DER of the stapled OCSP response of the leaf. */
  readonly ocsp: Buffer | null
  /** Signed certificate timestamps (RFC 6962 section 3.3) that came with the handshake. */
  readonly scts: readonly Buffer[]
  /** null: no client certificate was asked for. */
  readonly certificateRequest: CapturedCertificateRequest | null
  /** The server's Finished could be read, or in TLS 1.2 its ChangeCipherSpec was seen: the server has done its part. */
  readonly finished: boolean
  /** A session ticket came after the handshake: the server went on after the client's Finished. */
  readonly ticket: boolean
  /** Alerts the peer sent, in order, warnings included. */
  readonly alerts: readonly CapturedAlert[]
  /** What answered instead of TLS, as far as it can be named: `http`, `ssh`, `smtp`, ...; null where it spoke TLS or said nothing. */
  readonly plainProtocol: string | null
  /** First bytes the peer sent, at most 64, for evidence where they are not TLS. */
  readonly firstBytes: Buffer
  /** Bytes of the handshake could not be read further, and why; '' when all was read. */
  readonly unread: string
}
