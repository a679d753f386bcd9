import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entityClient, stamps } from './entity-support.ts'

const hooks = ['PreProxyFlowHook', 'PostProxyFlowHook', 'PreTargetFlowHook', 'PostTargetFlowHook']

test('there are four flow hooks, and each can be read though nothing is attached', async () => {
  await using client = await entityClient()
  assert.deepEqual((await client.send('GET E/flowhooks')).json, hooks)
  for (const hook of hooks) {
    const answer = await client.send(`GET E/flowhooks/${hook}`)
    assert.deepEqual([answer.status, answer.json], [200, { continueOnError: false, state: 'undeployed' }])
  }
  assert.equal((await client.send('GET E/flowhooks/PreFlowHook')).status, 404)
})

for (const method of ['PUT', 'POST']) {
  test(`a shared flow is attached with ${method}, shown with its state, and detached`, async () => {
    await using client = await entityClient()
    await client.put(async (tx) => {
      await tx.put('shared-flow', 'acme', 'sf', { body: { ...stamps, lastRevision: 1 } })
    })
    const what = `${method} E/flowhooks/PreProxyFlowHook`
    const attached = await client.send(what, { continueOnError: 'true', sharedFlow: 'sf' })
    const shown = { continueOnError: true, sharedFlow: 'sf', state: 'undeployed' }
    assert.deepEqual([attached.status, attached.json], [200, shown])
    await client.put(async (tx) => {
      const body = { ...stamps, basePath: '/', delay: null }
      await tx.put('shared-flow-deployment', 'acme/test/sharedflows/sf', '1', { body })
    })
    const deployed = { ...shown, state: 'deployed' }
    assert.deepEqual((await client.send('GET E/flowhooks/PreProxyFlowHook')).json, deployed)
    assert.deepEqual((await client.send('GET E/flowhooks/PostProxyFlowHook')).json, {
      continueOnError: false,
      state: 'undeployed',
    })
    assert.equal((await client.send(what, { sharedFlow: 'none' })).status, 404)
    assert.equal((await client.send(what, { continueOnError: true })).status, 400)
    assert.deepEqual(
      (await client.send('GET E/flowhooks/PreProxyFlowHook')).json,
      deployed,
      'what was refused changed nothing',
    )
    assert.equal((await client.send('DELETE E/flowhooks/PreProxyFlowHook')).status, 200)
    assert.deepEqual((await client.send('GET E/flowhooks/PreProxyFlowHook')).json, {
      continueOnError: false,
      state: 'undeployed',
    })
  })
}
