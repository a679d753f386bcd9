import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { loopback, type Opened } from './servers.ts'

/**
 * A listener whose queue of accepted connections is full: the kernel then drops every further SYN, and connecting takes
 * until somebody's timeout, as behind a firewall that drops packets. Node accepts on its own as soon as its event loop
 * turns, so the listener lives in a thread that blocks for good.
 */
export async function openFullBacklog(port: number): Promise<Opened> {
  const worker = new Worker(blockedListener, { eval: true, workerData: { port, host: loopback, backlog } })
  const [bound] = (await once(worker, 'message')) as [number]
  // The kernel keeps one more than asked for. The surplus connects never, and keeps the queue full.
  const fillers = Array.from({ length: backlog + 3 }, () => connect({ host: loopback, port: bound }))
  for (const filler of fillers) filler.on('error', () => {})
  await Promise.all(fillers.slice(0, backlog + 1).map((filler) => connected(filler)))
  return {
    port: bound,
    async settled() {},
    async close() {
      for (const filler of fillers) filler.destroy()
      await worker.terminate()
    },
  }
}

async function connected(socket: Socket): Promise<void> {
  if (socket.connecting) await once(socket, 'connect')
}

const backlog = 1

/** Run by `eval`, since it is all there is to it: listen, say where, and never return to the event loop. */
const blockedListener = `
const { createServer } = require('node:net')
const { parentPort, workerData } = require('node:worker_threads')
const server = createServer()
server.listen(workerData, () => {
  parentPort.postMessage(server.address().port)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
`
