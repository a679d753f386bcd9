import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'

const blockBytes = 65_536

/**
 * A body of which every block differs from every other: what is lost, repeated or swapped changes its hash. One block is
 * made at a time, so a body of any size costs no memory.
 */
export function bodyStream(bytes: number): Readable {
  let made = 0
  let number = 0
  return new Readable({
    highWaterMark: blockBytes,
    read() {
      if (made >= bytes) {
        this.push(null)
        return
      }
      const block = blockOf(number++).subarray(0, Math.min(blockBytes, bytes - made))
      made += block.length
      this.push(block)
    },
  })
}

/** SHA-256 of `bodyStream(bytes)`. */
export function bodyHash(bytes: number): string {
  const hash = createHash('sha256')
  for (let at = 0, number = 0; at < bytes; at += blockBytes, number++) {
    hash.update(blockOf(number).subarray(0, Math.min(blockBytes, bytes - at)))
  }
  return hash.digest('hex')
}

/** Hash and length of what comes. */
export async function hashOf(stream: AsyncIterable<Buffer>): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { sha256: hash.digest('hex'), bytes }
}

const pattern = Buffer.alloc(
  blockBytes,
  Uint8Array.from({ length: 251 }, (_, i) => (i * 7) & 0xff),
)

function blockOf(number: number): Buffer {
  const block = Buffer.from(pattern)
  for (let at = 0; at < blockBytes; at += 4096) block.writeUInt32LE(number * 16 + at / 4096, at)
  return block
}
