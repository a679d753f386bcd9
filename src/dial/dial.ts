import type { X509Certificate } from 'node:crypto'
import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Fault } from '../faults/fault.ts'
import type { LeafFacts } from '../observe/events.ts'
import type { TargetPlan } from '../proxy/plan.ts'
import type { Certificate } from '../x509/certificate.ts'
import { classifyDialFailure, type DialPhase, UnreadableLeafError } from './classify.ts'
import { leafFacts, type TargetTrust } from './target-trust.ts'

/** What the dialer tells on the way; for events, never for decisions. */
export interface DialObserver {
  resolving(host: string): void
  offering(versions: readonly string[]): void
  presented(leaf: LeafFacts): void
}

/** An open connection; for https its chain and name have been verified under the snapshot (I1). */
export interface Dialed {
  readonly socket: Socket
  /** `TLSv1.3`, ...; '' for plain HTTP. */
  readonly protocol: string
  readonly cipher: string
  readonly alpn: string
  readonly resumed: boolean
  /** When the first certificate of the verified path ends (ms since the epoch); the connection may not outlive it (I2). */
  readonly validUntil: number
  readonly connectMs: number
  readonly handshakeMs: number
}

export interface DialRequest {
  readonly target: TargetPlan
  /** null exactly when the target is plain HTTP. */
  readonly trust: TargetTrust | null
  readonly onread: OnReadOpts
  readonly observer: DialObserver
  readonly opened: (dialed: Dialed) => void
  readonly failed: (fault: Fault) => void
}

/** A dial under way. */
export interface DialHandle {
  /** Gives up: the socket is destroyed and neither callback follows. */
  abandon(): void
}

/**
 * Opens one connection to a target: the only caller of `tls.connect` (I4). Calls exactly one of `opened` and `failed`,
 * never before it returns; after `opened` the caller owns the socket and its events.
 */
export function dial(request: DialRequest): DialHandle {
  return request.trust === null ? dialPlain(request) : dialTls(request, request.trust)
}

function dialPlain(request: DialRequest): DialHandle {
  const { target } = request
  const socket = connectTcp({ host: target.host, port: target.port, onread: request.onread, noDelay: true })
  const watch = watchPhases(request, socket, () => [])
  socket.once('connect', () => {
    if (!watch.settle()) return
    request.opened({
      socket,
      protocol: '',
      cipher: '',
      alpn: '',
      resumed: false,
      validUntil: Number.POSITIVE_INFINITY,
      connectMs: watch.elapsed(),
      handshakeMs: 0,
    })
  })
  return watch
}

function dialTls(request: DialRequest, trust: TargetTrust): DialHandle {
  const { target, observer } = request
  const { plan } = trust
  const kept = plan.resumption ? trust.session(Date.now()) : null
  let leaf: X509Certificate | undefined
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    host: target.host,
    port: target.port,
    secureContext: trust.context,
    // Written out although it is the default: NODE_TLS_REJECT_UNAUTHORIZED=0 acts wherever it is left out. (I1)
    rejectUnauthorized: !trust.skips('chain', Date.now()),
    // Not the certificate that comes as argument: once getPeerX509Certificate() was called, Node 24 hands over an object
    // without `raw` here. The one captured at 'secure' is the peer's own.
    checkServerIdentity: () => nameFault(trust, leaf?.raw),
    ALPNProtocols: [...plan.alpn],
    onread: request.onread,
  }
  if (plan.serverName !== null) options.servername = plan.serverName
  if (kept !== null) options.session = kept.session
  const socket: TLSSocket = connectTls(options)
  socket.setNoDelay(true)

  // Without a listener from the start the runtime does not ask OpenSSL for sessions, and those of TLS 1.2 are missed. It
  // emits none before 'secureConnect', and none of a connection that was refused there.
  let sessionsUntil = 0
  if (plan.resumption) {
    socket.on('session', (session) => {
      if (sessionsUntil > 0) trust.keepSession(session, sessionsUntil)
    })
  }
  const watch = watchPhases(request, socket, () => pathOf(leaf))
  observer.offering(versionsBetween(plan.minVersion, plan.maxVersion))
  socket.once('connect', () => watch.enter('handshake', target.timeouts.handshakeMs))
  // The runtime drops the peer's certificate before it emits the failure. 'secure' comes first: handshake done, nothing
  // judged yet. Evidence only; whether the connection may be used is decided by 'secureConnect' and the checks below.
  socket.prependListener('secure', () => {
    leaf = socket.getPeerX509Certificate()
    if (leaf === undefined) return
    const parsed = readLeaf(trust, leaf.raw)
    if (!(parsed instanceof UnreadableLeafError)) observer.presented(leafFacts(parsed))
  })
  socket.once('secureConnect', () => {
    const resumed = socket.isSessionReused()
    // I1: with a chain exception the runtime does not check the name; without one it has, or we would not be here.
    const fault = unverified(socket, trust, leaf, resumed)
    if (fault !== null) {
      watch.fail(fault)
      return
    }
    if (!watch.settle()) return
    const now = Date.now()
    const validUntil =
      resumed && kept !== null
        ? kept.validUntil
        : Math.min(
            trust.exceptionEnd(now),
            trust.skips('chain', now) ? Number.POSITIVE_INFINITY : trust.pathEnd(pathOf(leaf), now),
          )
    sessionsUntil = validUntil
    request.opened({
      socket,
      protocol: socket.getProtocol() ?? '',
      cipher: socket.getCipher().standardName,
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
      resumed,
      validUntil,
      connectMs: watch.connectMs(),
      handshakeMs: watch.elapsed() - watch.connectMs(),
    })
  })
  return watch
}

