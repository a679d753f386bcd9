import type { X509Certificate } from 'node:crypto'
import type { LookupAddress } from 'node:dns'
import { connect as connectTcp, type LookupFunction, type OnReadOpts, type Socket } from 'node:net'
import type { Fault } from '../faults/fault.ts'
import type { LeafFacts } from '../observe/events.ts'
import type { EgressPlan, ServerPlan } from '../proxy/plan.ts'
import { Handshake, type Proven } from './handshake.ts'
import { addressText, type Opening } from './opening.ts'
import { Race } from './race.ts'
import type { Resolver } from './resolver.ts'
import type { Tap } from './tap.ts'
import type { TargetTrust } from './target-trust.ts'
import { giveAll, readInto, TunnelRefusedError, TunnelReply, tunnelRequest } from './tunnel.ts'
import { DialUnderWay } from './under-way.ts'
import { versionsBetween } from './versions-between.ts'

export { addressText }

/** What the dialer tells on the way; for events, never for decisions. */
export interface DialObserver {
  resolving(host: string): void
  offering(versions: readonly string[]): void
  presented(leaf: LeafFacts): void
  /** A full handshake, not a resumed one, has been verified; `path` as the runtime has it, leaf first. */
  verified?(path: () => readonly X509Certificate[]): void
}

/** An open connection; for https its chain and name have been verified under the snapshot (I1). */
export interface Dialed {
  readonly socket: Socket
  /** `IP:port` that it is connected to: the server, or the proxy on the way to it. */
  readonly address: string
  /** Our end of it, as `IP:port`. */
  readonly localAddress: string
  /** `TLSv1.3`, ...; '' for plain HTTP. */
  readonly protocol: string
  readonly cipher: string
  readonly alpn: string
  readonly resumed: boolean
  /**
   * When the first certificate of the verified path ends, or what says that none is revoked (ms since the epoch); the
   * connection may not outlive it (I2).
   */
  readonly validUntil: number
  readonly connectMs: number
  readonly handshakeMs: number
  /** How it came about; `storyOf` tells it. */
  readonly opening: Opening
}

export interface DialRequest {
  readonly server: ServerPlan
  /** null exactly when the server is plain HTTP. */
  readonly trust: TargetTrust | null
  readonly resolver: Resolver
  readonly onread: OnReadOpts
  readonly observer: DialObserver
  /** Gets the bytes of the handshake; for probes and debug sessions. The same connection in every other respect. */
  readonly tap?: Tap
  readonly opened: (dialed: Dialed) => void
  /** `opening`: how far it came; `storyOf` tells it. */
  readonly failed: (fault: Fault, opening: Opening) => void
}

/** A dial under way. */
export interface DialHandle {
  /** Gives up: the socket is destroyed and neither callback follows. */
  abandon(): void
}

/**
 * Opens one connection to a server: the only caller of `tls.connect` (I4). Calls exactly one of `opened` and `failed`,
 * never before it returns; after `opened` the caller owns the socket and its events.
 */
export function dial(request: DialRequest): DialHandle {
  const { server, trust, resolver, observer } = request
  const way = new DialUnderWay(request)
  const { opening } = way
  const { host } = opening.peer
  observer.resolving(host)
  if (trust !== null) observer.offering(versionsBetween(trust.plan.minVersion, trust.plan.maxVersion))
  let answered = false
  let asked = false
  const cancel = resolver.lookup(host, server.dns, (error, addresses) => {
    answered = true
    if (way.settled) return
    opening.resolved(addresses, !asked)
    if (error === null) connect(way, request, addresses)
    else process.nextTick(() => way.fail(error))
  })
  asked = true
  if (!answered) way.stop = cancel
  return way
}

function connect(way: DialUnderWay, request: DialRequest, addresses: readonly LookupAddress[]): void {
  const { server, trust } = request
  way.enter('connect')
  if (server.egress !== null) connectThrough(way, request, server.egress, addresses)
  else if (trust === null) connectPlain(way, request, addresses)
  else if (request.tap !== undefined) connectTapped(way, request, trust, addresses)
  else connectSecure(way, request, trust, addresses)
}

function connectPlain(way: DialUnderWay, request: DialRequest, addresses: readonly LookupAddress[]): void {
  const open = ({ address }: LookupAddress): Opened => ({
    socket: connectTcp({ host: address, port: way.opening.peer.port, onread: request.onread, noDelay: true }),
  })
  race(way, request, addresses, open, ({ socket }) => handOver(way, request, socket, plain))
}

function connectSecure(
  way: DialUnderWay,
  request: DialRequest,
  trust: TargetTrust,
  addresses: readonly LookupAddress[],
): void {
  const { server, onread } = request
  const { port } = way.opening.peer
  const open = (address: LookupAddress): Handshake =>
    new Handshake(server, trust, { port, lookup: only(address), onread })
  race(way, request, addresses, open, (handshake) => prove(way, request, handshake))
}

/** As connectSecure, with somebody between TCP and TLS. */
function connectTapped(
  way: DialUnderWay,
  request: DialRequest,
  trust: TargetTrust,
  addresses: readonly LookupAddress[],
): void {
  const open = ({ address }: LookupAddress): Opened => ({
    socket: connectTcp({ host: address, port: way.opening.peer.port, noDelay: true }),
  })
  race(way, request, addresses, open, ({ socket }) => proveOver(way, request, trust, socket))
}

