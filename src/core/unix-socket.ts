import { readFile, realpath } from 'node:fs/promises'

import { codeOf } from './errors.ts'

/** Where systems have theirs; a container that was given one cannot see of which kind it is. */
const usual: ReadonlySet<string> = new Set([
  '/dev/log',
  '/run/systemd/journal/dev-log',
  '/run/systemd/journal/socket',
  '/run/systemd/journal/syslog',
])

/**
 * Whether a Unix socket takes datagrams alone, as `/dev/log` does. The runtime has stream sockets only. False where it cannot
 * be told: then connecting tells (EPROTOTYPE).
 */
export async function isDatagramSocket(path: string): Promise<boolean> {
  if (usual.has(path)) return true
  const real = (await orNull(realpath(path))) ?? path
  // Columns: number, references, protocol, flags, type, state, inode, path; see proc_net(5). Type 1 is a stream.
  const table = (await orNull(readFile('/proc/net/unix', 'latin1'))) ?? ''
  return table.split('\n').some((row) => {
    const [, type, place] = /^\S+: (?:\S+ ){3}(\S+) \S+ +\S+ (.*)$/.exec(row) ?? []
    return type === '0002' && (place === path || place === real)
  })
}

async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(codeOf(error))) return null
    throw error
  }
}
