import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Resolver } from '../../src/dial/resolver.ts'
import { compare, dialParity, expectParity, type ParityCase, ParityRig } from './expect-parity.ts'
import { startOpensslServer } from './openssl-server.ts'

interface SuiteCase {
  readonly id: string
  readonly trusted: readonly string[]
  readonly intermediates: readonly string[]
  readonly leaf: string
  readonly leafKey?: string
  readonly name?: { readonly value: string }
}

const file = new URL('../../../shared/suites/limbo.json', import.meta.url)
const skip = existsSync(file) ? false : 'skipped: no shared/suites'

/** Cases that can be served live. What they say about time does not matter here: both sides are asked now. */
function liveCases(): readonly ParityCase[] {
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { readonly cases: readonly SuiteCase[] }
  return cases.flatMap(({ id, trusted, intermediates, leaf, leafKey, name }): ParityCase[] => {
    if (leafKey === undefined) return []
    const plain = {
      what: id,
      served: [leaf, ...intermediates].map(derOf),
      leafKey: createPrivateKey(leafKey),
      anchors: trusted.map(derOf),
      names: name === undefined ? [] : [name.value],
      skipName: name === undefined,
    }
    return [plain, { ...plain, what: `${id}, partial chain`, partialChain: true }]
  })
}

test('judge and handshake agree about every case of the suite that can be served', { skip }, async (t) => {
  await using rig = await ParityRig.start()
  const wrong: string[] = []
  const cases = liveCases()
  assert.ok(cases.length >= 200, `${cases.length} cases`)
  for (const it of cases) await expectParity(it, rig).catch((error: unknown) => wrong.push(String(error)))
  t.diagnostic(`${cases.length} cases`)
  assert.deepEqual(wrong, [])
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`judge and handshake agree about every case that OpenSSL itself serves over ${version}`, { skip }, async (t) => {
    await using server = await startOpensslServer()
    const resolver = new Resolver()
    const wrong: string[] = []
    const unserved: string[] = []
    let compared = 0
    for (const it of liveCases()) {
      try {
        server.present(it.served, it.leafKey)
      } catch {
        unserved.push(it.what)
        continue
      }
      const handshake = await dialParity(it, server.port, { minVersion: version, maxVersion: version }, resolver)
      if (server.refusal !== '') {
        unserved.push(`${it.what}: ${server.refusal}`)
        continue
      }
      compared += 1
      try {
        compare({ ...it, protocol: version }, handshake)
      } catch (error) {
        wrong.push(String(error))
      }
    }
    resolver.close()
    t.diagnostic(`${compared} cases, ${unserved.length} not served: ${unserved.join('; ')}`)
    assert.deepEqual(wrong, [])
    assert.ok(compared >= 200)
  })
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
