import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { PosternError } from '../../src/core/errors.ts'
import type { Environment, SourceSpec } from '../../src/trust/source.ts'
import { loadTrustStore, type TrustStore, type TrustStoreSpec, trustStorePaths } from '../../src/trust/store.ts'
import { daysFromNow, type Made, make, makeChain } from './pki.ts'

const { root, intermediate, leaf } = await makeChain()
const other = await make('CN=Other Root', { ca: true })
const base = mkdtempSync(join(tmpdir(), 'postern-trust-'))
after(() => rmSync(base, { recursive: true, force: true }))

const inline = (...made: readonly Made[]): SourceSpec => ({ kind: 'inline', pem: made.map(({ pem }) => pem).join('') })
const subjects = (store: TrustStore): { anchors: string[]; intermediates: string[] } => ({
  anchors: store.anchors.map(nameOf),
  intermediates: store.intermediates.map(nameOf),
})
const nameOf = ({ sha256 }: { sha256: string }): string =>
  Object.entries({ root, intermediate, leaf, other }).find(([, made]) => made.certificate.sha256 === sha256)?.[0] ??
  'unknown'

const load = (spec: Partial<TrustStoreSpec>, env: Environment = {}): TrustStore =>
  loadTrustStore({ name: 'corp', sources: [], intermediates: [], partialChain: false, ...spec }, env)

function refused(spec: Partial<TrustStoreSpec>, env: Environment = {}): PosternError {
  try {
    load(spec, env)
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error))
    assert.match(error.message, /^trust store "corp"/)
    return error
  }
  return assert.fail('the store was accepted')
}

let count = 0
function directory(files: Readonly<Record<string, string | Buffer>>): string {
  count += 1
  const path = join(base, `d${count}`)
  mkdirSync(path)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
  return path
}

test('self-signed certificates anchor, everything else in sources only helps, and a finding says so', () => {
  const store = load({ sources: [inline(leaf, intermediate, root)] })
  assert.deepEqual(subjects(store), { anchors: ['root'], intermediates: ['leaf', 'intermediate'] })
  const told = store.findings.filter(({ code }) => code === 'not-an-anchor')
  assert.deepEqual(
    told.map(({ subject }) => subject),
    ['CN=backend.test', 'CN=Test Issuing, O=Postern, C=DE'],
  )
  assert.deepEqual(told[1]?.provenance, { source: 'inline', path: null, index: 2 })
  assert.match(told[1]?.message ?? '', /its issuer is "CN=Test Root, O=Postern, C=DE"/)
})

test('under partialChain every entry of sources anchors', () => {
  const store = load({ sources: [inline(leaf, intermediate, root)], partialChain: true })
  assert.deepEqual(subjects(store), { anchors: ['leaf', 'intermediate', 'root'], intermediates: [] })
  assert.deepEqual(
    store.findings.map(({ code, severity }) => [code, severity]),
    [['leaf-as-anchor', 'info']],
  )
})

test('a root among the intermediates helps nobody: the runtime would anchor it', () => {
  const store = load({ sources: [inline(root)], intermediates: [inline(intermediate, other)] })
  assert.deepEqual(subjects(store), { anchors: ['root'], intermediates: ['intermediate'] })
  assert.deepEqual(
    store.findings.map(({ code }) => code),
    ['root-among-intermediates'],
  )
  assert.deepEqual(
    store.entries.map(({ role }) => role),
    ['anchor', 'intermediate', 'left-out'],
  )
})

test('a certificate that only looks self-signed is left out of both lists', async () => {
  const fake = await make(root.name, { ca: true, issuer: root, keyIds: false })
  const asSource = load({ sources: [inline(root, fake)], partialChain: true })
  assert.deepEqual([asSource.anchors.length, asSource.intermediates.length], [1, 0])
  assert.deepEqual(
    asSource.findings.map(({ code }) => code),
    ['bad-self-signature'],
  )
  const asHelper = load({ sources: [inline(root)], intermediates: [inline(fake)] })
  assert.deepEqual(
    asHelper.findings.map(({ code }) => code),
    ['root-among-intermediates'],
  )
  assert.equal(refused({ sources: [inline(fake)] }).code, 'trust-store-empty')
})

