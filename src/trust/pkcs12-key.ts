import { hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

/** What a key is derived for, RFC 7292 appendix B.3. */
export const keyPurpose = { key: 1, iv: 2, mac: 3 } as const

/**
 * The key derivation of PKCS#12, RFC 7292 appendix B.2: older than PBKDF2, and still what protects the MAC of nearly every
 * file. Lets others run in between: a file may ask for many rounds.
 */
export async function deriveKey(
  digest: string,
  secret: Buffer,
  salt: Buffer,
  iterations: number,
  purpose: number,
  length: number,
): Promise<Buffer> {
  const blockSize = wideBlocks.has(digest) ? 128 : 64
  const block = Buffer.concat([fill(salt, blockSize), fill(secret, blockSize)])
  const diversifier = Buffer.alloc(blockSize, purpose)
  const made: Buffer[] = []
  let size = 0
  while (size < length) {
    let key = hash(digest, Buffer.concat([diversifier, block]), 'buffer')
    for (let round = 1; round < iterations; round++) {
      key = hash(digest, key, 'buffer')
      if (round % roundsAtOnce === 0) await setImmediate()
    }
    made.push(key)
    size += key.length
    addToEachBlock(block, fill(key, blockSize), blockSize)
  }
  return Buffer.concat(made).subarray(0, length)
}

const wideBlocks: ReadonlySet<string> = new Set(['sha384', 'sha512', 'sha512-224', 'sha512-256'])

/** Some ten milliseconds. */
const roundsAtOnce = 10_000

/**
 * The password as RFC 7292 appendix B.1 wants it: UTF-16 with a terminator. For "no password" some writers use the
 * terminator alone and some nothing at all, so both have to be tried.
 */
export function passwordForms(password: string): readonly Buffer[] {
  const terminated = Buffer.from(`${password}\0`, 'utf16le').swap16()
  return password === '' ? [terminated, Buffer.alloc(0)] : [terminated]
}

/** Repeats `bytes` up to a multiple of the block; nothing stays nothing. */
function fill(bytes: Buffer, blockSize: number): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0)
  return Buffer.alloc(Math.ceil(bytes.length / blockSize) * blockSize, bytes)
}

/** Every block of `target` becomes (itself + `addend` + 1) modulo its size. */
function addToEachBlock(target: Buffer, addend: Buffer, blockSize: number): void {
  for (let start = 0; start < target.length; start += blockSize) {
    let carry = 1
    for (let i = blockSize - 1; i >= 0; i--) {
      carry += (target[start + i] as number) + (addend[i] as number)
      target[start + i] = carry & 0xff
      carry >>= 8
    }
  }
}
