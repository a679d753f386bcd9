import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

import { codeOf, messageOf, PosternError } from '../core/errors.ts'

const maxBytes = 16 * 1024 * 1024

/** The bytes of a regular file of bounded size; every failure names the path and says what to look at. */
export function readRegularFile(path: string): Buffer {
  let fd: number | null = null
  try {
    // Opened first and looked at after, so that what is looked at is what is read; non-blocking, because a FIFO or a device
    // would block the thread or never end.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(fd)
    if (!stat.isFile())
      throw unreadable(path, stat.isDirectory() ? 'is a directory, not a file' : 'is not a regular file')
    if (stat.size > maxBytes) throw unreadable(path, `is ${stat.size} bytes, more than the limit of ${maxBytes}`)
    return readFileSync(fd)
  } catch (error) {
    throw error instanceof PosternError ? error : unreadable(path, reasonOf(error), error)
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** The error for a path that cannot be read. */
export function unreadable(path: string, reason: string, cause?: unknown): PosternError {
  const errno = codeOf(cause)
  return new PosternError('trust-source-unreadable', `${path} ${reason}`, {
    evidence: errno === '' ? { path, reason } : { path, reason, errno },
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What a failed file operation means to whoever wrote the path. */
export function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'does not exist'
    case 'EACCES':
    case 'EPERM':
      return `may not be read by this process (user ${process.getuid?.() ?? 'unknown'}, group ${process.getgid?.() ?? 'unknown'})`
    case 'ENOTDIR':
      return 'is not a directory, or stands below a file'
    case 'ELOOP':
      return 'is a loop of symbolic links'
    default:
      return `cannot be read: ${messageOf(error)}`
  }
}
