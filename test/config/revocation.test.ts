import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { resolveConfig } from '../../src/config/resolve.ts'
import { revocationList } from '../../src/lab/revocation-list.ts'
import { createIntermediate, createRoot } from '../../src/pki/make.ts'
import type { TargetPlan } from '../../src/proxy/plan.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { makeList } from '../parity/make-list.ts'
import { authorityKeyId, extension } from '../parity/make-certificate.ts'
import { tlv } from '../x509/der-make.ts'

const directory = await mkdtemp(join(tmpdir(), 'postern-crls-'))
after(() => rm(directory, { recursive: true, force: true }))

const now = new Date()
const root = await createRoot({ commonName: 'Corp Root', now })
const other = await createRoot({ commonName: 'Other Root', now })
const issuing = await createIntermediate(root, { commonName: 'Corp Issuing', now })
const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64')
const list = (change: object = {}, issuer = root): string => revocationList(issuer, { now, ...change })
// Signatures differ from one to the next: this is one list in several forms.
const rootList = list()
const odd = (...extensions: readonly Buffer[]): Buffer =>
  makeList({ issuer: 'Corp Root', signer: 'p256:any', extensions })

await mkdir(join(directory, 'lists'))
await mkdir(join(directory, 'none'))
for (const [name, content] of Object.entries({
  'root.pem': root.certificatePem,
  'partial.pem': issuing.certificatePem,
  'root-and-issuing.pem': root.certificatePem + issuing.certificatePem,
  'both-roots.pem': root.certificatePem + other.certificatePem,
  'root.crl': rootList,
  'root-again.crl': `text\n${rootList.replaceAll('\n', '\r\n')}`,
  'newer.crl': list({ number: 2 }),
  'root.der': derOf(rootList),
  'issuing.crl': list({}, issuing),
  'two.crl': list() + list({}, issuing),
  'lists/any name': list(),
  'lists/other': derOf(list({}, issuing)),
  'ended.crl': list({ from: -9, until: -5 }),
  'soon.crl': list({ from: -99, until: 1 }),
  'future.crl': list({ from: 5 }),
  'endless.crl': makeList({ issuer: 'Corp Root', signer: 'p256:any', until: null }),
  'delta.crl': odd(extension('551d1b', tlv(0x02, '\x01'), true)),
  'indirect.crl': odd(extension('551d1c', tlv(0x30, tlv(0x84, '\xff')), true)),
  'unreadable.crl': odd(extension('551d23', tlv(0x30, tlv(0x80)).subarray(0, 2)), authorityKeyId('a')),
  'broken.crl': '-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n',
})) {
  await writeFile(join(directory, name), content)
}

interface Asked {
  readonly sources?: string
  readonly trust?: string
  readonly tls?: string
  readonly targets?: string
}

let files = 0
async function resolve({
  sources = '[ { file: root.crl } ]',
  trust = '{ sources: [ { file: root.pem } ] }',
  ...more
}: Asked) {
  const tls = more.tls ?? '{ trust: [corp], revocation: crl, crls: [corp] }'
  const targets = more.targets ?? `billing: { url: "https://billing.test", tls: ${tls} }`
  const file = join(directory, `c${files++}.yaml`)
  await writeFile(
    file,
    `listeners: [ { name: http, port: 8080 } ]
trustStores: { corp: ${trust} }
crlStores: { corp: { sources: ${sources} } }
targets: { ${targets} }
`,
  )
  return resolveConfig(file, {}, now.getTime())
}

async function targetsOf(asked: Asked): Promise<readonly TargetPlan[]> {
  const resolved = await resolve(asked)
  assert.ok(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.problems))
  return resolved.plan.targets
}

async function planOf(asked: Asked) {
  const [target] = await targetsOf(asked)
  assert.ok(target?.tls)
  return target.tls
}

async function listsOf(asked: Asked): Promise<readonly string[]> {
  const { revocation } = await planOf(asked)
  assert.equal(revocation.mode, 'crl')
  return revocation.mode === 'crl' ? revocation.crls : []
}

