/*
 * What a change of stored objects costs before workers hear of it, with 1,000 stores and 1,000 deployments: reading what
 * has changed, and compiling it. `node tools/bench-managed.ts [COUNT]`
 */
import { managedView } from '../src/compat/apigee/compile-managed.ts'
import { loadRuntimeState } from '../src/compat/apigee/load-runtime-state.ts'
import { createLeaf, createRoot } from '../src/pki/make.ts'
import { openMemoryState } from '../src/state/open.ts'
import type { StateTransaction } from '../src/state/types.ts'
import { base } from '../test/compat/apigee/runtime.ts'
import {
  addAlias,
  addDeployment,
  addKeystore,
  addReference,
  addVirtualHost,
} from '../test/compat/apigee/stored-objects.ts'

const count = Number(process.argv[2] ?? 1000)
const root = await createRoot({ commonName: 'Root' })
const client = await createLeaf(root, { names: ['client.test'] })
const store = await openMemoryState()
const filling = await store.begin()
await addVirtualHost(filling, 'default', 8080)
await addKeystore(filling, 'keys')
await addAlias(filling, 'keys', 'a1', client.chainPem, client.keyPem)
await addReference(filling, 'shared', 'store-0')
for (let index = 0; index < count; index += 1) {
  const name = `store-${index}`
  await addKeystore(filling, name)
  await addAlias(filling, name, 'root', root.certificatePem, null)
  await addReference(filling, `ref-${index}`, name)
  const trust = `<TrustStore>ref://${index % 2 === 0 ? 'shared' : `ref-${index}`}</TrustStore>`
  const identity = '<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>keys</KeyStore><KeyAlias>a1</KeyAlias>'
  await addDeployment(filling, `api-${index}`, `${trust}${index % 4 === 0 ? identity : ''}`)
}
await filling.commit()

const milliseconds = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
  const startedAt = performance.now()
  const result = await work()
  process.stdout.write(`${what.padEnd(64)} ${(performance.now() - startedAt).toFixed(1).padStart(8)} ms\n`)
  return result
}

const ground = base()
let state = await milliseconds('read everything', () => store.read((view) => loadRuntimeState(view, null)))
let view = managedView(state)
const first = await milliseconds('compile everything', () => view.compile(ground))
process.stdout.write(
  `${first.targets.length} targets, ${first.proxies.length} proxies, ${first.problems.length} problems\n`,
)
await milliseconds('compile again, nothing changed', () => view.compile(ground))
await milliseconds('read again, nothing changed, outside a transaction', () =>
  store.read((each) => loadRuntimeState(each, state)),
)

const changes: readonly (readonly [what: string, work: (tx: StateTransaction) => Promise<void>])[] = [
  ['a reference of one deployment switched', (tx) => addReference(tx, 'ref-1', 'store-2')],
  [`a reference of ${count / 2} deployments switched`, (tx) => addReference(tx, 'shared', 'store-3')],
  [`the same switched back`, (tx) => addReference(tx, 'shared', 'store-0')],
  [`a store of ${count / 2} deployments edited`, (tx) => addAlias(tx, 'store-0', 'more', client.chainPem, null)],
  ['one proxy deployed anew', (tx) => addDeployment(tx, 'api-5', '<TrustStore>ref://shared</TrustStore>')],
]
for (const [what, work] of changes) {
  const tx = await store.begin()
  await work(tx)
  const next = await milliseconds(`${what}: read`, () => loadRuntimeState(tx, state))
  const nextView = managedView(next, { previousView: view })
  await milliseconds(`${what}: compile`, () => nextView.compile(ground))
  await tx.commit()
  state = next
  view = nextView
}
await store.close()
