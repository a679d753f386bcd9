import { execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { delimiter, join } from 'node:path'

export interface Cores {
  readonly proxy: number
  readonly load: number
  readonly backend: number
}

/**
 * One core for the proxy under test, the rest for what surrounds it. Asked once, before the harness pins itself: after
 * that only its own core would be left to choose from.
 */
export function chooseCores(): Cores {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const [proxy = 0, load = proxy, backend = load] = allowed.split(',').flatMap(expandRange)
  return { proxy, load, backend }
}

function expandRange(range: string): number[] {
  const [first = 0, last = first] = range.split('-').map(Number)
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** The path of a program, looked for where Debian puts daemons too; null when it is not installed. */
export function findProgram(name: string): string | null {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin', '/bin']
  for (const directory of directories.filter((d) => d !== '')) {
    try {
      const path = join(directory, name)
      accessSync(path, constants.X_OK)
      return realpathSync(path)
    } catch {
      continue
    }
  }
  return null
}

const tickMicros = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** User and system time of a process and all its descendants, threads and already reaped children included. */
export function cpuMicros(rootPid: number): number {
  let ticks = 0
  for (const fields of processTree(rootPid)) {
    // proc(5), counted from field 3: utime, stime, then cutime and cstime of children that were waited for.
    ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])
  }
  return ticks * tickMicros
}

const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))

/** Resident memory of a process and its descendants. Pages they share count once for each; differences are exact. */
export function residentBytes(rootPid: number): number {
  let pages = 0
  for (const fields of processTree(rootPid)) pages += Number(fields[21])
  return pages * pageBytes
}

/** Time the whole machine spent working on one core; what the proxy did not use of it is other people's noise. */
export function coreBusyMicros(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? ''
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number)
  return (user + nice + system + irq + softirq + steal) * tickMicros
}

/** The most file descriptors a child may hold; Node raised the soft limit to the hard one when it started. */
export function openFileLimit(): number {
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? '1024'
  return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft)
}

export function describeMachine(): Readonly<Record<string, string | number>> {
  const models = cpus()
  return { cpu: models[0]?.model ?? 'unknown', cores: models.length, kernel: release(), node: process.version }
}

function processTree(rootPid: number): string[][] {
  const children = new Map<number, number[]>()
  const stats = new Map<number, string[]>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) continue
    let text: string
    try {
      text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    } catch {
      continue // gone between the listing and the reading
    }
    // The command name may hold spaces and parentheses; the fields after the last ')' cannot.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    stats.set(pid, fields)
    const parent = Number(fields[1])
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const tree: string[][] = []
  const queue = [rootPid]
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    const fields = stats.get(pid)
    if (fields !== undefined) tree.push(fields)
    queue.push(...(children.get(pid) ?? []))
  }
  return tree
}
