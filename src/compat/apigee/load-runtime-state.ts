import type { Kind } from '../../state/kinds.ts'
import type { StateView, StoredObject } from '../../state/types.ts'
import { readBundle } from './bundle-read.ts'
import type { BundleFiles } from './bundle-types.ts'
import type { RuntimeAlias, RuntimeDeployment, RuntimeKeystore, RuntimeState } from './runtime-state.ts'
import { type ReadFrom, readTable, type Table } from './state-tables.ts'

/**
 * Reads what decides how requests run. What has the version that it had in `previous` is taken over as the same object, so
 * that neither bundles nor certificates nor keys are read again, and whoever compiles can tell by identity. Of a
 * transaction only the kinds are listed that it has changed; `previous` is then what it began with.
 */
export async function loadRuntimeState(view: StateView, previous: RuntimeState | null): Promise<RuntimeState> {
  const before = previous === null ? undefined : loaded.get(previous)
  const from: ReadFrom = { view, changed: before === undefined ? null : changedIn(view) }
  const keystore = await readTable(from, 'keystore', before?.tables.keystore, async (stored) => stored)
  const alias = await readTable(from, 'alias', before?.tables.alias, (stored) => readAlias(view, stored))
  const body = async <T>({ body }: { readonly body: T }): Promise<T> => body
  const tables: Tables = {
    keystore,
    alias,
    environment: await readTable(from, 'environment', before?.tables.environment, async ({ scope, name }) => {
      return { org: scope, env: name }
    }),
    reference: await readTable(from, 'reference', before?.tables.reference, body),
    targetServer: await readTable(from, 'target-server', before?.tables.targetServer, body),
    virtualHost: await readTable(from, 'virtual-host', before?.tables.virtualHost, body),
    deployment: await readTable(from, 'api-deployment', before?.tables.deployment, (stored) => {
      return readDeployment(view, stored)
    }),
    sharedFlow: await readTable(from, 'shared-flow-deployment', before?.tables.sharedFlow, (stored) => {
      return readSharedFlow(view, stored)
    }),
    hook: await readTable(from, 'flow-hook', before?.tables.hook, async (stored) => stored),
  }
  const state: RuntimeState = {
    environments: [...tables.environment.entries.values()],
    keystores: withAliases(keystore, alias, before ?? null),
    references: tables.reference.entries,
    targetServers: tables.targetServer.entries,
    virtualHosts: tables.virtualHost.entries,
    deployments: [...tables.deployment.entries.values()],
    flowHooks: hooksThatRun(tables),
  }
  loaded.set(state, { tables, keystores: state.keystores })
  return state
}

interface Tables {
  readonly environment: Table<RuntimeState['environments'][number]>
  readonly keystore: Table<StoredObject<'keystore'>>
  readonly alias: Table<PlacedAlias>
  readonly reference: Table<StoredObject<'reference'>['body']>
  readonly targetServer: Table<StoredObject<'target-server'>['body']>
  readonly virtualHost: Table<StoredObject<'virtual-host'>['body']>
  readonly deployment: Table<RuntimeDeployment>
  readonly sharedFlow: Table<DeployedSharedFlow>
  readonly hook: Table<StoredObject<'flow-hook'>>
}

interface PlacedAlias {
  /** `ORG/ENV/KEYSTORE` */
  readonly store: string
  readonly version: number
  readonly alias: RuntimeAlias
}

interface DeployedSharedFlow {
  /** `ORG/ENV/sharedflows/NAME` */
  readonly scope: string
  /** It has a step; one without does nothing wherever it is attached. */
  readonly runs: boolean
}

interface Loaded {
  readonly tables: Tables
  readonly keystores: RuntimeState['keystores']
}

const loaded = new WeakMap<RuntimeState, Loaded>()

/** null: anything may have. */
function changedIn(view: StateView): ReadonlySet<Kind> | null {
  if (!('changed' in view) || !(view.changed instanceof Set)) return null
  return view.changed as ReadonlySet<Kind>
}

