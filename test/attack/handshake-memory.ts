import { once } from 'node:events'
import { dial } from '../../src/dial/dial.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { serverPlan, tlsPlan } from '../dial/dial-once.ts'

/** Child of handshake-memory.test.ts: dials again and again, and reports by how much the process has grown for each dial. */

interface Task {
  readonly port: number
  readonly anchor: string
  readonly refused: boolean
}

const rounds = 10
const atOnce = 500

const [{ port, anchor, refused }] = (await once(process, 'message')) as [Task]
const tls = tlsPlan(anchor, 'memory.test')
const server = serverPlan({ port, tls })
const trust = new TargetTrust(tls)
const resolver = new Resolver()
const sizes: number[] = []
for (let round = 0; round < rounds; round++) {
  for (let count = 0; count < atOnce; count++) await one()
  await settled()
  sizes.push(process.memoryUsage.rss())
}
resolver.close()

// The first half is for the compiler and the pools of the allocator; the median of the rest, as pages come and go in lumps.
const late = sizes.slice(rounds / 2)
const slopes = late.slice(1).map((size, index) => (size - (late[index] as number)) / atOnce)
process.send?.({ bytesEach: slopes.toSorted((one, other) => one - other)[slopes.length >> 1] })

function one(): Promise<void> {
  return new Promise((resolve, reject) => {
    dial({
      server,
      trust,
      resolver,
      onread: { buffer: Buffer.alloc(4096), callback: () => true },
      observer: { resolving() {}, offering() {}, presented() {} },
      opened({ socket }) {
        socket.once('close', () => resolve())
        socket.destroy()
        if (refused) reject(new Error('was not refused'))
      },
      failed: ({ summary }) => (refused ? resolve() : reject(new Error(summary))),
    })
  })
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}
