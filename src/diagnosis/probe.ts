import type { Resolver } from '../dial/resolver.ts'
import { TargetTrust } from '../dial/target-trust.ts'
import type { ServerPlan, TargetTlsPlan } from '../proxy/plan.ts'
import { cipherSuiteName } from '../wire/tls/cipher-suites.ts'
import type { ClientHello } from '../wire/tls/handshake-messages.ts'
import { tlsVersionName } from '../wire/tls/versions.ts'
import { connectOnce, type ProbeConnection } from './probe-connection.ts'
import { noFacts, settleFacts } from './probe-facts.ts'
import type { Offered, Probe } from './types.ts'

export interface ProbeRequest {
  readonly server: ServerPlan
  /** That of traffic, or one like it: it is neither asked for a session nor given one (I2). */
  readonly trust: TargetTrust
  readonly resolver: Resolver
  /** `false`: one connection, whatever comes of it. */
  readonly settle?: boolean
  /** Further connections at most where the first one does not tell the cause; 8 unless told, and never more. */
  readonly budget?: number
  /** The bytes of the first connection are kept. */
  readonly transcript?: boolean
  readonly signal?: AbortSignal
}

const maxBudget = 8

/**
 * Finds out what a server does when the gateway connects to it. One connection where that is enough; where the handshake ends
 * for another reason than chain or name, further ones, one after another, that offer something else. All of them verify and
 * send nothing but the handshake (I1, I4). Rejects only when aborted.
 */
export async function probe(request: ProbeRequest): Promise<Probe> {
  const { server, trust } = request
  const first = await connectOnce({ ...request, server: { ...server, tls: trust.plan } })
  let left = request.settle === false ? 0 : Math.min(request.budget ?? maxBudget, maxBudget)
  let connections = 1
  const facts =
    left === 0
      ? noFacts
      : await settleFacts(server, trust.plan, first, async (change, timeoutMs) => {
          const varied = left > 0 ? variant(request, change, timeoutMs) : null
          if (varied === null) return null
          left--
          connections++
          return connectOnce(varied)
        })
  const { fault, handshake, address, timings, hello, transcript } = first
  const { host, port } = server
  return {
    host,
    port,
    address,
    timings,
    fault,
    handshake,
    offered: offeredBy(hello),
    facts,
    connections,
    ...(request.transcript === true ? { transcript } : {}),
  }
}

/** The same target with another offer; null where the TLS library cannot make it. */
function variant(
  request: ProbeRequest,
  change: Partial<TargetTlsPlan>,
  timeoutMs: number,
): Parameters<typeof connectOnce>[0] | null {
  const { server } = request
  // Whoever asks for it here has been seen already; our certificate need not be shown again.
  const tls: TargetTlsPlan = { ...request.trust.plan, resumption: false, clientCertificate: null, ...change }
  const { connectMs, handshakeMs } = server.timeouts
  const timeouts = {
    ...server.timeouts,
    connectMs: Math.min(connectMs, timeoutMs),
    handshakeMs: Math.min(handshakeMs, timeoutMs),
  }
  try {
    return { ...request, server: { ...server, tls, timeouts }, trust: new TargetTrust(tls) }
  } catch {
    return null
  }
}

function offeredBy(hello: ProbeConnection['hello']): Offered | null {
  return hello === null ? null : { ...versionsAndCiphers(hello), serverName: hello.serverName, alpn: hello.alpn }
}

function versionsAndCiphers({ versions, ciphers }: ClientHello): Pick<Offered, 'versions' | 'ciphers'> {
  return {
    versions: [...versions].sort((one, other) => one - other).map(tlsVersionName),
    // Signals that stand among the suites and are none (RFC 5746, RFC 7507).
    ciphers: ciphers.filter((number) => number !== 0x00ff && number !== 0x5600).map(cipherSuiteName),
  }
}
