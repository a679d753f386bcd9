import { childrenOf, contentOf, contextTag, DerError, readWhole, tags } from '../x509/der.ts'

/**
 * DER of the leaf that a TLS session was made with (OpenSSL's SSL_SESSION, `peer` [3]); null where it holds none, or is written
 * otherwise. The bytes are a copy: what they stood in holds the secret of the connection (I7).
 */
export function peerOfSession(session: Buffer | undefined): Buffer | null {
  if (session === undefined) return null
  // The runtime writes a header of its own before it, with the name of the server.
  for (
    let at = session.indexOf(tags.sequence);
    at !== -1 && at < maxHeader;
    at = session.indexOf(tags.sequence, at + 1)
  ) {
    const peer = peerOf(session.subarray(at))
    if (peer !== null) return peer
  }
  return null
}

/** A host name, and a little. */
const maxHeader = 512

function peerOf(session: Buffer): Buffer | null {
  try {
    const peer = childrenOf(readWhole(session), 'session', tags.sequence).find(({ tag }) => tag === contextTag(3, true))
    return peer === undefined ? null : Buffer.from(contentOf(peer))
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return null
  }
}