test('a store without an anchor is refused and says what it holds and what to do', () => {
  const error = refused({ sources: [inline(leaf, intermediate)] })
  assert.equal(error.code, 'trust-store-empty')
  assert.match(error.message, /only "CN=backend.test", "CN=Test Issuing, O=Postern, C=DE"/)
  assert.match(error.message, /add the root "CN=Test Root, O=Postern, C=DE", or set partialChain: true/)
  assert.match(refused({}).message, /none of its sources yields one/)
  assert.match(
    refused({ sources: [{ kind: 'env', name: 'SSL_CERT_FILE', optional: true }] }).message,
    /none of its sources/,
  )
})

test('a file is read with its provenance, and a fault names store, file, position and reason', () => {
  const path = join(directory({ 'ca.pem': intermediate.pem + root.pem }), 'ca.pem')
  const store = load({ sources: [{ kind: 'file', path }] })
  assert.deepEqual(
    store.entries.map(({ provenance }) => provenance),
    [
      { source: `file ${path}`, path, index: 1 },
      { source: `file ${path}`, path, index: 2 },
    ],
  )
  assert.deepEqual(store.watch, [path])
  writeFileSync(path, root.pem + intermediate.pem.slice(0, 200))
  const error = refused({ sources: [{ kind: 'file', path }] })
  assert.match(
    error.message,
    /ca\.pem, certificate 2 \(line \d+\): BEGIN CERTIFICATE is followed by the end of the text/,
  )
  assert.deepEqual([error.evidence['store'], error.evidence['source'], error.evidence['index']], ['corp', path, 2])
})

const badFiles: readonly { name: string; path: () => string; reason: RegExp }[] = [
  { name: 'a missing file', path: () => join(base, 'missing.pem'), reason: /does not exist/ },
  { name: 'a directory given as a file', path: () => directory({}), reason: /is a directory, not a file/ },
  { name: 'a device', path: () => '/dev/zero', reason: /not a regular file/ },
  { name: 'an empty file', path: () => join(directory({ 'a.pem': '' }), 'a.pem'), reason: /is empty/ },
  { name: 'a private key', path: () => join(directory({ 'a.pem': root.key }), 'a.pem'), reason: /private key/ },
]
for (const { name, path, reason } of badFiles) {
  test(`${name} as a source is refused`, () => {
    assert.match(refused({ sources: [inline(root), { kind: 'file', path: path() }] }).message, reason)
  })
}

test('in a directory every file name counts; dot-files and sub-directories do not', () => {
  const path = directory({ 'a.txt': root.pem, noending: other.certificate.der, '.hidden': 'garbage' })
  mkdirSync(join(path, 'sub'))
  writeFileSync(join(path, 'sub', 'x.pem'), 'garbage')
  const store = load({ sources: [{ kind: 'directory', path }] })
  assert.deepEqual(subjects(store).anchors, ['root', 'other'])
  assert.deepEqual(
    store.ignored.map(({ path: where, what }) => [where, what]),
    [[join(path, 'sub'), 'directory']],
  )
  assert.deepEqual(store.watch, [path])
})

test('a mounted Secret is read once, through its links', () => {
  const path = directory({})
  mkdirSync(join(path, '..2024'))
  writeFileSync(join(path, '..2024', 'root.crt'), root.pem)
  writeFileSync(join(path, '..2024', 'other.crt'), other.pem)
  symlinkSync('..2024', join(path, '..data'))
  for (const name of ['root.crt', 'other.crt']) symlinkSync(join('..data', name), join(path, name))
  symlinkSync('root.crt', join(path, '0a1b2c3d.0'))
  const store = load({ sources: [{ kind: 'directory', path }] })
  assert.deepEqual(subjects(store).anchors, ['root', 'other'])
  assert.deepEqual(store.findings, [])
  assert.deepEqual(
    store.ignored.map(({ what }) => what),
    ['link'],
  )
})

test('a directory with anything that is no certificate is refused, as is one that is empty or missing', () => {
  const source = (path: string): Partial<TrustStoreSpec> => ({ sources: [{ kind: 'directory', path }] })
  const path = directory({ 'a.pem': root.pem, README: 'these are our roots' })
  assert.match(refused(source(path)).message, /README: holds no certificate/)
  assert.match(refused(source(directory({ '.x': 'x' }))).message, /holds no file/)
  assert.match(refused(source(join(base, 'nowhere'))).message, /does not exist/)
  assert.match(refused(source(join(path, 'a.pem'))).message, /is a file, not a directory/)
  symlinkSync('gone', join(path, 'z.pem'))
  rmSync(join(path, 'README'))
  assert.match(refused(source(path)).message, /z\.pem is a link to nothing/)
})

