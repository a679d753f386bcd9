import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type ManagedOptions, startManaged } from '../../src/admin/start.ts'
import type { Gateway } from '../../src/control/gateway.ts'
import { openMemoryState } from '../../src/state/open.ts'
import type { StateStore } from '../../src/state/types.ts'
import { type AdminClient, adminClient } from './admin-client.ts'

export interface ManagedTestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  /** Of the listener `http`. */
  readonly port: number
  readonly api: AdminClient
  readonly store: StateStore
  readonly directory: string
  readonly logFile: string
  /** Writes another configuration; what is not said is as at the start. Throws where it is refused. */
  reconfigure(config: Readonly<Record<string, unknown>>): Promise<void>
}

export const adminPassword = 'a-password-for-tests'

/** Default: a fresh store in memory, one worker. */
export type ManagedTestOptions = Partial<Omit<ManagedOptions, 'configFile' | 'adminPassword'>>

/** A gateway in this process with organization `acme`, environment `test` unless said, and its management API. */
export async function startManagedGateway(
  config: Readonly<Record<string, unknown>> = {},
  options: ManagedTestOptions = {},
): Promise<ManagedTestGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-managed-'))
  const configFile = join(directory, 'postern.yaml')
  const common = {
    organization: 'acme',
    environment: 'test',
    listeners: [{ name: 'http', address: '127.0.0.1', port: 0 }],
    management: { address: '127.0.0.1', port: 0 },
    logs: [{ format: 'native', file: 'postern.log' }],
    diagnosis: { live: false },
  }
  await writeFile(configFile, stringify({ ...common, ...config }))
  const store = options.store ?? (await openMemoryState())
  const managed = await startManaged({ workers: 1, env: {}, ...options, configFile, store, adminPassword }).catch(
    async (error: unknown) => {
      await rm(directory, { recursive: true, force: true })
      throw error
    },
  )
  const { gateway } = managed
  const api = adminClient(`http://127.0.0.1:${gateway.managementPort}`, adminPassword)
  return {
    gateway,
    port: gateway.ports['http'] ?? 0,
    api,
    store,
    directory,
    logFile: join(directory, 'postern.log'),
    async reconfigure(next) {
      // In one step, as the watch may look at any moment.
      await writeFile(`${configFile}.next`, stringify({ ...common, ...next }))
      await rename(`${configFile}.next`, configFile)
      await gateway.reload()
      if (gateway.lastRefusal !== '') throw new Error(gateway.lastRefusal)
    },
    async [Symbol.asyncDispose]() {
      await managed.stop(0)
      await rm(directory, { recursive: true, force: true })
    },
  }
}
