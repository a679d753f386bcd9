import { connect, createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from './children.ts'

/** Ports nobody listens on now. NGINX and the others cannot be told to choose one and say which. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    ports.push((server.address() as AddressInfo).port)
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  return ports
}

/** Resolves when something accepts connections on the port; throws with the child's last words when it dies instead. */
export async function waitForPort(port: number, child: Child, signal: AbortSignal, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    signal.throwIfAborted()
    if (child.hasExited()) throw new Error(`it ended before it listened: ${child.outputTail()}`)
    if (await accepts(port)) return
    await sleep(40, undefined, { signal })
  }
  throw new Error(`it did not listen on port ${port} within ${timeoutMs} ms: ${child.outputTail()}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
