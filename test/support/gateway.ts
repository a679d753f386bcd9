import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { Gateway, type GatewayOptions } from '../../src/control/gateway.ts'
import type { PosternEvent } from '../../src/observe/events.ts'

/** A configuration without what every test has alike; see `startTestGateway`. */
export type TestConfig = Readonly<Record<string, unknown>>

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  /** `http://127.0.0.1:port` of the listener named `http`. */
  readonly origin: string
  readonly directory: string
  readonly configFile: string
  /** Events of the main thread so far. */
  readonly events: readonly PosternEvent[]
  /** Writes another configuration and waits until it is in force or refused. */
  reconfigure(config: TestConfig): Promise<boolean>
  /** Log lines of the file, once `until` is among them. */
  logLines(file: string, until: (line: string) => boolean): Promise<readonly string[]>
}

export interface TestGatewayOptions extends Partial<Omit<GatewayOptions, 'configFile'>> {
  /** Files to write beside the configuration, by name: certificates, bundles. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
}

/**
 * A gateway in this process, from a configuration file in a directory of its own. A listener `http` on loopback and a
 * native log in `postern.log` are there unless the configuration says otherwise.
 */
export async function startTestGateway(config: TestConfig, options: TestGatewayOptions = {}): Promise<TestGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-test-'))
  const configFile = join(directory, 'postern.yaml')
  const { files = {}, ...rest } = options
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
  await writeFile(configFile, stringify(complete(config)))
  const events: PosternEvent[] = []
  let gateway: Gateway
  try {
    gateway = await Gateway.start({
      workers: 1,
      env: {},
      ...rest,
      configFile,
      onEvent: (event) => {
        events.push(event)
        rest.onEvent?.(event)
      },
    })
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
  return {
    gateway,
    origin: `http://127.0.0.1:${gateway.ports['http'] ?? 0}`,
    directory,
    configFile,
    events,
    async reconfigure(next) {
      const before = gateway.generation
      // In one step, as the watch may look at any moment.
      await writeFile(`${configFile}.next`, stringify(complete(next)))
      await rename(`${configFile}.next`, configFile)
      // The watch may have been quicker; then there is nothing left to take up here.
      await gateway.reload()
      return gateway.generation !== before
    },
    logLines: (file, until) => linesOf(join(directory, file), until),
    async [Symbol.asyncDispose]() {
      await gateway.stop(0)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function complete(config: TestConfig): TestConfig {
  return {
    listeners: [{ name: 'http', address: '127.0.0.1', port: 0 }],
    logs: [{ format: 'native', file: 'postern.log' }],
    // Connections that no test asked for would be counted by its backends.
    diagnosis: { live: false },
    ...config,
  }
}

/** Lines of a log that is being written; waits for it to hold what is looked for. */
async function linesOf(path: string, until: (line: string) => boolean): Promise<readonly string[]> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(0, -1)
    if (lines.some(until)) return lines
    await sleep(25)
  }
  throw new Error(`the line did not appear in ${path}:\n${await readFile(path, 'utf8').catch(() => '(no file)')}`)
}
