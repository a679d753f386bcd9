import { createHash } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions, type Server } from 'node:tls'
import { PosternError } from '../core/errors.ts'
import type { ListenerTlsPlan } from './plan.ts'

export interface ServerContexts {
  /** The certificate for an SNI name: exact, then wildcard, then the first. */
  find(name: string): SecureContext
}

export function createServerContexts(tls: ListenerTlsPlan): ServerContexts {
  const byName = new Map<string, SecureContext>()
  let first: SecureContext | null = null
  for (const certificate of tls.certificates) {
    const context = createSecureContext({ ...common(tls), cert: certificate.chain, key: certificate.key })
    first ??= context
    for (const name of certificate.names) if (!byName.has(name)) byName.set(name, context)
  }
  if (first === null) throw withoutCertificate()
  const fallback = first
  return {
    find(sni) {
      const name = sni.toLowerCase()
      const dot = name.indexOf('.')
      return byName.get(name) ?? (dot === -1 ? undefined : byName.get(`*${name.slice(dot)}`)) ?? fallback
    },
  }
}

/** For clients without SNI, and until SNI has been read. */
export function defaultContext(tls: ListenerTlsPlan): SecureContextOptions {
  const [first] = tls.certificates
  if (first === undefined) throw withoutCertificate()
  return { ...common(tls), cert: first.chain, key: first.key }
}

/**
 * Whether clients are asked for a certificate, from the next connection on. Who shows none is refused in the handshake, who
 * shows a wrong one before a byte of a request is read.
 *
 * The runtime takes this when a server is made and documents no way to change it; it keeps it in these two properties. Were
 * they not read any more, a listener that has begun to ask would let nobody in (`ClientTrust`), and one whose anchors are no
 * roots would refuse clients without SNI.
 */
export function useClientAnchors(server: Server, tls: ListenerTlsPlan): void {
  const inner = server as unknown as { requestCert: boolean; _sharedCreds: SecureContext }
  inner.requestCert = tls.clientAnchors !== null
  if (tls.clientAnchors === null) return
  inner._sharedCreds = createSecureContext({
    ...defaultContext(tls),
    // Parts of the server's own context: it is replaced as a whole.
    ticketKeys: server.getTicketKeys(),
    honorCipherOrder: true,
  })
}

function common(tls: ListenerTlsPlan): SecureContextOptions {
  return {
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
    ...(tls.clientAnchors === null ? {} : clientVerification(tls.clientAnchors)),
  }
}

/**
 * A resumed session is not verified again, and one of a listener that asks for nothing counts as verified in TLS 1.3. The
 * ticket keys are the same for all listeners, so the session context is not: a ticket holds among equal anchors alone.
 */
function clientVerification(anchors: readonly string[]): SecureContextOptions {
  const hash = createHash('sha256')
    .update(JSON.stringify([...anchors].sort()))
    .digest('hex')
  return {
    ca: [...anchors],
    // As in Edge's trust stores, what is listed is trusted, root or not.
    allowPartialTrustChain: true,
    sessionIdContext: hash.slice(0, 32),
  }
}

function withoutCertificate(): PosternError {
  return new PosternError('listener-without-certificate', 'an HTTPS listener needs a certificate')
}
