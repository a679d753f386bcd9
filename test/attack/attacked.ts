import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get } from 'node:http'
import { connect, type ClientHttp2Session } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { type ServeProcess, startServe } from '../proxy/serve-process.ts'

/**
 * A gateway in a process of its own, so that its memory can be told from the attacker's. It has a good backend at `/good`
 * and listeners `http` (HTTP/1.1 and h2c), `https` (both), `impatient` (h2c, every timeout 400 ms) and `few` (8 connections).
 */
export interface Attacked extends AsyncDisposable {
  readonly serve: ServeProcess
  readonly port: number
  readonly httpsPort: number
  readonly impatientPort: number
  readonly fewPort: number
  readonly ca: string
}

export interface AttackedOptions {
  /** Further targets by name; each is reached at `/name`. */
  readonly targets?: Readonly<Record<string, object>>
  readonly trustStores?: Readonly<Record<string, object>>
  readonly files?: Readonly<Record<string, string>>
}

export const mebibyte = 1_048_576
/** How long a neighbour waits for one answer. Far more than it ever takes, far less than any timeout of the gateway's. */
export const patienceMs = 8000
/** What memory may grow by for no reason. A leak of a few bytes a frame is beyond it. */
export const slack = 24 * mebibyte
/** How long a connection takes nothing before it counts as stuck. */
const stuckMs = 300
const largeBytes = 8 * mebibyte

export async function startAttacked(options: AttackedOptions = {}): Promise<Attacked> {
  // A young generation that cannot grow: what is left of growth is what is kept.
  process.env['NODE_OPTIONS'] = '--max-semi-space-size=2'
  const root = await createRoot({ commonName: 'Attack Test CA' })
  const outer = await createLeaf(root, { names: ['gateway.test'] })
  const large = Buffer.alloc(largeBytes, 'x')
  const backend = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
    if (request.url?.startsWith('/silent') === true) {
      request.resume()
    } else if (request.url?.startsWith('/unread') === true) {
      request.pause()
    } else {
      request.resume()
      request.on('end', () => response.end(request.url?.startsWith('/large') === true ? large : 'good'))
    }
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`
  const listener = { address: '127.0.0.1', port: 0 }
  const short = '400ms'
  const { targets = {}, trustStores = {}, files = {} } = options
  const serve = await startServe(
    {
      listeners: [
        { ...listener, name: 'http', h2c: true },
        { ...listener, name: 'https', tls: { certificates: [{ certificate: './outer.pem', key: './outer.key' }] } },
        {
          ...listener,
          name: 'impatient',
          h2c: true,
          timeouts: { head: short, bodyIdle: short, keepAlive: short },
        },
        { ...listener, name: 'few', h2c: true, limits: { connections: 8 } },
      ],
      trustStores,
      targets: { good: { url }, ...targets },
      proxies: Object.fromEntries(
        ['good', ...Object.keys(targets)].map((target) => [target, { basePath: `/${target}`, target }]),
      ),
    },
    { files: { 'outer.pem': outer.chainPem, 'outer.key': outer.keyPem, ...files } },
  )
  return {
    serve,
    port: serve.portOf('http'),
    httpsPort: serve.portOf('https'),
    impatientPort: serve.portOf('impatient'),
    fewPort: serve.portOf('few'),
    ca: root.certificatePem,
    async [Symbol.asyncDispose]() {
      await serve[Symbol.asyncDispose]()
      backend.closeAllConnections()
      backend.close()
    },
  }
}

/** What an attack did to the gateway and its other clients. */
export interface Harm {
  /** Bytes that the gateway's memory had grown by when it was largest, after the attack had been made once before. */
  readonly grown: number
  /** The same for that first time, code and caches included. */
  readonly first: number
  /** What is left of `grown` soon after the attack. */
  readonly kept: number
  /** Requests of neighbours, all of which were answered. */
  readonly served: number
}

/**
 * Attacks, while neighbours over HTTP/1.1 and HTTP/2 make request after request. Fails when one of these is not answered.
 * The attack is made twice: what it takes the first time is what code and caches need.
 */
export async function harmOf(attacked: Attacked, attack: () => Promise<void>): Promise<Harm> {
  const residentBytes = (): Promise<number> => attacked.serve.residentBytes()
  let peak = 0
  const measured = (): Promise<number> =>
    neighboured(attacked, attack, async () => {
      peak = Math.max(peak, await residentBytes())
    })
  const cold = await residentBytes()
  await measured()
  const first = peak - cold
  const before = await residentBytes()
  peak = before
  const served = await measured()
  let kept = (await residentBytes()) - before
  // The collector looks when others give it reason to.
  for (let look = 0; look < 20 && kept > slack; look++) {
    await neighboured(attacked, () => sleep(100))
    kept = Math.min(kept, (await residentBytes()) - before)
  }
  return { grown: peak - before, first, kept, served }
}

/** @param most what the attack may take while it lasts */
export function assertBounded({ grown, first, kept, served }: Harm, most = slack): void {
  assert.ok(kept < slack, `${mebibytes(kept)} are kept when it is over`)
  assert.ok(grown < most, `memory grew by ${mebibytes(grown)}`)
  assert.ok(first < most + slack, `memory grew by ${mebibytes(first)} at first`)
  assert.ok(served > 0)
}

function mebibytes(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}

/** Runs `work` beside neighbours. @returns how many requests of theirs were answered */
export async function neighboured(
  attacked: Attacked,
  work: () => Promise<void>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<number> {
  const attack = new AbortController()
  let served = 0
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const session = connect(`https://127.0.0.1:${attacked.httpsPort}`, { ca: attacked.ca, servername: 'gateway.test' })
  session.on('error', () => {})
  const loop = async (one: () => Promise<string>): Promise<void> => {
    do {
      const answer = await Promise.race([one(), sleep(patienceMs, 'no answer', { ref: false })])
      assert.equal(answer, 'good', 'a neighbour')
      served++
      await meanwhile()
      await sleep(5)
    } while (!attack.signal.aborted)
  }
  const neighbours = Promise.all([loop(() => askH1(attacked.port, agent)), loop(() => askH2(session))])
  try {
    await Promise.race([work(), neighbours.then(() => {})])
    attack.abort()
    await neighbours
  } finally {
    attack.abort()
    agent.destroy()
    session.destroy()
    await neighbours.catch(() => {})
  }
  return served
}

