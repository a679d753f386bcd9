import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { managedView } from '../../../src/compat/apigee/compile-managed.ts'
import { loadRuntimeState } from '../../../src/compat/apigee/load-runtime-state.ts'
import type { RuntimeState } from '../../../src/compat/apigee/runtime-state.ts'
import { openMemoryState } from '../../../src/state/open.ts'
import type { StateStore, StateTransaction, StateView } from '../../../src/state/types.ts'
import { make, type Made } from '../../trust/pki.ts'
import type { ManagedPlan, ManagedView } from '../../../src/config/managed-view.ts'
import { base, codes } from './runtime.ts'
import { addAlias, addDeployment, addKeystore, addReference, addVirtualHost, stamps } from './stored-objects.ts'

let store: StateStore
let one: Made
let two: Made

before(async () => {
  store = await openMemoryState()
  ;[one, two] = await Promise.all([make('CN=One', { ca: true }), make('CN=Two', { ca: true })])
  await change(async (tx) => {
    await addVirtualHost(tx, 'default', 8080)
    for (const [name, made] of [
      ['one', one],
      ['two', two],
    ] as const) {
      await addKeystore(tx, name)
      await addAlias(tx, name, 'root', made.pem, null)
    }
    await addAlias(tx, 'one', 'own', one.pem, one.key)
    await addReference(tx, 'ref', 'one')
    await addDeployment(tx, 'byRef', '<TrustStore>ref://ref</TrustStore>')
    await addDeployment(tx, 'byName', '<TrustStore>one</TrustStore>')
  })
})

after(() => store.close())

async function change(work: (tx: StateTransaction) => Promise<void>): Promise<void> {
  const tx = await store.begin()
  await work(tx)
  await tx.commit()
}

const load = (previous: RuntimeState | null): Promise<RuntimeState> =>
  store.read((view) => loadRuntimeState(view, previous))

/** A view that counts what is read by the byte. */
function counted(view: StateView): { view: StateView; reads: string[] } {
  const reads: string[] = []
  const told = {
    ...view,
    blob: (kind, scope, name) => (reads.push(`blob ${kind}`), view.blob(kind, scope, name)),
    secret: (kind, scope, name) => (reads.push(`secret ${kind}`), view.secret(kind, scope, name)),
    below: (kind, scope) => (reads.push(`list ${kind}`), view.below(kind, scope)),
  } satisfies StateView
  return { view: told, reads }
}

describe('the stored objects', () => {
  it('are read with certificates, keys and parsed bundles', async () => {
    const state = await load(null)
    const keystore = state.keystores.get('acme/test/one')
    assert.deepEqual(keystore?.aliases.get('root'), { name: 'root', chain: one.pem, key: null })
    assert.deepEqual(keystore?.aliases.get('own'), { name: 'own', chain: one.pem, key: one.key })
    assert.deepEqual(
      state.deployments.map(({ org, env, api, revision, bundle }) => [
        org,
        env,
        api,
        revision,
        bundle.proxyEndpoints[0]?.basePath,
      ]),
      [
        ['acme', 'test', 'byName', '1', '/byName'],
        ['acme', 'test', 'byRef', '1', '/byRef'],
      ],
    )
    assert.equal(state.references.get('acme/test/ref')?.refers, 'one')
    assert.equal(state.virtualHosts.get('acme/test/default')?.port, 8080)
    assert.deepEqual(state.environments, [{ org: 'acme', env: 'test' }])
  })

  it('are the same objects as before where nothing has changed', async () => {
    const first = await load(null)
    const second = await store.read((view) => loadRuntimeState(view, first))
    assert.equal(second.keystores, first.keystores)
    assert.deepEqual(
      second.deployments.map((each, index) => each === first.deployments[index]),
      [true, true],
    )
  })

  it('after a reference was switched are read again as that reference alone', async () => {
    const first = await load(null)
    const tx = await store.begin()
    await addReference(tx, 'ref', 'two')
    const { view, reads } = counted(tx)
    const second = await loadRuntimeState(Object.assign(view, { changed: tx.changed }), first)
    await tx.rollback()
    assert.deepEqual(reads, ['list reference'])
    assert.equal(second.references.get('acme/test/ref')?.refers, 'two')
    assert.equal(second.keystores, first.keystores)
    assert.equal(first.references.get('acme/test/ref')?.refers, 'one')
  })

  it('after an alias was replaced have another store, and read nothing but that alias', async () => {
    const first = await load(null)
    const tx = await store.begin()
    await addAlias(tx, 'one', 'root', two.pem, null)
    const { view, reads } = counted(tx)
    const second = await loadRuntimeState(view, first)
    await tx.rollback()
    assert.deepEqual(
      reads.filter((read) => !read.startsWith('list')),
      ['blob alias'],
    )
    assert.notEqual(second.keystores.get('acme/test/one'), first.keystores.get('acme/test/one'))
    assert.equal(second.keystores.get('acme/test/two'), first.keystores.get('acme/test/two'))
    assert.equal(
      second.keystores.get('acme/test/one')?.aliases.get('own'),
      first.keystores.get('acme/test/one')?.aliases.get('own'),
    )
  })

  it('after an alias was deleted have another store', async () => {
    const first = await load(null)
    const tx = await store.begin()
    await tx.delete('alias', 'acme/test/one', 'own')
    const second = await loadRuntimeState(tx, first)
    await tx.rollback()
    assert.deepEqual([...(second.keystores.get('acme/test/one')?.aliases.keys() ?? [])], ['root'])
  })

  it('have a flow hook only where its shared flow has something to do, or is not deployed', async () => {
    const flow = (steps: string): string => `<SharedFlow name="default">${steps}</SharedFlow>`
    const hooks = async (deployed: string | null): Promise<number> => {
      const tx = await store.begin()
      await tx.put('flow-hook', 'acme/test', 'PreProxyFlowHook', {
        body: { ...stamps, sharedFlow: 'audit', continueOnError: false, description: '' },
      })
      if (deployed !== null) {
        const blob = Buffer.from(flow(deployed))
        await tx.put('shared-flow-file', 'acme/sharedflows/audit/1', 'sharedflowbundle/sharedflows/default.xml', {
          body: { bytes: blob.length },
          blob,
        })
        await tx.put('shared-flow-deployment', 'acme/test/sharedflows/audit', '1', {
          body: { ...stamps, basePath: '/', delay: null },
        })
      }
      const { flowHooks } = await loadRuntimeState(tx, null)
      await tx.rollback()
      return flowHooks.length
    }
    assert.deepEqual([await hooks('<Step><Name>P</Name></Step>'), await hooks(''), await hooks(null)], [1, 0, 1])
  })
})

