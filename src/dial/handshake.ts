import { X509Certificate } from 'node:crypto'
import { type ConnectionOptions, connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { LeafFacts } from '../observe/events.ts'
import type { ServerPlan } from '../proxy/plan.ts'
import { namedGroupOf } from '../wire/tls/named-groups.ts'
import { UnreadableLeafError } from './classify.ts'
import { type CrlExplanation, mayBeOfLists, StapleError } from './revocation.ts'
import type { Tap } from './tap.ts'
import { peerOfSession } from './session-peer.ts'
import { keysOf, type SeenLeaf, type TargetTrust } from './target-trust.ts'

/** What both sides have agreed on. */
export interface Agreed {
  readonly protocol: string
  readonly cipher: string
  readonly alpn: string
  readonly resumed: boolean
}

/** What a handshake has proven. */
export interface Proven extends Agreed {
  readonly validUntil: number
}

export interface HandshakeOutcome {
  presented(leaf: LeafFacts): void
  /** Chain and name have been verified (I1). */
  proven(what: Proven): void
  /** The last gate refused what the runtime let pass. Failures of the runtime come as errors of the socket. */
  unproven(why: Error): void
}

/** One TLS connection of a dial, from the socket to the judgement. */
export class Handshake {
  readonly socket: TLSSocket
  /** null: the handshake is not done. */
  agreed: Agreed | null = null
  /** The key exchange group of a handshake that was refused, for evidence: its socket soon knows nothing any more. */
  group = ''
  readonly #trust: TargetTrust
  readonly #kept: ReturnType<TargetTrust['session']>
  /** DER of what the peer has presented, leaf first, where the chain was verified. */
  #verified: readonly Buffer[] = []
  /** The same as the runtime has it, where it was asked for. */
  #captured: X509Certificate | null = null
  /** With what stands above it. */
  #wholeCaptured = false
  /** The leaf as our reader has it; an error where it is malformed, undefined where there is none. */
  #seen: SeenLeaf | UnreadableLeafError | undefined
  #keepUntil = 0
  /** What the backend stapled to its certificate; null: nothing. */
  #staple: Buffer | null = null
  #stapleUntil = Number.POSITIVE_INFINITY
  readonly #needsStaple: boolean
  readonly #resumes: boolean
  #presented: HandshakeOutcome['presented'] = () => {}

  /**
   * `over` says what it runs on: an address to connect to, or a socket that is connected. With a tap it is a full handshake
   * that asks for a stapled OCSP response, and leaves no session behind: a resumed one shows no certificate.
   */
  constructor(
    server: ServerPlan,
    trust: TargetTrust,
    over: Pick<ConnectionOptions, 'socket' | 'port' | 'lookup'> & { onread?: object },
    tap?: Tap,
  ) {
    const { plan } = trust
    this.#trust = trust
    this.#needsStaple = plan.revocation.mode === 'staple-required'
    // A resumed session shows no staple.
    this.#resumes = plan.resumption && tap === undefined && !this.#needsStaple
    this.#kept = this.#resumes ? trust.session(Date.now()) : null
    const options: ConnectionOptions & { autoSelectFamily: boolean; noDelay: boolean } = {
      ...over,
      // The server's even where it is not whom we connect to: the runtime takes a session for this name only.
      host: server.host,
      secureContext: trust.context,
      // Written out although it is the default: NODE_TLS_REJECT_UNAUTHORIZED=0 acts wherever it is left out. (I1)
      rejectUnauthorized: !trust.skips('chain', Date.now()),
      // Called once the chain has been verified, and not for a resumed session.
      checkServerIdentity: (_host, leaf) => {
        // What was captured is gone from the runtime's own object.
        this.#verified = trust.sharedChain(this.#captured === null ? chainOf(leaf) : rawPath(this.#captured))
        // I1: the names are those of the certificate that the runtime has verified, wherever it was first seen.
        const [verified] = this.#verified
        this.#seen = verified === undefined ? undefined : readLeaf(trust, verified)
        const fault = this.#nameFault()
        if (fault !== undefined) this.group = groupOf(this.socket)
        return fault
      },
      ALPNProtocols: trust.alpn,
      autoSelectFamily: false,
      noDelay: true,
    }
    if (plan.serverName !== null) options.servername = plan.serverName
    if (this.#kept !== null) options.session = this.#kept.session
    if (tap !== undefined || this.#needsStaple) options.requestOCSP = true
    this.socket = connectTls(options)
    tap?.follow(this.socket)
  }

  /** To be called before the peer can have answered. */
  follow(outcome: HandshakeOutcome): void {
    const { socket } = this
    const trust = this.#trust
    // Without a listener from the start the runtime does not ask OpenSSL for sessions, and those of TLS 1.2 are missed. It
    // emits none before 'secureConnect', and none of a connection that was refused there.
    if (this.#resumes) {
      socket.on('session', (session) => {
        if (this.#keepUntil > 0) trust.keepSession(session, this.#keepUntil)
      })
    }
    // Told before 'secureConnect', in every version of TLS, and where nothing was stapled too.
    if (this.#needsStaple) socket.on('OCSPResponse', (response: Buffer | null) => (this.#staple = response ?? null))
    this.#presented = (leaf) => outcome.presented(leaf)
    // The runtime drops the peer's certificate before it emits the failure. 'secure' comes first: handshake done, the failure
    // not told yet. Evidence only; whether the connection may be used is decided by 'secureConnect' and the checks below.
    socket.prependListener('secure', () => {
      this.agreed = agreedOn(socket)
      if (!this.agreed.resumed) this.#look()
    })
    socket.once('secureConnect', () => {
      const why = this.#unproven()
      if (why !== null) {
        this.group = groupOf(socket)
        outcome.unproven(why)
        return
      }
      this.#keepUntil = this.#validUntil()
      outcome.proven({ ...(this.agreed ?? agreedOn(socket)), validUntil: this.#keepUntil })
    })
  }

  /** What the runtime has of the path, leaf first: as served, which is not all that was verified. */
  path(): readonly X509Certificate[] {
    return this.#chain().map((der) => new X509Certificate(der))
  }

  /**
   * The same as DER, without what the runtime has added from the store. That is told by the chain that was captured when the
   * leaf was first seen: to capture this one again would lose memory for good (docs/decisions/0008).
   */
  served(): readonly Buffer[] {
    const chain = this.#chain()
    if (this.#captured !== null) return chain
    const known = this.#seen === undefined || this.#seen instanceof UnreadableLeafError ? [] : this.#seen.served
    const ends = this.#trust.pathEnds()
    return chain.filter((der, at) => at === 0 || !ends.holds(der) || known.some((each) => each.equals(der)))
  }

  #chain(): readonly Buffer[] {
    return this.#verified.length > 0 || this.#captured === null ? this.#verified : rawPath(this.#captured)
  }

  /** What the target's lists have to do with the failure of this handshake. */
  explain(thrown: unknown): CrlExplanation {
    if (this.#trust.plan.revocation.mode !== 'crl' || !mayBeOfLists(thrown)) return null
    const served = this.path().map(({ raw }) => raw)
    return this.#trust.explainLists(served, this.#wholeCaptured, Date.now())
  }

  /**
   * docs/decisions/0008: capturing the chain loses memory for good, and without it the runtime makes an object of every
   * certificate of a verified chain, which ends the process where a key is on a curve that it does not expect. So it is
   * captured once for a leaf, each time where such a key was found, and now and then for failures. (I10)
   */
  #look(): void {
    const { socket } = this
    const trust = this.#trust
    const leaf = peerOfSession(socket.getSession())
    if (leaf !== null) this.#see(leaf)
    const refused = mayBeRefused(socket)
    const seen = this.#seen instanceof UnreadableLeafError ? undefined : this.#seen
    if (refused) this.group = groupOf(socket)
    const captures = leaf === null || (refused ? trust.mayCapture(performance.now()) : seen?.keys !== 'usual')
    this.#wholeCaptured = captures
    if (captures) this.#captured = socket.getPeerX509Certificate() ?? null
    else if (refused) this.#captured = certificateOf(leaf)
    if (this.#captured === null) return
    this.#see(this.#captured.raw)
    if (!captures || seen === undefined) return
    seen.served = rawPath(this.#captured)
    seen.keys = keysOf(seen.served)
  }

  /** The last gate before a connection is handed out: what is still unproven, or null. */
  #unproven(): Error | null {
    const { socket } = this
    // I1: with a chain exception the runtime does not check the name; without one it has, or we would not be here.
    const chainSkipped = this.#trust.skips('chain', Date.now())
    if (!chainSkipped && !socket.authorized) return new Error(`not authorized: ${String(socket.authorizationError)}`)
    // A resumed session carries no certificate; it comes from a connection of this snapshot that passed these checks (I2).
    if (socket.isSessionReused()) return null
    if (this.#seen === undefined) return new Error('the peer presented no certificate')
    // Where the chain is excepted the runtime does not come to the name; asked here in every case, as it costs nothing.
    return this.#nameFault() ?? (this.#needsStaple && !chainSkipped ? this.#stapleFault() : null)
  }

  /** I1: nothing is sent before the issuer has said that the leaf is not revoked, now. */
  #stapleFault(): Error | null {
    if (this.#seen === undefined || this.#seen instanceof UnreadableLeafError) return new UnreadableLeafError('no leaf')
    const { certificate } = this.#seen
    const check = this.#trust.stapleCheck(this.#staple, certificate, this.#verified, Date.now())
    if (check.state !== 'good') return new StapleError(check, certificate)
    this.#stapleUntil = check.until
    return null
  }

  #see(der: Buffer | undefined): void {
    if (der === undefined || this.#seen !== undefined) return
    this.#seen = readLeaf(this.#trust, der)
    if (!(this.#seen instanceof UnreadableLeafError)) this.#presented(this.#seen.facts)
  }

  #nameFault(): Error | undefined {
    if (this.#trust.skips('name', Date.now())) return undefined
    if (this.#seen === undefined) return new UnreadableLeafError('the peer presented none')
    return this.#seen instanceof UnreadableLeafError ? this.#seen : this.#trust.identityFault(this.#seen)
  }

  #validUntil(): number {
    if (this.#kept !== null && this.socket.isSessionReused()) return this.#kept.validUntil
    const now = Date.now()
    return Math.min(
      this.#trust.exceptionEnd(now),
      this.#stapleUntil,
      this.#trust.skips('chain', now) ? Number.POSITIVE_INFINITY : this.#trust.pathEnd(this.#verified, now),
    )
  }
}

/** '' where the runtime does not know: of a closed connection, of RSA's key exchange, and of groups newer than itself. */
export function groupOf(socket: TLSSocket): string {
  const info = socket.destroyed ? null : socket.getEphemeralKeyInfo()
  return info !== null && 'name' in info && typeof info.name === 'string' ? namedGroupOf(info.name) : ''
}

function agreedOn(socket: TLSSocket): Agreed {
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().standardName,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    resumed: socket.isSessionReused(),
  }
}

function readLeaf(trust: TargetTrust, der: Buffer): SeenLeaf | UnreadableLeafError {
  try {
    return trust.leaf(der)
  } catch (error) {
    return new UnreadableLeafError(error)
  }
}

/** null where the runtime cannot read what it has itself written: evidence, and no reason to fail in another way. */
function certificateOf(der: Buffer): X509Certificate | null {
  try {
    return new X509Certificate(der)
  } catch {
    return null
  }
}

/** More are not looked at: a chain ends in itself, and OpenSSL follows no more than a hundred. (I10) */
const maxPath = 16

/** The same from the form that the runtime captures. */
function rawPath(leaf: X509Certificate): readonly Buffer[] {
  const path: Buffer[] = []
  let at: X509Certificate | undefined = leaf
  while (at !== undefined && path.length < maxPath) {
    path.push(at.raw)
    if (at.issuerCertificate === undefined || at.issuerCertificate.fingerprint256 === at.fingerprint256) break
    at = at.issuerCertificate
  }
  return path
}

/** DER of the leaf and of what the runtime has above it. */
function chainOf(leaf: PeerCertificate): readonly Buffer[] {
  const chain: Buffer[] = []
  const seen = new Set<object>()
  let at: Partial<PeerCertificate> | undefined = leaf
  while (at?.raw !== undefined && !seen.has(at) && chain.length < maxPath) {
    seen.add(at)
    chain.push(at.raw)
    at = 'issuerCertificate' in at ? (at.issuerCertificate as Partial<PeerCertificate> | undefined) : undefined
  }
  return chain
}

/**
 * What OpenSSL has made of the chain, where the runtime lets it be asked before it tells: false, and its own check of the name
 * follows. Where it does not any more, every handshake is taken for one that may fail, which costs memory and no safety.
 */
function mayBeRefused(socket: TLSSocket): boolean {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle !== 'object' || handle === null || !('verifyError' in handle)) return true
  const { verifyError } = handle
  return typeof verifyError !== 'function' || Reflect.apply(verifyError, handle, []) !== null
}
