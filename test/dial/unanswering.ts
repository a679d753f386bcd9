import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

/** An address whose kernel drops every SYN, as behind a firewall, until it is told to answer. */
export interface Unanswering extends AsyncDisposable {
  readonly port: number
  /** Connections of others that came about. */
  readonly accepted: number
  /** From now on connections are accepted and closed; a SYN that was dropped is repeated by the client's kernel. */
  answer(): void
}

/**
 * A listener with a full queue of accepted connections, in a thread that waits instead of accepting. (As the lab's full
 * backlog, at any address, and it can end.)
 */
export async function startUnanswering(host: string, at = 0): Promise<Unanswering> {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(listener, { eval: true, workerData: { port: at, host, backlog: 1, gate } })
  const [port] = (await once(worker, 'message')) as [number]
  const peers: number[] = []
  worker.on('message', (peer: number) => peers.push(peer))
  const fillers = Array.from({ length: 4 }, () => connect({ host, port }))
  for (const filler of fillers) filler.on('error', () => {})
  await Promise.all(fillers.slice(0, 2).map((filler) => connected(filler)))
  const own = new Set(fillers.map(({ localPort }) => localPort))
  return {
    port,
    get accepted() {
      return peers.filter((peer) => !own.has(peer)).length
    },
    answer() {
      for (const filler of fillers) filler.destroy()
      Atomics.store(gate, 0, 1)
      Atomics.notify(gate, 0)
    },
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy()
      await worker.terminate()
    },
  }
}

async function connected(socket: Socket): Promise<void> {
  if (socket.connecting) await once(socket, 'connect')
}

const listener = `
const { createServer } = require('node:net')
const { parentPort, workerData } = require('node:worker_threads')
const server = createServer((socket) => {
  socket.on('error', () => {})
  parentPort.postMessage(socket.remotePort)
})
server.listen(workerData, () => {
  parentPort.postMessage(server.address().port)
  Atomics.wait(workerData.gate, 0, 0)
})
`
