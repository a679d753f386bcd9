import { readFileSync, realpathSync } from 'node:fs'

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
export function isDatagramSocket(path: string): boolean {
  if (usual.has(path)) return true
  const real = orNull(() => realpathSync(path)) ?? path
  // Columns: number, references, protocol, flags, type, state, inode, path; see proc_net(5). Type 1 is a stream.
  const table = orNull(() => readFileSync('/proc/net/unix', 'latin1')) ?? ''
  return table.split('\n').some((row) => {
    const [, type, place] = /^\S+: (?:\S+ ){3}(\S+) \S+ +\S+ (.*)$/.exec(row) ?? []
    return type === '0002' && (place === path || place === real)
  })
}

function orNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(codeOf(error))) return null
    throw error
  }
}