/** The last gate before a connection is handed out: what is still unproven, or null. */
function unverified(
  socket: TLSSocket,
  trust: TargetTrust,
  leaf: X509Certificate | undefined,
  resumed: boolean,
): Error | null {
  const chainSkipped = trust.skips('chain', Date.now())
  if (!chainSkipped && !socket.authorized) return new Error(`not authorized: ${String(socket.authorizationError)}`)
  // A resumed session carries no certificate; it comes from a connection of this snapshot that passed these checks (I2).
  if (resumed) return null
  if (leaf === undefined) return new Error('the peer presented no certificate')
  // Where the chain is excepted the runtime does not come to the name; asked here in every case, as it costs nothing.
  return nameFault(trust, leaf.raw) ?? null
}

function nameFault(trust: TargetTrust, der: Buffer | undefined): Error | undefined {
  if (trust.skips('name', Date.now())) return undefined
  if (der === undefined) return new UnreadableLeafError('the peer presented none')
  const parsed = readLeaf(trust, der)
  return parsed instanceof UnreadableLeafError ? parsed : trust.identityFault(parsed)
}

function readLeaf(trust: TargetTrust, der: Buffer): Certificate | UnreadableLeafError {
  try {
    return trust.leaf(der)
  } catch (error) {
    return new UnreadableLeafError(error)
  }
}

/** What the runtime has of the path, leaf first: as served, which is not all that was verified. */
function pathOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const path: X509Certificate[] = []
  let at = leaf
  while (at !== undefined && path.length < 16) {
    path.push(at)
    if (at.issuerCertificate === undefined || at.issuerCertificate.fingerprint256 === at.fingerprint256) break
    at = at.issuerCertificate
  }
  return path
}

interface PhaseWatch extends DialHandle {
  enter(phase: DialPhase, timeoutMs: number): void
  fail(thrown: Error): void
  /** Ends the watch; false when the dial has failed or was abandoned before. */
  settle(): boolean
  elapsed(): number
  connectMs(): number
}

/** Deadlines and failures of a dial: DNS and TCP share the connect budget, the handshake has its own. */
function watchPhases(request: DialRequest, socket: Socket, path: () => X509Certificate[]): PhaseWatch {
  const { target } = request
  const startedAt = performance.now()
  let connectMs = 0
  let phase: DialPhase = isIP(target.host) === 0 ? 'dns' : 'connect'
  let settled = false
  let address = addressText(target.host, target.port)
  let localAddress = ''
  let connectedAt = 0
  let timer = setTimeout(timeOut, target.timeouts.connectMs)
  request.observer.resolving(target.host)

  function fail(thrown: unknown, timedOut: boolean): void {
    if (settled) return
    settled = true
    clearTimeout(timer)
    const fault = classifyDialFailure(thrown, {
      host: target.host,
      port: target.port,
      phase,
      timedOut,
      path: path(),
      clientCertificateSent: target.tls?.clientCertificate != null,
      address,
      localAddress,
      connectionAgeMs: connectedAt === 0 ? 0 : performance.now() - connectedAt,
    })
    socket.on('error', ignore)
    socket.destroy()
    request.failed(fault)
  }
  function timeOut(): void {
    fail(
      new Error(
        `no answer within ${phase === 'handshake' ? target.timeouts.handshakeMs : target.timeouts.connectMs} ms`,
      ),
      true,
    )
  }
  const onError = (error: Error): void => fail(error, false)
  const onEnd = (): void => fail(new Error('the peer closed the connection'), false)
  socket.once('lookup', (error: Error | null) => {
    if (error === null && phase === 'dns') phase = 'connect'
  })
  // Noted as they come: a socket that has failed no longer knows its addresses.
  socket.on('connectionAttempt', (ip, port) => {
    address = addressText(ip, port)
  })
  socket.once('connect', () => {
    connectedAt = performance.now()
    localAddress = addressText(socket.localAddress ?? '', socket.localPort ?? 0)
  })
  socket.once('error', onError)
  socket.once('end', onEnd)
  socket.once('close', onEnd)
  return {
    enter(next, timeoutMs) {
      connectMs = performance.now() - startedAt
      phase = next
      clearTimeout(timer)
      if (!settled) timer = setTimeout(timeOut, timeoutMs)
    },
    fail: (thrown) => fail(thrown, false),
    settle() {
      if (settled) return false
      settled = true
      clearTimeout(timer)
      socket.off('error', onError)
      socket.off('end', onEnd)
      socket.off('close', onEnd)
      if (phase !== 'handshake') connectMs = performance.now() - startedAt
      return true
    },
    abandon() {
      if (settled) return
      settled = true
      clearTimeout(timer)
      socket.on('error', ignore)
      socket.destroy()
    },
    elapsed: () => performance.now() - startedAt,
    connectMs: () => connectMs,
  }
}

/** `IP:port`, brackets around IPv6. */
export function addressText(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

function versionsBetween(min: string, max: string): readonly string[] {
  return versions.slice(versions.indexOf(min), versions.indexOf(max) + 1)
}

function ignore(): void {
  // A socket that is being destroyed may still report; the dial has its outcome already.
}
