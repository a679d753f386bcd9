import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { diagnoseBackend } from '../diagnosis/diagnose-backend.ts'
import { tlsPlan } from '../dial/dial-once.ts'
import { foreignCases, pki } from './cases.ts'
import { exchange } from './exchange.ts'
import { closeForeign, missingStack, openForeign, stackNames } from './stacks.ts'

after(closeForeign)

for (const stack of stackNames) {
  describe(`a backend on ${stack}`, { skip: missingStack(stack) ?? false }, () => {
    for (const [name, { serves, server, gateway, unlike, without, ...expected }] of Object.entries(foreignCases)) {
      const { traffic, verdict, findings = [] } = { ...expected, ...unlike?.[stack] }
      it(`${name}: ${traffic}, diagnosed as ${verdict}`, { skip: without?.[stack] ?? false }, async () => {
        const { chainPem, keyPem } = await serves(pki, name)
        const leaf = Buffer.from(chainPem.split(/-----[^-]+-----/)[1] ?? '', 'base64')
        await using backend = await openForeign(stack, { chainPem, keyPem, ...server?.(pki, leaf) })
        assert.equal(await exchange(backend.port, pki.root.certificatePem, `${name}.lab.test`, gateway), traffic)
        const tls = tlsPlan(pki.root.certificatePem, `${name}.lab.test`, gateway)
        const diagnosis = await diagnoseBackend({ host: '127.0.0.1', port: backend.port }, tls)
        assert.equal(diagnosis.disagreement, '')
        assert.equal(diagnosis.verdict.code, verdict, diagnosis.verdict.summary)
        const codes = diagnosis.findings.map(({ code }) => code)
        for (const code of findings) assert.ok(codes.includes(code), `${code} is not among ${codes.join(', ')}`)
      })
    }
  })
}