async function readAlias(view: StateView, stored: StoredObject<'alias'>): Promise<PlacedAlias> {
  const { scope, name, version } = stored
  const chain = await view.blob('alias', scope, name)
  const key = stored.hasSecret ? await view.secret('alias', scope, name) : null
  const alias = { name, chain: chain?.toString('utf8') ?? '', key: key?.toString('utf8') ?? null }
  return { store: scope, version, alias }
}

/** A store is another object when it or one of its aliases has changed. */
function withAliases(
  keystores: Table<StoredObject<'keystore'>>,
  aliases: Table<PlacedAlias>,
  before: Loaded | null,
): RuntimeState['keystores'] {
  if (before !== null && before.tables.keystore === keystores && before.tables.alias === aliases) {
    return before.keystores
  }
  const byStore = new Map<string, PlacedAlias[]>()
  for (const placed of aliases.entries.values()) {
    const list = byStore.get(placed.store)
    if (list === undefined) byStore.set(placed.store, [placed])
    else list.push(placed)
  }
  return new Map(
    [...keystores.entries].map(([key, { scope, name, body, version }]): [string, RuntimeKeystore] => {
      const held = byStore.get(key) ?? []
      const earlier = before?.keystores.get(key)
      const newest = held.reduce((newest, placed) => Math.max(newest, placed.version), version)
      if (earlier !== undefined && earlier.version === newest && sameAliases(earlier, held)) return [key, earlier]
      const [org = '', env = ''] = scope.split('/')
      const { generation } = body
      const byName = new Map(held.map(({ alias }) => [alias.name, alias]))
      return [key, { org, env, name, generation, version: newest, aliases: byName }]
    }),
  )
}

function sameAliases({ aliases }: RuntimeKeystore, held: readonly PlacedAlias[]): boolean {
  return aliases.size === held.length && held.every(({ alias }) => aliases.get(alias.name) === alias)
}

/** The files of a deployed revision do not change; whoever changes them deploys it anew, and with it its version rises. */
async function readDeployment(view: StateView, stored: StoredObject<'api-deployment'>): Promise<RuntimeDeployment> {
  const { scope, name: revision, version, body } = stored
  const [org = '', env = '', , api = ''] = scope.split('/')
  const files = await readFiles(view, 'api-file', `${org}/apis/${api}/${revision}`)
  const { basePath, delay } = body
  return { org, env, api, revision, basePath, delay, version, bundle: readBundle(files, 'apiproxy') }
}

async function readSharedFlow(
  view: StateView,
  { scope, name }: StoredObject<'shared-flow-deployment'>,
): Promise<DeployedSharedFlow> {
  const [org = '', , , flow = ''] = scope.split('/')
  const files = await readFiles(view, 'shared-flow-file', `${org}/sharedflows/${flow}/${name}`)
  const { sharedFlows, problems } = readBundle(files, 'sharedflowbundle')
  const isSound = problems.every(({ severity }) => severity !== 'error')
  return { scope, runs: !isSound || sharedFlows.some(({ steps }) => steps.length > 0) }
}

async function readFiles(view: StateView, kind: 'api-file' | 'shared-flow-file', scope: string): Promise<BundleFiles> {
  const files = new Map<string, Uint8Array>()
  for (const path of await view.names(kind, scope)) {
    const bytes = await view.blob(kind, scope, path)
    if (bytes !== null) files.set(path, bytes)
  }
  return files
}

/** One that is not deployed is a fault of every request in Edge, so it counts as well. */
function hooksThatRun({ hook, sharedFlow }: Tables): RuntimeState['flowHooks'] {
  const hooks = [...hook.entries.values()]
  if (hooks.length === 0) return []
  const deployed = [...sharedFlow.entries.values()]
  return hooks.flatMap(({ scope, name, body }) => {
    const flows = deployed.filter((flow) => flow.scope === `${scope}/sharedflows/${body.sharedFlow}`)
    if (flows.length > 0 && flows.every(({ runs }) => !runs)) return []
    const [org = '', env = ''] = scope.split('/')
    return [{ org, env, hook: name, sharedFlow: body.sharedFlow }]
  })
}