describe('a view of them', () => {
  it('gives stores and identities by one, two or three names, directly or by reference', async () => {
    const view = managedView(await load(null))
    const home = { organization: 'acme', environment: 'test' }
    const away = { organization: 'x', environment: 'y' }
    for (const [name, from] of [
      ['one', home],
      ['test/one', { ...away, organization: 'acme' }],
      ['acme/test/one', away],
      ['ref://ref', home],
      ['ref://acme/test/ref', away],
    ] as const) {
      assert.equal(view.trustStore(name, from)?.store, 'acme/test/one', name)
      assert.equal(view.identity(name, 'own', from)?.key, one.key, name)
    }
    for (const name of ['nine', 'ref://nine', 'prod/one', 'a/b/c/d', ''])
      assert.equal(view.trustStore(name, home), null, name)
    assert.equal(view.identity('one', 'root', home), null)
    assert.equal(view.identity('one', 'nine', home), null)
  })

  it('compiles again only what a change touches, and all that it touches', async () => {
    const first = await load(null)
    const view = managedView(first)
    const before = view.compile(base())
    const tx = await store.begin()
    await addReference(tx, 'ref', 'two')
    const second = await loadRuntimeState(tx, first)
    await tx.rollback()
    const after = managedView(second, { previousView: view }).compile(base())
    const kept = after.targets.map((target) => `${target.name} ${before.targets.includes(target)}`)
    assert.deepEqual(kept, ['acme/test/byName/1/default true', 'acme/test/byRef/1/default false'])
    assert.deepEqual(
      after.targets.map(({ tls }) => tls?.anchors),
      [[one.pem], [two.pem]],
    )
    const anew = managedView(second).compile(base())
    assert.deepEqual([anew.trustChanged, after.trustChanged], [false, true], 'with a view before there is a change')
    assert.deepEqual({ ...after, trustChanged: false }, anew, 'the same as compiled from nothing')
  })

  it('compiles everything again under other settings', async () => {
    const view = managedView(await load(null))
    const before = view.compile(base())
    const partial = view.compile(base({ drain: { timeout: '1s' } }))
    assert.ok(partial.targets.every((target) => !before.targets.includes(target)))
    assert.equal(partial.targets[0]?.servers[0]?.timeouts.drainMs, 1000)
  })
})

describe('with apigee.takesEffect edge', () => {
  const config = { apigee: { takesEffect: 'edge' } }

  /** Anchors by API, through views that follow from each other. */
  async function through(
    apigee: object,
    ...changes: ((tx: StateTransaction) => Promise<void>)[]
  ): Promise<readonly (readonly string[])[]> {
    const tx = await store.begin()
    try {
      let state = await loadRuntimeState(tx, null)
      let view = managedView(state)
      const compiledWith = (next: ManagedView): ManagedPlan => {
        const settings = base(apigee)
        const compiled = next.compile(settings)
        next.inForce?.(settings.config)
        return compiled
      }
      let plan = compiledWith(view)
      for (const step of changes) {
        await step(tx)
        state = await loadRuntimeState(tx, state)
        view = managedView(state, { previousView: view })
        plan = compiledWith(view)
      }
      assert.deepEqual(codes(plan.problems), [])
      return plan.targets.map(({ tls }) =>
        (tls?.anchors ?? []).map((pem) => (pem === one.pem ? 'one' : pem === two.pem ? 'two' : '?')),
      )
    } finally {
      await tx.rollback()
    }
  }

  const edit = (tx: StateTransaction): Promise<void> => addAlias(tx, 'one', 'root', two.pem, null)
  const withoutKey = async (tx: StateTransaction): Promise<void> =>
    void (await tx.delete('alias', 'acme/test/one', 'own'))

  it('a store that was named directly keeps its content until the proxy is deployed anew', async () => {
    assert.deepEqual(await through(config, withoutKey, edit), [['one'], ['two']])
    const again = (tx: StateTransaction): Promise<void> => addDeployment(tx, 'byName', '<TrustStore>one</TrustStore>')
    assert.deepEqual(await through(config, withoutKey, edit, again), [['two'], ['two']])
  })

  it('a reference is followed at once, be it repointed or its store edited', async () => {
    const repoint = (tx: StateTransaction): Promise<void> => addReference(tx, 'ref', 'two')
    assert.deepEqual(await through(config, repoint), [['one'], ['two']])
  })

  it('and without it everything takes effect at once', async () => {
    assert.deepEqual(await through({}, withoutKey, edit), [['two'], ['two']])
  })
})