const issuersOf = (pems: readonly string[]): readonly string[] =>
  pems.map((pem) => /Corp (?:Root|Issuing)/.exec(parseCrl(derOf(pem)).der.toString('latin1'))?.[0] ?? '').sort()

describe('CRL stores', () => {
  it('take lists in PEM and DER from files, directories and the file itself, each once', async () => {
    for (const sources of [
      '[ { file: two.crl } ]',
      '[ { file: root.der }, { file: issuing.crl } ]',
      '[ { directory: lists } ]',
      `[ { inline: ${JSON.stringify(list() + list({}, issuing))} } ]`,
    ]) {
      assert.deepEqual(issuersOf(await listsOf({ sources })), ['Corp Issuing', 'Corp Root'], sources)
    }
    assert.equal(
      (await listsOf({ sources: '[ { file: root.crl }, { file: root-again.crl }, { file: root.der } ]' })).length,
      1,
    )
  })

  it('are read once for all targets that go by them, and in no order of their own', async () => {
    const tls = '{ trust: [corp], revocation: crl, crls: [corp] }'
    const [one, two] = await targetsOf({
      targets: `a: { url: "https://a.test", tls: ${tls} }, b: { url: "https://b.test", tls: ${tls} }`,
    })
    const crls = [one, two].map((target) =>
      target?.tls?.revocation.mode === 'crl' ? target.tls.revocation.crls : null,
    )
    assert.ok(crls[0] !== null && crls[0] === crls[1])
    const forth = await listsOf({ sources: '[ { file: root.crl }, { file: issuing.crl } ]' })
    assert.deepEqual(await listsOf({ sources: '[ { file: issuing.crl }, { file: root.crl } ]' }), forth)
  })

  it('are part of the snapshot by their bytes: another list is another trust (I2)', async () => {
    const { snapshotId } = await planOf({})
    assert.equal((await planOf({ sources: '[ { file: root.der } ]' })).snapshotId, snapshotId)
    assert.notEqual((await planOf({ sources: '[ { file: newer.crl } ]' })).snapshotId, snapshotId)
    const off = await planOf({ tls: '{ trust: [corp] }' })
    const staple = await planOf({ tls: '{ trust: [corp], revocation: staple-required }' })
    assert.deepEqual([off.revocation, staple.revocation], [{ mode: 'off' }, { mode: 'staple-required' }])
    assert.equal(new Set([snapshotId, off.snapshotId, staple.snapshotId]).size, 3)
  })

  it('are watched, also while they cannot be read', async () => {
    for (const sources of [
      '[ { file: root.crl }, { directory: lists } ]',
      '[ { file: root.crl }, { file: broken.crl }, { directory: lists } ]',
    ]) {
      const { watch } = await resolve({ sources })
      for (const name of ['root.crl', 'lists']) assert.ok(watch.includes(join(directory, name)), name)
    }
  })

  const refused: readonly (readonly [string, Asked, RegExp])[] = [
    [
      'a list that is cut off',
      { sources: '[ { file: root.crl }, { file: broken.crl } ]' },
      /^crlStores\.corp\.sources\[1\] file .*broken\.crl: block of line 1: /,
    ],
    [
      'a certificate',
      { sources: '[ { file: root.pem } ]' },
      /^crlStores\.corp\.sources\[0\] .*holds no revocation list/,
    ],
    [
      'a file that is not there',
      { sources: '[ { file: gone.crl } ]' },
      /^crlStores\.corp\.sources\[0\] .*does not exist/,
    ],
    ['an empty directory', { sources: '[ { directory: none } ]' }, /^crlStores\.corp\.sources\[0\] .*no file/],
    [
      'an extension that cannot be read',
      { sources: '[ { file: unreadable.crl } ]' },
      /^crlStores\.corp\.sources\[0\] .*Corp Root/,
    ],
    [
      'nothing but a delta list',
      { sources: '[ { file: delta.crl } ]' },
      /^crlStores\.corp CRL store "corp" has none that is used: .* is a delta list/,
    ],
    [
      'an anchor that is no root',
      { trust: '{ sources: [ { file: partial.pem } ], partialChain: true }' },
      /^targets\.billing\.tls\.revocation "Corp Issuing" is trusted as an anchor and is not self-signed/,
    ],
  ]
  for (const [what, asked, problem] of refused) {
    it(`refuse ${what}, and say where`, async () => {
      const resolved = await resolve(asked)
      assert.equal(resolved.ok, false)
      const [first] = resolved.ok ? [] : resolved.problems
      assert.match(`${first?.path} ${first?.message}`, problem)
      assert.notEqual(first?.instead, '')
    })
  }

  const findings: readonly (readonly [string, Asked, RegExp | null])[] = [
    ['current lists', {}, null],
    [
      'one that has ended',
      { sources: '[ { file: ended.crl } ]' },
      /^crlStores\.corp error crl-ended: .*ended\.crl: the list of "CN=Corp Root[^"]*" ended \d{4}/,
    ],
    [
      'one that ends soon',
      { sources: '[ { file: soon.crl } ]' },
      /^crlStores\.corp warning crl-ends-soon: .* ends \d{4}/,
    ],
    [
      'one that is not valid yet',
      { sources: '[ { file: future.crl } ]' },
      /^crlStores\.corp error crl-not-yet-valid: .* not valid before/,
    ],
    [
      'one without an end',
      { sources: '[ { file: endless.crl } ]' },
      /^crlStores\.corp warning crl-without-end: .*nextUpdate/,
    ],
    [
      'a delta list beside it',
      { sources: '[ { file: root.crl }, { file: delta.crl } ]' },
      /^crlStores\.corp error crl-not-used: .*delta list.* left out/,
    ],
    [
      'an indirect one beside it',
      { sources: '[ { file: root.crl }, { file: indirect.crl } ]' },
      /^crlStores\.corp error crl-not-used: .*indirect list/,
    ],
    [
      'one of a CA that the target does not hold',
      { sources: '[ { file: two.crl } ]' },
      /^targets\.billing\.tls\.crls info crl-of-nobody: .*"Corp Issuing" is of no CA/,
    ],
    [
      'none of the only root',
      { sources: '[ { file: issuing.crl } ]' },
      /^targets\.billing\.tls\.crls error crl-missing: no list of "Corp Root": every path to that root is refused/,
    ],
    [
      'none of an intermediate of the store',
      { trust: '{ sources: [ { file: root-and-issuing.pem } ] }' },
      /^targets\.billing\.tls\.crls warning crl-missing: no list of "Corp Issuing": every path through that CA is refused/,
    ],
    [
      'one of each CA of the store',
      { trust: '{ sources: [ { file: root-and-issuing.pem } ] }', sources: '[ { file: two.crl } ]' },
      null,
    ],
    [
      'none of one of two roots',
      { trust: '{ sources: [ { file: both-roots.pem } ] }' },
      /^targets\.billing\.tls\.crls warning crl-missing: no list of "Other Root"/,
    ],
  ]
  for (const [what, asked, expected] of findings) {
    it(`${what}: ${expected === null ? 'nothing to say' : 'said'}`, async () => {
      const resolved = await resolve(asked)
      assert.ok(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.problems))
      const told = resolved.findings
        .filter(({ code }) => code.startsWith('crl-'))
        .map(({ path, severity, code, message }) => `${path} ${severity} ${code}: ${message}`)
      if (expected === null) assert.deepEqual(told, [])
      else
        assert.ok(
          told.some((line) => expected.test(line)),
          told.join('\n'),
        )
    })
  }

  it('leave out of the plan what no handshake uses', async () => {
    assert.equal(
      (await listsOf({ sources: '[ { file: root.crl }, { file: delta.crl }, { file: indirect.crl } ]' })).length,
      1,
    )
  })
})