test('SSL_CERT_FILE and SSL_CERT_DIR are read; unset is an error unless optional', () => {
  const [one, two] = [directory({ 'a.pem': root.pem }), directory({ 'b.pem': other.pem })]
  const file: SourceSpec = { kind: 'env', name: 'SSL_CERT_FILE', optional: false }
  const dirs: SourceSpec = { kind: 'env', name: 'SSL_CERT_DIR', optional: false }
  const env = { SSL_CERT_FILE: join(one, 'a.pem'), SSL_CERT_DIR: `${one}::${two}` }
  assert.deepEqual(subjects(load({ sources: [file] }, env)).anchors, ['root'])
  const store = load({ sources: [dirs] }, env)
  assert.deepEqual(
    [subjects(store).anchors, store.watch],
    [
      ['root', 'other'],
      [one, two],
    ],
  )
  assert.deepEqual(store.entries[0]?.provenance, { source: 'env SSL_CERT_DIR', path: join(one, 'a.pem'), index: 1 })
  assert.match(refused({ sources: [file] }).message, /SSL_CERT_FILE is not set/)
  assert.match(refused({ sources: [dirs] }, { SSL_CERT_DIR: '' }).message, /SSL_CERT_DIR is not set/)
  assert.match(refused({ sources: [file] }, { SSL_CERT_FILE: join(base, 'no') }).message, /does not exist/)
  assert.equal(load({ sources: [inline(root), { ...file, optional: true }] }).anchors.length, 1)
  assert.match(
    refused({ sources: [inline(root), { ...file, optional: true }] }, { SSL_CERT_FILE: join(base, 'no') }).message,
    /does not/,
  )
})

test('the system store is lenient, but not empty, and each variable replaces its own half', () => {
  const certs = directory({ 'a.pem': root.pem, README: 'text', 'key.pem': root.key })
  const bundle = directory({ 'bundle.crt': other.pem })
  const systemPlaces = {
    files: [join(base, 'none'), join(bundle, 'bundle.crt')],
    directories: [certs, join(base, 'nodir')],
  }
  const system = (env: Environment): TrustStore =>
    loadTrustStore({ name: 'corp', sources: [{ kind: 'system' }], intermediates: [], partialChain: false }, env, {
      systemPlaces,
    })
  const store = system({})
  assert.deepEqual(subjects(store).anchors, ['other', 'root'])
  assert.deepEqual(
    store.ignored.map(({ what }) => what),
    ['text', 'no-certificate', 'private-key'],
  )
  assert.deepEqual(store.watch, [join(bundle, 'bundle.crt'), certs])
  const mine = directory({ 'mine.pem': intermediate.pem + root.pem })
  assert.deepEqual(subjects(system({ SSL_CERT_FILE: join(mine, 'mine.pem') })), {
    anchors: ['root'],
    intermediates: ['intermediate'],
  })
  assert.deepEqual(subjects(system({ SSL_CERT_DIR: mine })).anchors, ['other', 'root'])
  assert.throws(() => system({ SSL_CERT_FILE: join(base, 'no') }), /does not exist/)
  const nothing = directory({ README: 'text' })
  const empty = { files: [], directories: [nothing] }
  assert.throws(
    () =>
      loadTrustStore(
        { name: 'corp', sources: [{ kind: 'system' }], intermediates: [], partialChain: false },
        {},
        { systemPlaces: empty },
      ),
    /the system has no certificates/,
  )
})

test("the runtime's own roots are a source", () => {
  const store = load({ sources: [{ kind: 'bundled' }] })
  assert.ok(store.anchors.length > 50)
  assert.deepEqual([store.intermediates.length, store.watch.length], [0, 0])
})

test('what to watch is known for a store that cannot be loaded', () => {
  const path = join(base, 'later.pem')
  const spec: TrustStoreSpec = {
    name: 'corp',
    sources: [
      { kind: 'file', path },
      { kind: 'env', name: 'SSL_CERT_DIR', optional: true },
    ],
    intermediates: [{ kind: 'directory', path: join(base, 'later') }],
    partialChain: false,
  }
  assert.deepEqual(trustStorePaths(spec, { SSL_CERT_DIR: '/x:/y' }), [path, '/x', '/y', join(base, 'later')])
})

