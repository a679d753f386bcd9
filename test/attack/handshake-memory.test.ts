import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createIntermediate, createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTlsBackend } from '../support/tls-backend.ts'

/*
 * I10: what a handshake leaves behind outside of the heap adds up for as long as the gateway runs (docs/decisions/0008). Each
 * certificate that is lost takes two KiB and more.
 */

const root = await createRoot({ commonName: 'Memory Root' })
const issuing = await createIntermediate(root, { commonName: 'Memory Issuing' })
const leaf = await createLeaf(issuing, { names: ['memory.test'] })

for (const [what, anchor] of [
  ['verified', root.certificatePem],
  ['refused', (await createRoot({ commonName: 'Other Root' })).certificatePem],
] as const) {
  it(`a handshake that is ${what} leaves no certificate behind`, async () => {
    await using backend = await startTlsBackend({ identity: leaf, remember: false })
    const child = fork(fileURLToPath(new URL('handshake-memory.ts', import.meta.url)), {
      // A young generation that grows on the way, as V8 lets it, would be taken for what is looked for.
      execArgv: ['--expose-gc', '--min-semi-space-size=16', '--max-semi-space-size=16'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    try {
      child.send({ port: backend.port, anchor, refused: what === 'refused' })
      const [{ bytesEach }] = (await once(child, 'message')) as [{ bytesEach: number }]
      assert.ok(bytesEach < 1500, `${Math.round(bytesEach)} bytes for each handshake`)
    } finally {
      child.kill('SIGKILL')
    }
  })
}
