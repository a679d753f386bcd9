import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { foreignCases, pki } from './cases.ts'
import { exchange } from './exchange.ts'
import { closeForeign, missingStack, openForeign, stackNames } from './stacks.ts'

after(closeForeign)

for (const stack of stackNames) {
  describe(`a backend on ${stack}`, { skip: missingStack(stack) ?? false }, () => {
    for (const [name, { serves, server, gateway, unlike, without, ...expected }] of Object.entries(foreignCases)) {
      const { traffic } = { ...expected, ...unlike?.[stack] }
      it(`${name}: ${traffic}`, { skip: without?.[stack] ?? false }, async () => {
        const { chainPem, keyPem } = await serves(pki, name)
        const leaf = Buffer.from(chainPem.split(/-----[^-]+-----/)[1] ?? '', 'base64')
        await using backend = await openForeign(stack, { chainPem, keyPem, ...server?.(pki, leaf) })
        assert.equal(await exchange(backend.port, pki.root.certificatePem, `${name}.lab.test`, gateway), traffic)
      })
    }
  })
}
