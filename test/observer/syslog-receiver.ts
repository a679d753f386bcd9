import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after } from 'node:test'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'

import type { Outlet } from '../../src/observer/outlet.ts'
import type { ObserverPlan } from '../../src/observer/protocol.ts'
import { openSyslog, type SyslogPlan } from '../../src/observer/syslog.ts'
import type { SyslogLimits } from '../../src/observer/syslog-outage.ts'

const resource: ObserverPlan['resource'] = {
  organization: 'acme',
  environment: 'test',
  region: 'lab',
  hostName: 'gw1.example',
  version: '0',
  instance: 'i',
}

/** Short, so that tests are; the rest as it is. */
const quick: Partial<SyslogLimits> = { backoffMs: [10, 40], settleMs: 40 }

const all: Outlet[] = []
// What a failed test leaves behind would try to connect for good.
after(() => Promise.all(all.map((one) => one.close(0))))

export function outlet(plan: Partial<SyslogPlan>, limits: Partial<SyslogLimits> = {}) {
  const warnings: string[] = []
  const opened = openSyslog(
    {
      kind: 'syslog',
      transport: 'tcp',
      host: '127.0.0.1',
      port: 0,
      facility: 16,
      appName: 'postern',
      tls: null,
      ...plan,
    },
    resource,
    { warn: (code, message) => warnings.push(`${code}: ${message}`), now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) },
    { ...quick, ...limits },
  )
  all.push(opened)
  return {
    warnings,
    outlet: opened,
    write: (...lines: readonly string[]) =>
      opened.write(Buffer.from(lines.map((line) => `${line}\n`).join('')), lines.length),
  }
}

export interface StreamReceiver extends AsyncDisposable {
  readonly port: number
  /** Messages as their lengths part them, of all connections. */
  readonly messages: readonly string[]
  readonly connections: readonly Socket[]
  /** Ends all connections, and takes no other. */
  stop: () => Promise<void>
}

/** A server that reads octet-counted messages; `listen` at a path or port, 0 for any. */
export async function streamReceiver(
  at: number | string = 0,
  tls: TlsOptions | null = null,
  onConnection: (socket: Socket) => void = () => {},
): Promise<StreamReceiver> {
  const messages: string[] = []
  const connections: Socket[] = []
  const take = (socket: Socket) => {
    connections.push(socket)
    let rest: Buffer = Buffer.alloc(0)
    socket.on('error', () => {}) // A client that is refused or goes away is a case of the tests.
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const [head, digits] = /^(\d+) /.exec(rest.toString('latin1', 0, 12)) ?? []
        if (head === undefined || rest.length < head.length + Number(digits)) return
        messages.push(rest.toString('utf8', head.length, head.length + Number(digits)))
        rest = rest.subarray(head.length + Number(digits))
      }
    })
    onConnection(socket)
  }
  const server = tls === null ? createServer(take) : createTlsServer(tls, take)
  server.on('tlsClientError', () => {})
  server.listen(typeof at === 'number' ? { port: at, host: '127.0.0.1' } : { path: at })
  await once(server, 'listening')
  const address = server.address()
  const stop = async () => {
    for (const socket of connections) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  return {
    port: typeof address === 'string' ? 0 : (address as AddressInfo).port,
    messages,
    connections,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

export async function datagramReceiver(port = 0) {
  const socket = createSocket('udp4')
  const messages: string[] = []
  socket.on('message', (message) => messages.push(message.toString()))
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    messages,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(resolve)),
  }
}

export async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return
    await delay(10)
  }
  throw new Error(`did not happen: ${what()}`)
}
