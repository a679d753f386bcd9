import { createServer, type AddressInfo, type ListenOptions, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, Server as TlsServer, TLSSocket } from 'node:tls'
import { PosternError, messageOf, codeOf } from '../core/errors.ts'
import { createForwardedPolicies, type ForwardedPolicy } from './forwarded.ts'
import type { Generation, ProxyRuntime } from './generation.ts'
import { H1Client } from './h1-client.ts'
import { acceptH2 } from './h2-client.ts'
import { type Protocol, UndecidedClient } from './h2-preface.ts'
import { ClientTrust } from './client-trust.ts'
import { createServerContexts, defaultContext, type ServerContexts, useClientAnchors } from './listener-tls.ts'
import type { ListenerPlan, ListenerTlsPlan } from './plan.ts'
import type { Router } from './router.ts'
import type { WorkerRuntime } from './runtime.ts'

/** One connection of a client, whatever it speaks. */
export interface ListenerClient {
  /** No request is under way and none has begun to arrive. */
  readonly idle: boolean
  /** Ends an idle connection; a busy one after what is under way. */
  drain(): void
  destroy(): void
}

/** Changes of these open another socket; anything else is applied to the running one. */
export function listenerKey(plan: ListenerPlan): string {
  return `${plan.name} ${plan.address} ${plan.port} ${plan.tls === null ? 'http' : 'https'}`
}

/** One open listener of one worker, and the clients that came in through it. */
export class ListenerRuntime {
  readonly key: string
  readonly clients = new Set<ListenerClient>()
  plan: ListenerPlan
  forwarded: (address: string, tls: boolean) => ForwardedPolicy
  readonly #runtime: WorkerRuntime
  readonly #server: Server
  #contexts: ServerContexts | null
  readonly #clientTrust = new ClientTrust()
  #closing = false
  /** Router of `#routedBy`: found once in a generation, not for every request. */
  #router: Router<ProxyRuntime> | null = null
  #routedBy: Generation | null = null
  /** Came in after the port was opened and before its generation was in force; null from then on. */
  #early: Socket[] | null = []

  constructor(plan: ListenerPlan, runtime: WorkerRuntime, ticketKeys: Buffer) {
    this.plan = plan
    this.key = listenerKey(plan)
    this.forwarded = createForwardedPolicies(plan.forwarded)
    this.#runtime = runtime
    this.#contexts = plan.tls === null ? null : createServerContexts(plan.tls)
    this.#server =
      plan.tls === null
        ? createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => this.#accept(socket))
        : this.#tlsServer(plan.tls, plan.timeouts.handshakeMs, ticketKeys)
  }

