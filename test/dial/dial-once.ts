import type { Socket } from 'node:net'
import { type Dialed, type DialHandle, dial } from '../../src/dial/dial.ts'
import type { Opening } from '../../src/dial/opening.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import type { Tap } from '../../src/dial/tap.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import type { Fault } from '../../src/faults/fault.ts'
import type { ServerPlan, TargetTlsPlan } from '../../src/proxy/plan.ts'
import { serverPlan as shortPlan } from '../support/server-plan.ts'

/** A plan for one server with long times; plain HTTP at 127.0.0.1 unless told otherwise. */
export function serverPlan(change: Partial<ServerPlan> & Pick<ServerPlan, 'port'>): ServerPlan {
  const plan = shortPlan({ tls: null, ...change })
  return { ...plan, timeouts: { ...plan.timeouts, connectMs: 5000, handshakeMs: 5000, ...change.timeouts } }
}

export function tlsPlan(anchorPem: string, name: string, change: Partial<TargetTlsPlan> = {}): TargetTlsPlan {
  return {
    snapshotId: '0',
    anchors: [anchorPem],
    intermediates: [],
    partialChain: false,
    serverName: name,
    verifyNames: [name],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    alpn: ['http/1.1'],
    clientCertificate: null,
    skipChain: false,
    skipName: false,
    exceptions: [],
    resumption: false,
    revocation: { mode: 'off' },
    onTrustChange: 'drain',
    ...change,
  }
}

/** What came of a dial, and what arrives on it. */
export interface Outcome {
  readonly dialed: Dialed | null
  readonly fault: Fault | null
  readonly opening: Opening
  readonly reads: Reads
}

/** Reads of a connection as its owner gets them. */
export class Reads {
  readonly buffer: Buffer
  text = ''
  /** Sizes of the pieces. */
  readonly lengths: number[] = []
  /** What the next read answers. */
  more = true
  #look: (() => void) | null = null

  constructor(size: number) {
    this.buffer = Buffer.alloc(size)
  }

  readonly callback = (length: number, buffer: Uint8Array): boolean => {
    if (buffer !== this.buffer) throw new Error('not the buffer that was given')
    this.lengths.push(length)
    this.text += this.buffer.toString('latin1', 0, length)
    this.#look?.()
    return this.more
  }

  /** Waits until what came holds for `enough`. */
  async until(enough: (text: string) => boolean): Promise<string> {
    while (!enough(this.text)) await new Promise<void>((resolve) => (this.#look = resolve))
    return this.text
  }
}

export interface DialOptions {
  readonly resolver?: Resolver
  readonly trust?: TargetTrust
  /** Size of the read buffer. */
  readonly size?: number
  /** What the first read answers. */
  readonly more?: boolean
  /** Names of the steps that the observer was told. */
  readonly told?: string[]
  readonly tap?: Tap
  /** The handle, for a test that gives up. */
  readonly handle?: (handle: DialHandle) => void
}

/** Dials once; the socket is the caller's to destroy. */
export async function dialOnce(server: ServerPlan, options: DialOptions = {}): Promise<Outcome> {
  const { told = [], trust = server.tls === null ? null : new TargetTrust(server.tls) } = options
  const resolver = options.resolver ?? new Resolver()
  const reads = new Reads(options.size ?? 65_536)
  reads.more = options.more ?? true
  return new Promise((resolve) => {
    let returned = false
    const settle = (dialed: Dialed | null, fault: Fault | null, opening: Opening): void => {
      if (!returned) throw new Error('called back before dial had returned')
      if (options.resolver === undefined) resolver.close()
      resolve({ dialed, fault, opening, reads })
    }
    const handle = dial({
      server,
      trust,
      resolver,
      onread: { buffer: reads.buffer, callback: reads.callback },
      observer: {
        resolving: (host) => told.push(`resolving ${host}`),
        offering: (range) => told.push(`offering ${range.join(' ')}`),
        presented: (leaf) => told.push(`presented ${leaf.subject}`),
      },
      ...(options.tap === undefined ? {} : { tap: options.tap }),
      opened: (dialed) => settle(dialed, null, dialed.opening),
      failed: (fault, opening) => settle(null, fault, opening),
    })
    returned = true
    options.handle?.(handle)
  })
}

/** Dials and closes. @returns `IP:port` for a connection, otherwise the verdict */
export async function outcomeOf(server: ServerPlan, options: DialOptions = {}): Promise<string> {
  const { dialed, fault } = await dialOnce(server, options)
  if (dialed === null) return fault?.verdict ?? 'no verdict'
  await closed(dialed.socket)
  return dialed.address
}

export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.destroy()
  })
}