function askH1(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/good', agent }, (response) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (piece: string) => (body += piece))
      response.on('end', () => resolve(response.statusCode === 200 ? body : `${response.statusCode} ${body}`))
      response.on('error', (error) => resolve(error.message))
    })
    request.on('error', (error) => resolve(error.message))
  })
}

function askH2(session: ClientHttp2Session): Promise<string> {
  return new Promise((resolve) => {
    let body = ''
    let status = 0
    const stream = session.request({ ':path': '/good' })
    stream.setEncoding('latin1')
    stream.on('response', (headers) => (status = headers[':status'] ?? 0))
    stream.on('data', (piece: string) => (body += piece))
    stream.on('close', () => resolve(status === 200 ? body : `${status} ${body} ${stream.rstCode}`))
    stream.on('error', (error) => resolve(error.message))
  })
}

/**
 * Writes `piece` again and again, as fast as the other side takes it, until it has been written so often or the connection
 * ends. One that takes no more at all counts as ended: that is what backpressure is.
 *
 * @returns how often it was written
 */
export async function pour(socket: Socket, times: number, piece: (turn: number) => Buffer): Promise<number> {
  let turn = 0
  while (turn < times && socket.writable) {
    if (!socket.write(piece(turn++))) {
      if (!(await drains(socket))) break
    } else if (turn % 16 === 0) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return turn
}

function drains(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (drained: boolean): void => {
      clearTimeout(timer)
      socket.off('drain', onDrain)
      socket.off('close', onClose)
      resolve(drained)
    }
    const onDrain = (): void => done(true)
    const onClose = (): void => done(false)
    const timer = setTimeout(onClose, stuckMs)
    socket.on('drain', onDrain)
    socket.on('close', onClose)
  })
}