  /**
   * Listens; several workers share one port, and the kernel spreads connections over them (SO_REUSEPORT).
   *
   * @param first no other worker of this gateway has the port yet: then nobody else may have it either
   */
  async open(port: number, first: boolean): Promise<number> {
    const { address, name } = this.plan
    try {
      // SO_REUSEPORT would let another gateway of this user, with whatever trust it has, share the port without a word.
      if (first && port !== 0) await listen(createServer(), { host: address, port }, true)
      await listen(this.#server, { host: address, port, reusePort: true, backlog: 4096 }, false)
    } catch (error) {
      throw new PosternError(
        'listener-failed',
        `listener "${name}" cannot listen on ${address}:${port}: ${messageOf(error)}`,
        { evidence: { listener: name, address, port, runtimeCode: codeOf(error) }, cause: error },
      )
    }
    this.#server.on('error', () => {}) // accept errors (EMFILE) pass; the listener stays open
    return (this.#server.address() as AddressInfo).port
  }

  /** Prepares the certificates of a changed plan; throws when the runtime refuses them. */
  prepare(plan: ListenerPlan): () => void {
    const contexts = plan.tls === null ? null : createServerContexts(plan.tls)
    const forwarded = createForwardedPolicies(plan.forwarded)
    return () => {
      this.plan = plan
      this.forwarded = forwarded
      this.#contexts = contexts
      if (plan.tls !== null && this.#server instanceof TlsServer) {
        this.#server.setSecureContext(defaultContext(plan.tls))
        useClientAnchors(this.#server, plan.tls)
        this.#server.maxConnections = plan.limits.connections
        // Who came in under other anchors is not served on: the next connection is judged by those of today.
        if (this.#clientTrust.change(plan.tls.clientAnchors)) for (const client of this.clients) client.drain()
      }
    }
  }

  /** Where the requests that come in here find their proxy. */
  routerOf(generation: Generation): Router<ProxyRuntime> {
    if (this.#router === null || this.#routedBy !== generation) {
      this.#routedBy = generation
      this.#router = generation.routers.of(this.plan.name)
    }
    return this.#router
  }

  /** Its generation is in force: serves those who have come, and whoever comes. */
  admit(): void {
    const early = this.#early
    this.#early = null
    for (const socket of early ?? []) this.#accept(socket)
  }

  /** Accepts no more; idle clients are closed, busy ones after their response. */
  drain(): void {
    this.#closing = true
    this.#server.close()
    for (const client of this.clients) client.drain()
  }

  /** Ends every connection now. */
  close(): void {
    this.#server.close()
    for (const socket of this.#early ?? []) socket.destroy()
    for (const client of this.clients) client.destroy()
  }

  #tlsServer(tls: ListenerTlsPlan, handshakeMs: number, ticketKeys: Buffer): Server {
    const server = createTlsServer(
      {
        ...defaultContext(tls),
        // Asked at every handshake, as the plan may have changed. Undefined: the client is refused (RFC 7301 section 3.2).
        ALPNCallback: ({ protocols }) => this.plan.tls?.alpn.find((name) => protocols.includes(name)),
        allowHalfOpen: true,
        noDelay: true,
        handshakeTimeout: handshakeMs,
        // One set for all workers: a client's next connection may reach another one.
        ticketKeys,
        SNICallback: (name, done) => done(null, this.#contexts?.find(name)),
      },
      (socket) => this.#accept(socket),
    )
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    useClientAnchors(server, tls)
    this.#clientTrust.change(tls.clientAnchors)
    server.on('connection', (socket) => this.#clientTrust.begins(socket))
    // Handshakes under way count as well. (I10) A plain listener's sockets hand over their handles and would leave the count.
    server.maxConnections = this.plan.limits.connections
    return server
  }

  #accept(socket: Socket): void {
    // A TLS handshake that was under way when the listener was closed still ends up here.
    const full = this.clients.size + (this.#early?.length ?? 0) >= this.plan.limits.connections // I10
    const refused = socket instanceof TLSSocket && !this.#clientTrust.admits(socket)
    if (full || refused || this.#closing || this.#runtime.draining || socket.destroyed) {
      socket.destroy()
      return
    }
    if (this.#early !== null) {
      // The kernel gives a listening worker its share at once: a replacement that refused it would be felt by clients.
      socket.on('error', () => socket.destroy())
      this.#early.push(socket)
      return
    }
    this.#runtime.generation.metrics.clientOpened()
    if (this.plan.h2c && !(socket instanceof TLSSocket)) {
      const decided = (protocol: Protocol, it: Socket): void => this.#serve(protocol, it)
      this.clients.add(new UndecidedClient(this.#runtime, this, socket, decided))
    } else {
      // A client that offers no protocol gets the one that needs no offer.
      const h2 = socket instanceof TLSSocket && socket.alpnProtocol === 'h2'
      this.#serve(h2 ? 'h2' : 'http/1.1', socket)
    }
  }

  #serve(protocol: Protocol, socket: Socket): void {
    this.clients.add(
      protocol === 'h2' ? acceptH2(this.#runtime, this, socket) : new H1Client(this.#runtime, this, socket),
    )
  }
}

/** Listens; `only` to see whether it can, and ends again. */
async function listen(server: Server, options: ListenOptions, only: boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, () => {
      server.off('error', reject)
      if (only) server.close(() => resolve())
      else resolve()
    })
  })
}