const lints: readonly { name: string; made: () => Promise<Made[]>; codes: readonly [string, string][] }[] = [
  { name: 'a sound root', made: async () => [other], codes: [] },
  {
    name: 'a leaf',
    made: async () => [await make('CN=pin', { dns: ['a.test'] })],
    codes: [['leaf-as-anchor', 'warning']],
  },
  {
    name: 'a root without basicConstraints',
    made: async () => [await make('CN=old', { constraints: 'none' })],
    codes: [['no-basic-constraints', 'warning']],
  },
  {
    name: 'an expired root',
    made: async () => [await make('CN=x', { ca: true, notBefore: daysFromNow(-9), notAfter: daysFromNow(-1) })],
    codes: [['expired', 'error']],
  },
  {
    name: 'a root of tomorrow',
    made: async () => [await make('CN=x', { ca: true, notBefore: daysFromNow(1) })],
    codes: [['not-yet-valid', 'error']],
  },
  {
    name: 'a root that ends within 30 days',
    made: async () => [await make('CN=x', { ca: true, notAfter: daysFromNow(29) })],
    codes: [['expires-soon', 'warning']],
  },
  {
    name: 'an RSA key of 1024 bits',
    made: async () => [await make('CN=x', { ca: true, kind: 'rsa-1024' })],
    codes: [['weak-key', 'error']],
  },
  {
    name: 'a root signed with SHA-1, which nobody checks',
    made: async () => [await make('CN=x', { ca: true, hash: 'SHA-1' })],
    codes: [],
  },
  {
    name: 'an intermediate signed with SHA-1',
    made: async () => [other, await make('CN=x', { ca: true, issuer: other, hash: 'SHA-1' })],
    codes: [
      ['not-an-anchor', 'info'],
      ['weak-signature', 'error'],
    ],
  },
  {
    name: 'an intermediate whose root is in another store',
    made: async () => [other, await make('CN=x', { ca: true, issuer: await make('CN=elsewhere', { ca: true }) })],
    codes: [['not-an-anchor', 'warning']],
  },
  {
    name: 'an intermediate of an intermediate, before its root',
    made: async () => {
      const upper = await make('CN=upper', { ca: true, issuer: other })
      return [await make('CN=lower', { ca: true, issuer: upper }), upper, other]
    },
    codes: [
      ['not-an-anchor', 'info'],
      ['not-an-anchor', 'info'],
    ],
  },
  {
    name: 'a server certificate among roots',
    made: async () => [other, await make('CN=leaf', { issuer: other })],
    codes: [['not-an-anchor', 'warning']],
  },
  {
    name: 'two roots of one name',
    made: async () => [other, await make(other.name, { ca: true })],
    codes: [['same-name-different-key', 'info']],
  },
  {
    name: 'one root renewed with its key',
    made: async () => [other, await make(other.name, { ca: true, keys: other.keys })],
    codes: [],
  },
]
for (const { name, made, codes } of lints) {
  test(`the lint on ${name}: ${codes.map(([code]) => code).join(', ') || 'nothing'}`, async () => {
    const store = load({ sources: [inline(...(await made()))] })
    assert.deepEqual(
      store.findings.map(({ code, severity }) => [code, severity]),
      codes,
    )
    for (const { sha256, message } of store.findings) assert.ok(sha256.length === 64 && message.startsWith('"'))
  })
}

test('the same certificate from two sources counts once, and a finding names both', () => {
  const path = directory({ 'a.pem': root.pem })
  const store = load({ sources: [inline(root), { kind: 'directory', path }] })
  assert.deepEqual(subjects(store).anchors, ['root'])
  assert.deepEqual(
    store.findings.map(({ code }) => code),
    ['duplicate'],
  )
  assert.match(store.findings[0]?.message ?? '', /inline, certificate 1 and directory .*a\.pem, certificate 1/)
})

test('time is injectable', () => {
  const clock = (): number => root.certificate.notAfter + 5000
  const spec: TrustStoreSpec = { name: 'corp', sources: [inline(root)], intermediates: [], partialChain: false }
  assert.deepEqual(
    loadTrustStore(spec, {}, { clock }).findings.map(({ code }) => code),
    ['expired'],
  )
})
