import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { ErrorWithHeaders } from '../error-answer.ts'
import { ApiError } from '../api.ts'

/** 32 MiB and about a tenth of a second; each hash carries what it was made with. */
const cost = { N: 2 ** 15, r: 8, p: 1 }
const hashBytes = 32
const saltBytes = 16
/** Each takes a thread of the pool that files and names are read with, and its memory (I10). */
const mostAtOnce = 2
const mostWaiting = 64

export const passwordLength = { least: 8, most: 1024 }

/** Throws 400 `bad-password`. */
export function checkNewPassword(password: unknown): string {
  const { least, most } = passwordLength
  if (typeof password === 'string' && password.length >= least && password.length <= most) return password
  throw new ApiError(400, 'bad-password', `a password has ${least} to ${most} characters`)
}

/** `scrypt$N$r$p$salt$hash`, base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const hash = await derive(password, salt, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** Takes as long for no user (null) as for one. */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const parts = (stored ?? nobody).split('$')
  const [N, r, p] = parts.slice(1, 4).map(Number) as [number, number, number]
  const expected = Buffer.from(parts[5] ?? '', 'base64url')
  const hash = await derive(password, Buffer.from(parts[4] ?? '', 'base64url'), { N, r, p })
  return expected.length === hash.length && timingSafeEqual(expected, hash) && stored !== null
}

const nobody = ['scrypt', cost.N, cost.r, cost.p, 'A'.repeat(22), 'A'.repeat(43)].join('$')

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, { N, r, p }: typeof cost): Promise<Buffer> {
  if (running < mostAtOnce) running++
  else {
    if (waiting.length >= mostWaiting) {
      throw new ErrorWithHeaders(503, 'busy', 'too many logins are under way', { 'retry-after': '1' })
    }
    // Whoever ends hands his place over.
    await new Promise<void>((resolve) => waiting.push(resolve))
  }
  try {
    return await new Promise((resolve, reject) => {
      const options = { N, r, p, maxmem: 256 * N * r }
      scrypt(password.normalize('NFC').slice(0, passwordLength.most), salt, hashBytes, options, (error, key) =>
        error === null ? resolve(key) : reject(error),
      )
    })
  } finally {
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}
