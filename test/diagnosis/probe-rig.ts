import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { Resolver } from '../../src/dial/resolver.ts'
import { tlsPlan as plainTlsPlan } from '../dial/dial-once.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { handshakeVerdict, type HandshakeVerdict } from '../../src/diagnosis/handshake-verdict.ts'
import { probe } from '../../src/diagnosis/probe.ts'
import type { Probe } from '../../src/diagnosis/types.ts'
import { createIntermediate, createLeaf, createRoot } from '../../src/pki/make.ts'
import type { ServerPlan, TargetTlsPlan } from '../../src/proxy/plan.ts'
import { serverPlan } from '../support/server-plan.ts'

export const name = 'a.internal'
export const root = await createRoot({ commonName: 'Root' })
export const issuing = await createIntermediate(root, { commonName: 'Issuing' })
export const leaf = await createLeaf(issuing, { names: [name] })
export const identity = { cert: leaf.chainPem, key: leaf.keyPem }
export const clientRoot = await createRoot({ commonName: 'Client Root', organization: 'Partners' })
export const client = await createLeaf(clientRoot, { names: ['client'], purposes: ['clientAuth'] })
const strangerRoot = await createRoot({ commonName: 'Stranger Root' })
export const stranger = await createLeaf(strangerRoot, { names: ['stranger'], purposes: ['clientAuth'] })

export interface Listening extends AsyncDisposable {
  readonly port: number
  /** Bytes of application data that clients sent. */
  readonly requestBytes: number
  /** TCP connections so far. */
  readonly connections: number
  /** Of these, how many are open. */
  readonly open: number
}

/** A TLS server with `a.internal`'s certificate unless told otherwise. */
export async function tlsServer(
  options: TlsOptions = {},
  session: (socket: TLSSocket) => void = () => {},
  prepare: (server: ReturnType<typeof createTlsServer>) => void = () => {},
): Promise<Listening> {
  let requestBytes = 0
  const server = createTlsServer({ ...identity, ...options }, (socket) => {
    socket.on('data', (bytes: Buffer) => (requestBytes += bytes.length))
    socket.on('error', () => socket.destroy())
    session(socket)
  })
  server.on('tlsClientError', () => {}) // clients that are refused are what this is about
  prepare(server)
  return listening(server, () => requestBytes)
}

/** A server that speaks for itself on the bare connection. */
export function rawServer(accepted: (socket: Socket) => void): Promise<Listening> {
  return listening(createServer(accepted), () => 0)
}

async function listening(server: Server, requestBytes: () => number): Promise<Listening> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get requestBytes() {
      return requestBytes()
    },
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

export function tlsPlan(change: Partial<TargetTlsPlan> = {}): TargetTlsPlan {
  return plainTlsPlan(root.certificatePem, name, change)
}

export interface Options {
  readonly tls?: Partial<TargetTlsPlan>
  readonly server?: Partial<ServerPlan>
  readonly budget?: number
  readonly settle?: boolean
  readonly signal?: AbortSignal
}

export async function probeOf(port: number, options: Options = {}): Promise<Probe> {
  const tls = tlsPlan(options.tls)
  const { server: _, tls: __, ...rest } = options
  const resolver = new Resolver()
  try {
    return await probe({ server: planOf(port, options), trust: new TargetTrust(tls), resolver, ...rest })
  } finally {
    resolver.close()
  }
}

/** What the probe of a server that fails says of it. */
export async function verdictOf(port: number, options: Options = {}): Promise<HandshakeVerdict & { probe: Probe }> {
  const seen = await probeOf(port, options)
  const { fault, ...rest } = seen
  if (fault === null) throw new Error('the probe found no fault')
  return { ...handshakeVerdict({ ...rest, fault }, planOf(port, options)), probe: seen }
}

function planOf(port: number, { tls, server }: Options): ServerPlan {
  const plan = serverPlan({ port, tls: tlsPlan(tls) })
  return { ...plan, timeouts: { ...plan.timeouts, connectMs: 2000, handshakeMs: 2000 }, ...server }
}
