import { createSecretKey, type KeyObject } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, type Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { neededKeyId } from './needed-key.ts'
import { keyBytes } from './sealing.ts'

export interface KeySource {
  /** Of `--state-key`; goes before the environment. */
  readonly file?: string | undefined
  /** Of the process; `POSTERN_STATE_KEY` is read. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** Directory of the state, or a copy of one, that the key is for; where there is one, it needs a certain key. */
  readonly state?: string | undefined
}

const keyVariable = 'POSTERN_STATE_KEY'

const howTo = 'make one: (umask 077; openssl rand -base64 32 > FILE)'

/**
 * The key that secrets of the state are encrypted with: 32 bytes, as base64 or as hex. Throws `state-key-missing`,
 * `state-key-unreadable`, `state-key-exposed`, `state-key-length`; no text of the key is in any of them (I7).
 */
export function readStateKey({ file, env = {}, state }: KeySource): KeyObject {
  if (file !== undefined) return decode(readKeyFile(file, state), file)
  const value = env[keyVariable]
  if (value === undefined || value.trim() === '') {
    throw new PosternError(
      'state-key-missing',
      `private keys are encrypted before they are stored, and there is no key for that: give --state-key FILE or ${keyVariable}; ${whichKey(state)}`,
    )
  }
  return decode(value, keyVariable)
}

/** A key that is made now opens no state that is there already. */
function whichKey(state: string | undefined): string {
  const needed = state === undefined ? null : neededKeyId(state)
  if (needed === null) return howTo
  const id = needed === '' ? 'a key' : `the key with id ${needed}`
  return `${state} was made with ${id}, and a new one will not open it; postern state key --state-key FILE prints the id of a key`
}

function decode(text: string, where: string): KeyObject {
  const trimmed = text.trim()
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[A-Za-z0-9+/_-]*={0,2}$/.test(trimmed)
      ? Buffer.from(trimmed, 'base64')
      : null
  if (bytes?.byteLength === keyBytes) {
    const key = createSecretKey(bytes)
    bytes.fill(0)
    return key
  }
  const found = bytes === null ? 'what is there is neither' : `these are ${bytes.byteLength} bytes`
  throw new PosternError(
    'state-key-length',
    `${where}: ${keyBytes} bytes as base64 or hex are wanted, ${found}; ${howTo}`,
  )
}

/** More than any spelling of a key, with room for line ends. */
const longest = 1_024

function readKeyFile(file: string, state: string | undefined): string {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT'
    throw new PosternError(
      missing ? 'state-key-missing' : 'state-key-unreadable',
      missing
        ? `${file}: there is no such key file; ${whichKey(state)}`
        : `${file}: the key cannot be read: ${messageOf(error)}`,
      { cause: error },
    )
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new PosternError('state-key-unreadable', `${file}: the key must be in a file`)
    expectPrivate(file, stats)
    const bytes = Buffer.alloc(longest)
    const text = bytes.toString('latin1', 0, readSync(fd, bytes))
    bytes.fill(0)
    return text
  } finally {
    closeSync(fd)
  }
}

/**
 * A key that others may read is refused, as ssh does. Except where the one who mounts it decides on its mode and keeps it
 * inside a container: volumes of Kubernetes (a link through `..data`), and secrets of Docker and Podman.
 */
function expectPrivate(file: string, stats: Stats): void {
  if (process.platform === 'win32' || (stats.mode & 0o077) === 0 || isMounted(file)) return
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
  throw new PosternError(
    'state-key-exposed',
    `${file}: other users of this machine may read the key (mode ${mode}); chmod 600 ${file}`,
    { evidence: { file, mode } },
  )
}

function isMounted(file: string): boolean {
  const real = realpathSync(file)
  if (real.startsWith('/run/secrets/')) return true
  try {
    return real === join(realpathSync(join(dirname(file), '..data')), basename(file))
  } catch {
    return false
  }
}
