import { type FSWatcher, watch as watchDirectory, realpathSync, statSync } from 'node:fs'
import { basename, dirname, relative, resolve, sep } from 'node:path'

import { fingerprint } from './fingerprint.ts'

export interface WatchOptions {
  /** Files and directories, existing or not. */
  readonly paths: readonly string[]
  /** How often everything is looked at, for file systems that report nothing. */
  readonly pollMs: number
  /** Something may have changed; whether the content did is for the caller to find out. Called once per burst. */
  readonly onChange: () => void
  readonly signal?: AbortSignal
  /** `false` leaves polling alone: for network file systems, and to test it. */
  readonly events?: boolean
}

export interface PathWatch {
  setPaths(paths: readonly string[]): void
  close(): void
}

const settleMs = 50
const longestMs = 500
// I10; what has no watcher of its own is still polled.
const maxWatchers = 256

/**
 * Watches directories, never files: a watch on a file follows the inode and misses every rename, which is how editors save
 * and how Kubernetes swaps `..data`. Start watching before reading, or a change in between is lost.
 *
 * Nothing here keeps the process alive.
 */
export function watchPaths(options: WatchOptions): PathWatch {
  const watchers = new Map<string, Armed>()
  let interests: ReadonlyMap<string, Interest> = new Map()
  let prints = new Map<string, string>()
  let settle: NodeJS.Timeout | null = null
  let burstStart = 0
  let certain = false
  let closed = false

  const arm = (): void => {
    if (closed || options.events === false) return
    interests = interestsOf([...prints.keys()])
    for (const [directory, armed] of watchers) {
      // A directory that was removed and made again has another inode; the old watch is deaf.
      if (interests.has(directory) && armed.identity === identityOf(directory)) continue
      armed.watcher.close()
      watchers.delete(directory)
    }
    for (const directory of interests.keys()) {
      if (watchers.has(directory) || watchers.size >= maxWatchers) continue
      const armed = open(directory, (name) => noticed(directory, name))
      if (armed !== null) watchers.set(directory, armed)
    }
  }

  const open = (directory: string, onEvent: (name: string | null) => void): Armed | null => {
    const identity = identityOf(directory)
    try {
      const watcher = watchDirectory(directory, { persistent: false }, (_, name) => onEvent(name))
      watcher.on('error', () => {
        // The directory went away, or the system is out of watches: polling covers it and arms again.
        watcher.close()
        if (watchers.get(directory)?.watcher === watcher) watchers.delete(directory)
        schedule()
      })
      return { watcher, identity }
    } catch {
      // Missing or forbidden, or no inotify at all: polling covers it.
      return null
    }
  }

  const noticed = (directory: string, name: string | null): void => {
    const interest = interests.get(directory)
    if (interest === undefined) return
    // Kubernetes' `..data` replaces every file beside it. A neighbour's event is nobody's business.
    const own = name === null || interest.all || name.startsWith('..') || interest.files.has(name)
    if (!own && !interest.steps.has(name)) return
    // Times on disk are coarse: two edits of the same size within one tick look alike. An event about a watched path is
    // believed without comparing; one about a step on the way to a missing path only makes us look.
    certain ||= own
    schedule()
  }

  const schedule = (): void => {
    if (closed) return
    const now = Date.now()
    if (settle === null) burstStart = now
    else clearTimeout(settle)
    settle = setTimeout(look, Math.max(0, Math.min(settleMs, burstStart + longestMs - now))).unref()
  }

  const look = (): void => {
    if (settle !== null) clearTimeout(settle)
    settle = null
    // Arm first: what happens in a directory that just appeared is then seen by one or the other.
    arm()
    const fresh = new Map([...prints.keys()].map((path) => [path, fingerprint(path)]))
    const changed = certain || [...fresh].some(([path, print]) => prints.get(path) !== print)
    certain = false
    prints = fresh
    if (changed) options.onChange()
  }

  const poll = setInterval(() => {
    if (settle === null) look()
  }, options.pollMs).unref()

  const close = (): void => {
    closed = true
    clearInterval(poll)
    if (settle !== null) clearTimeout(settle)
    for (const { watcher } of watchers.values()) watcher.close()
    watchers.clear()
    options.signal?.removeEventListener('abort', close)
  }

  const setPaths = (paths: readonly string[]): void => {
    if (closed) return
    const unique = [...new Set(paths.map((path) => resolve(path)))]
    // Arms before it takes the first print. Paths that stay keep theirs, so that no change falls between.
    prints = new Map(unique.map((path) => [path, prints.get(path) ?? '']))
    arm()
    for (const [path, print] of prints) if (print === '') prints.set(path, fingerprint(path))
  }

  setPaths(options.paths)
  if (options.signal?.aborted === true) close()
  else options.signal?.addEventListener('abort', close, { once: true })
  return { setPaths, close }
}

interface Armed {
  readonly watcher: FSWatcher
  readonly identity: string
}

/** What matters in one directory. */
interface Interest {
  /** The directory itself is watched. */
  all: boolean
  readonly files: Set<string>
  /** Names that would bring a missing path nearer. */
  readonly steps: Set<string>
}

function interestsOf(paths: readonly string[]): Map<string, Interest> {
  const interests = new Map<string, Interest>()
  const at = (directory: string): Interest => {
    const interest = interests.get(directory) ?? { all: false, files: new Set(), steps: new Set() }
    interests.set(directory, interest)
    return interest
  }
  for (const path of paths) {
    const parent = nearestDirectory(dirname(path))
    if (parent === dirname(path)) at(parent).files.add(basename(path))
    else at(parent).steps.add(relative(parent, path).split(sep)[0] as string)
    if (isDirectory(path)) at(path).all = true
    const real = realPathOf(path)
    if (real !== null && real !== path) at(dirname(real)).files.add(basename(real))
  }
  return interests
}

function nearestDirectory(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    if (isDirectory(at) || dirname(at) === at) return at
  }
}

function realPathOf(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    // Missing; its parent, or the nearest directory above, is watched instead.
    return null
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

function identityOf(directory: string): string {
  try {
    const { dev, ino } = statSync(directory, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return ''
  }
}
