import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import type { PosternEvent } from '../../src/observe/events.ts'

/** `postern serve` as a process of its own. */
export interface ServeProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly directory: string
  /** Lines of its log so far, which goes to its standard output. */
  readonly lines: readonly string[]
  readonly portOf: (listener: string) => number
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  /** Resident memory now, in bytes. */
  residentBytes(): Promise<number>
  line(matches: (line: string) => boolean): Promise<string>
}

export interface ServeOptions {
  readonly files?: Readonly<Record<string, string>>
  readonly workers?: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starts it and waits until all its listeners are open. A native log on standard output is added. */
export async function startServe(
  config: Readonly<Record<string, unknown>> & { readonly listeners: readonly object[] },
  { files = {}, workers = 1 }: ServeOptions = {},
): Promise<ServeProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-serve-'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
  const configFile = join(directory, 'postern.yaml')
  await writeFile(configFile, stringify({ logs: [{ format: 'native' }], ...config }))
  const child = spawn(process.execPath, ['src/cli/main.ts', 'serve', '-c', configFile, '--workers', String(workers)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  const ports = new Map<string, number>()
  let wake: (() => void)[] = []
  const wakeAll = (): void => {
    const waiting = wake
    wake = []
    for (const one of waiting) one()
  }
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    const event = JSON.parse(line) as Partial<PosternEvent>
    if (event.type === 'listening') ports.set(event.listener ?? '', event.port ?? 0)
    wakeAll()
  })
  let ended = false
  const exited = once(child, 'exit').then(([code, signal]) => {
    ended = true
    wakeAll()
    return (code ?? signal) as number | NodeJS.Signals
  })
  const line = async (matches: (line: string) => boolean): Promise<string> => {
    for (;;) {
      const found = lines.find(matches)
      if (found !== undefined) return found
      if (ended) throw new Error(`postern ended; its log:\n${lines.join('\n')}`)
      await new Promise<void>((resolve) => wake.push(resolve))
    }
  }
  const [{ length: expected }] = [config.listeners]
  // That of the management listener, where there is one, comes last.
  await line(() => ports.size >= expected)
  return {
    child,
    directory,
    lines,
    portOf: (listener) => ports.get(listener) ?? 0,
    exited,
    line,
    async residentBytes() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill('SIGKILL')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}