/** Through an egress proxy. It sees the server's name and port and what it could see of any connection; never less is verified. */
function connectThrough(
  way: DialUnderWay,
  request: DialRequest,
  egress: EgressPlan,
  addresses: readonly LookupAddress[],
): void {
  const { server, trust, onread } = request
  const open = ({ address }: LookupAddress): Tunnel => {
    const reply = new TunnelReply(egress)
    const tunnel: Tunnel = {
      reply,
      socket: connectTcp({
        host: address,
        port: egress.port,
        noDelay: true,
        // The runtime cannot take it back: a socket that TLS will run over is read by its events.
        ...(trust === null ? { onread: { buffer: onread.buffer, callback: readPlain } } : {}),
      }),
    }
    let isOpen = false
    function readPlain(length: number, buffer: Uint8Array): boolean {
      if (isOpen) return onread.callback(length, buffer)
      const rest = replied(way, reply, buffer.subarray(0, length))
      if (rest === null) return true
      isOpen = true
      handOver(way, request, tunnel.socket, plain)
      return giveAll(tunnel.socket, rest, onread)
    }
    return tunnel
  }
  race(way, request, addresses, open, ({ socket, reply }) => {
    way.enter('tunnel')
    socket.write(tunnelRequest(egress, addressText(server.host, server.port)), 'latin1')
    if (trust === null) return
    socket.on('data', function read(bytes: Buffer) {
      const rest = replied(way, reply, bytes)
      if (rest === null) return
      if (rest.length > 0) {
        // In TLS the server speaks second: these are not from the server, or not in answer to us.
        way.fail(new TunnelRefusedError('bytes followed the answer to CONNECT before the handshake began'))
        return
      }
      socket.off('data', read)
      socket.pause()
      proveOver(way, request, trust, socket)
    })
  })
}

interface Opened {
  readonly socket: Socket
}

interface Tunnel extends Opened {
  readonly reply: TunnelReply
}

/** @returns what followed the proxy's answer when that opened the tunnel; null when it did not or is not complete */
function replied(way: DialUnderWay, reply: TunnelReply, bytes: Uint8Array): Buffer | null {
  if (way.settled) return null
  const rest = reply.read(bytes)
  if (!(rest instanceof TunnelRefusedError)) return rest
  way.fail(rest)
  return null
}

/** Connects to one of the addresses; `connected` has a socket whose failure is one of the dial. */
function race<T extends Opened>(
  way: DialUnderWay,
  { server, resolver }: DialRequest,
  addresses: readonly LookupAddress[],
  open: (address: LookupAddress) => T,
  connected: (winner: T) => void,
): void {
  const { opening } = way
  const { host, port } = opening.peer
  const tried = new Race(
    addresses,
    (address) => {
      opening.address = addressText(address.address, port)
      return open(address)
    },
    {
      connected({ address, opened }) {
        opening.address = addressText(address.address, port)
        if (addresses.length > 1) resolver.reached(host, server.dns, address.family)
        way.hold(opened.socket)
        connected(opened)
      },
      failed({ address, error }) {
        opening.address = addressText(address.address, port)
        way.fail(error)
      },
    },
  )
  way.attempts = tried.attempts
  way.stop = () => tried.stop()
}

/** TLS over a socket that is connected to the server, or to the tunnel that leads there. */
function proveOver(way: DialUnderWay, request: DialRequest, trust: TargetTrust, socket: Socket): void {
  const { server, tap } = request
  way.release()
  prove(way, request, new Handshake(server, trust, { socket: tap === undefined ? socket : tap.over(socket) }, tap))
}

function prove(way: DialUnderWay, request: DialRequest, handshake: Handshake): void {
  const { socket } = handshake
  way.hold(socket)
  way.opening.handshake = handshake
  way.enter('handshake')
  handshake.follow({
    presented: (leaf) => request.observer.presented(leaf),
    unproven: (why) => way.fail(why),
    proven(what) {
      if (!what.resumed) request.observer.verified?.(() => handshake.path())
      // The runtime takes `onread` only where it opens the TCP connection itself.
      if (request.server.egress !== null || request.tap !== undefined) readInto(socket, request.onread)
      handOver(way, request, socket, what)
    },
  })
}

/** The end of the dial: from here on the socket is the caller's. */
function handOver(way: DialUnderWay, request: DialRequest, socket: Socket, proven: Proven): void {
  if (!way.settle()) return
  const { opening } = way
  request.opened({
    socket,
    address: opening.address,
    localAddress: opening.localAddress,
    protocol: proven.protocol,
    cipher: proven.cipher,
    alpn: proven.alpn,
    resumed: proven.resumed,
    validUntil: proven.validUntil,
    connectMs: opening.connectMs ?? 0,
    handshakeMs: opening.handshakeMs ?? 0,
    opening,
  })
}

const plain: Proven = { protocol: '', cipher: '', alpn: '', resumed: false, validUntil: Number.POSITIVE_INFINITY }

/** Answers every question with the one address that this attempt is for. */
function only({ address, family }: LookupAddress): LookupFunction {
  return (_host, _options, done) => done(null, address, family)
}
