import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'

/**
 * Replaces a file in one step: whoever reads it sees the old bytes or the new ones. Mode and owner stay. A link is followed,
 * and its target replaced. Throws `file-changed` where somebody else has written it since it was read.
 */
export async function replaceFile(path: string, text: string, expected: Buffer): Promise<void> {
  await withReason(path, async () => {
    const real = realpathSync(path)
    const { mode, uid, gid } = statSync(real)
    await withFileBeside(real, text, mode & 0o7777, (temporary) => {
      const now = statSync(temporary)
      if (now.uid !== uid || now.gid !== gid) chownSync(temporary, uid, gid)
      if (!readFileSync(real).equals(expected)) {
        throw new PosternError('file-changed', `${path} was changed by somebody else in the meantime; run it again`)
      }
      renameSync(temporary, real)
    })
  })
}

/** Makes a file that was not there, in one step. Throws `file-exists` where it is. */
export async function createFile(path: string, text: string): Promise<void> {
  await withReason(path, async () => {
    await withFileBeside(path, text, 0o644, (temporary) => {
      linkSync(temporary, path)
    })
  })
}

/**
 * Calls with a file of this text beside another one, gone when it returns. The name begins with a dot, so that a trust source
 * that is this directory does not read it.
 */
export async function withFileBeside<T>(
  path: string,
  text: string,
  mode: number,
  use: (temporary: string) => T | Promise<T>,
): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  const fd = await withReason(temporary, () => openSync(temporary, 'wx', mode))
  try {
    try {
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    // openSync's mode goes through the umask
    chmodSync(temporary, mode)
    return await use(temporary)
  } finally {
    rmSync(temporary, { force: true })
  }
}

async function withReason<T>(path: string, write: () => T | Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (error instanceof PosternError) throw error
    const code = codeOf(error)
    const reason =
      code === 'EEXIST'
        ? 'exists already'
        : code === 'EROFS'
          ? 'is on a read-only file system; change what it is mounted from (a Secret or ConfigMap)'
          : code === 'EACCES' || code === 'EPERM'
            ? 'may not be written by this user'
            : `cannot be written: ${messageOf(error)}`
    throw new PosternError(code === 'EEXIST' ? 'file-exists' : 'file-unwritable', `${path} ${reason}`, { cause: error })
  }
}
