import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { revocationList } from '../../src/lab/revocation-list.ts'
import { createRoot } from '../../src/pki/make.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { Remedy } from '../../src/verdict/model.ts'
import { remediesFor } from '../../src/verdict/remedies.ts'
import { runCli } from '../cli/run-cli.ts'
import { context, diagnosed, leaf } from './cases.ts'

const unknown = (evidence: object, configFile = '/etc/postern.yaml'): readonly Remedy[] =>
  remediesFor(
    diagnosed('revocation-unknown', { at: 0, certificate: leaf, evidence: { ...evidence } }),
    context({ configFile, now: Date.now() }),
  )
const kinds = (remedies: readonly Remedy[]): readonly string[] => remedies.map(({ kind }) => kind)

describe('what to do where revocation is not known', () => {
  it('a list is for the gateway to get, from where the certificate says', () => {
    const remedies = unknown({ source: 'crl', state: 'missing', crlUrls: ['http://crl.corp.test/1.crl'] })
    assert.deepEqual(kinds(remedies), ['gateway', 'owner-message', 'exception'])
    const [first] = remedies
    assert.match(
      first?.action ?? '',
      /revocation list of "CN=Corp Issuing CA, O=Corp" .* publishes it at http:\/\/crl\.corp\.test\/1\.crl/,
    )
  })

  it('a staple is for the backend to show', () => {
    const remedies = unknown({ source: 'staple', state: 'missing' })
    assert.deepEqual(kinds(remedies), ['backend-chain', 'owner-message', 'exception'])
    assert.match(remedies[0]?.action ?? '', /switch OCSP stapling on/)
    assert.match(remedies[0]?.look[0] ?? '', /^openssl s_client .* -status </)
    assert.match(unknown({ source: 'staple', state: 'stale' })[0]?.action ?? '', /OCSP responder/)
  })

  it('the last resort gives up revocation alone, and the configuration is good after it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'postern-remedy-'))
    try {
      const root = await createRoot({ commonName: 'Corp Root' })
      await writeFile(join(directory, 'ca.pem'), root.certificatePem)
      await writeFile(join(directory, 'ca.crl'), revocationList(root, { now: new Date() }))
      for (const [source, settings] of [
        ['crl', 'revocation: crl, crls: [corp]'],
        ['staple', 'revocation: staple-required'],
      ] as const) {
        const file = join(directory, `${source}.yaml`)
        await writeFile(
          file,
          `listeners: [ { name: http, port: 8080 } ]
trustStores: { corp: { sources: [ { file: ca.pem } ] } }
crlStores: { corp: { sources: [ { file: ca.crl } ] } }
targets: { billing: { url: "https://billing.internal", tls: { trust: [corp], ${settings} } } }
`,
        )
        const last = unknown({ source, state: 'missing' }, file).at(-1)
        assert.equal(last?.weakens, true)
        const [command = ''] = last?.commands ?? []
        const [, ...words] = command.split(' ')
        const { code, err } = await runCli(words)
        assert.equal(code, 0, `${command}\n${err}`)
        const config = parse(readFileSync(file, 'utf8')) as { targets: { billing: { tls: object } } }
        assert.deepEqual(config.targets.billing.tls, { trust: ['corp'], revocation: 'off' })
        assert.equal((await resolveConfig(file, {})).ok, true)
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
