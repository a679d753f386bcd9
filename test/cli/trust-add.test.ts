import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { trustCommand } from '../../src/cli/trust.ts'
import { createIntermediate, createLeaf, createRoot, createSelfSigned, type Identity } from '../../src/pki/make.ts'
import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'
import { readBundle } from '../../src/x509/pem.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/* `postern trust add` takes one certificate, the one that was named, into one store: whole or not at all (I3). */

describe('postern trust add', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-trust-add-'))
  const at = (name: string): string => join(directory, name)
  const config = at('postern.yaml')
  const pki = {} as Record<'old' | 'root' | 'ica' | 'leaf' | 'ended', Certificate>
  let old: Identity
  let root: Identity

  before(async () => {
    old = await createRoot({ commonName: 'Old Root CA' })
    root = await createRoot({ commonName: 'New Root CA' })
    const ica = await createIntermediate(root, { commonName: 'New Issuing CA' })
    const leaf = await createLeaf(ica, { names: ['billing.internal'] })
    const day = 24 * 3_600_000
    const ended = await createRoot({
      commonName: 'Ended Root CA',
      notBefore: new Date(Date.now() - 3 * day),
      notAfter: new Date(Date.now() - day),
    })
    for (const [name, made] of Object.entries({ old, root, ica, leaf, ended })) {
      pki[name as keyof typeof pki] = parseCertificate(made.certificate)
    }
  })
  beforeEach(() => {
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory)
    writeFileSync(
      at('all.pem'),
      Object.values(pki)
        .map(({ pem }) => pem)
        .join('\n'),
    )
    writeFileSync(at('corp.pem'), `# ours, by hand\n${pki.old.pem}`)
    chmodSync(at('corp.pem'), 0o640)
    configure('{ sources: [ { file: ./corp.pem } ] } # mind the date')
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  it('adds the one with that fingerprint to the file of the store and keeps all that was in it', () => {
    const printed = execFileSync(
      process.execPath,
      [main, 'trust', 'add', '-c', config, '--store', 'corp', '--sha256', pki.root.sha256, '--file', at('all.pem')],
      { encoding: 'utf8' },
    )
    assert.match(printed, /^Added to trustStores\.corp: anchor "CN=New Root CA" \(SHA-256 [0-9A-F]{64}\)\n/)
    assert.match(printed, /1 -> 2 anchors/)
    assert.equal(readFileSync(at('corp.pem'), 'utf8'), `# ours, by hand\n${pki.old.pem}${pki.root.pem}`)
    assert.equal(statSync(at('corp.pem')).mode & 0o777, 0o640)
    assert.deepEqual(readdirSync(directory).sort(), ['all.pem', 'corp.pem', 'postern.yaml'])
  })

  it('adds nothing twice', async () => {
    await good('--sha256', pki.root.sha256, '--file', at('all.pem'))
    const once = readFileSync(at('corp.pem'), 'utf8')
    assert.match(await good('--sha256', pki.root.sha256, '--file', at('all.pem')), /has it already/)
    assert.equal(readFileSync(at('corp.pem'), 'utf8'), once)
  })

  it('reads fingerprints with colons, DER, and a key id where only that is known', async () => {
    writeFileSync(at('root.der'), pki.root.der)
    const colons = pki.root.sha256.toLowerCase().replaceAll(/(..)(?=.)/g, '$1:')
    await good('--sha256', colons, '--file', at('root.der'))
    assert.deepEqual(stored('corp.pem'), [pki.old.sha256, pki.root.sha256])
    await good('--as', 'intermediate', '--key-id', pki.ica.subjectKeyId ?? '', '--file', at('all.pem'))
    assert.deepEqual(stored('corp-intermediates.pem'), [pki.ica.sha256])
  })

  it('makes a file for intermediates where the store has none, and names it in the configuration alone', async () => {
    const before = readFileSync(config, 'utf8')
    await good('--as', 'intermediate', '--sha256', pki.ica.sha256, '--file', at('all.pem'))
    assert.equal(
      readFileSync(config, 'utf8'),
      before.replace('./corp.pem } ] }', './corp.pem } ], intermediates: [ { file: ./corp-intermediates.pem } ] }'),
    )
    assert.deepEqual(stored('corp.pem'), [pki.old.sha256])
  })

  it('puts a file into a directory, under a name that is free', async () => {
    mkdirSync(at('trust'))
    writeFileSync(at('trust/new-root-ca.pem'), pki.old.pem)
    configure('{ sources: [ { env: SSL_CERT_FILE, optional: true }, { directory: ./trust } ] }')
    await good('--sha256', pki.root.sha256, '--file', at('all.pem'))
    assert.deepEqual(readdirSync(at('trust')), [
      `new-root-ca-${pki.root.sha256.slice(0, 8).toLowerCase()}.pem`,
      'new-root-ca.pem',
    ])
  })

  it('touches no source that others own; says what to do, and does that when told', async () => {
    const inline = `{ sources: [ { bundled: true }, { inline: ${JSON.stringify(pki.old.pem)} } ] }`
    configure(inline)
    const before = readFileSync(config, 'utf8')
    const refused = await bad(1, '--sha256', pki.root.sha256, '--file', at('all.pem'))
    assert.match(
      refused,
      /no file or directory of its own, only the bundled roots, inline .*--new-file \.\/corp-new-root-ca\.pem/,
    )
    assert.equal(readFileSync(config, 'utf8'), before)
    await good('--sha256', pki.root.sha256, '--file', at('all.pem'), '--new-file', './corp-new-root-ca.pem')
    assert.match(readFileSync(config, 'utf8'), /, \{ file: \.\/corp-new-root-ca\.pem \} \] \}/)
    assert.deepEqual(stored('corp-new-root-ca.pem'), [pki.root.sha256])
  })

  it('pins a self-signed leaf and says that it has to be added anew', async () => {
    const certificate = parseCertificate((await createSelfSigned({ names: ['self.internal'] })).certificate)
    writeFileSync(at('leaf.pem'), certificate.pem)
    assert.match(await good('--sha256', certificate.sha256, '--file', at('leaf.pem')), /note: it is no CA: .*pinned/)
  })

  const unsuitable: readonly (readonly [what: string, args: () => readonly string[], why: RegExp])[] = [
    [
      'one that is not there, and says what is',
      () => ['--sha256', '00'.repeat(32)],
      /there is no certificate with the SHA-256 0{64} in \S+all\.pem; there is "CN=Old Root CA"/,
    ],
    ['one that has ended', () => ['--sha256', pki.ended.sha256], /"CN=Ended Root CA" ended .*--allow-expired/],
    [
      'an intermediate as an anchor',
      () => ['--sha256', pki.ica.sha256],
      /is not self-signed, so it anchors nothing in corp; add its root "CN=New Root CA", or .*--as intermediate/,
    ],
    ['a leaf as an intermediate', () => ['--as', 'intermediate', '--sha256', pki.leaf.sha256], /is no CA certificate/],
    [
      'a root as an intermediate',
      () => ['--as', 'intermediate', '--sha256', pki.root.sha256],
      /is self-signed: it would be an anchor/,
    ],
  ]
  for (const [what, args, why] of unsuitable) {
    it(`refuses ${what}, and writes nothing`, async () => {
      const before = everything()
      assert.match(await bad(1, '--file', at('all.pem'), ...args()), why)
      assert.deepEqual(everything(), before)
    })
  }

  it('adds one that has ended when told to, and under partialChain an intermediate as well', async () => {
    assert.match(await good('--sha256', pki.ended.sha256, '--file', at('all.pem'), '--allow-expired'), /note: it ended/)
    configure('{ sources: [ { file: ./corp.pem } ], partialChain: true }')
    await good('--sha256', pki.ica.sha256, '--file', at('all.pem'))
    assert.deepEqual(stored('corp.pem'), [pki.old.sha256, pki.ended.sha256, pki.ica.sha256])
  })

  it('refuses a file that it could not add to without a guess: DER', async () => {
    writeFileSync(at('corp.pem'), pki.old.der)
    assert.match(await bad(1, '--sha256', pki.root.sha256, '--file', at('all.pem')), /is not PEM/)
    assert.deepEqual(readFileSync(at('corp.pem')), pki.old.der)
  })

  it('refuses what would make the configuration bad: a store that cannot be loaded with it', async () => {
    writeFileSync(at('corp.pem'), `${pki.old.pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`)
    const before = everything()
    // the store was bad before; the change would not mend it, and does not pretend to
    const run = spawnSync(
      process.execPath,
      [main, 'trust', 'add', '-c', config, '--store', 'corp', '--sha256', pki.root.sha256, '--file', at('all.pem')],
      { encoding: 'utf8' },
    )
    assert.equal(run.status, 1, run.stdout)
    assert.deepEqual(everything(), before)
  })

  it('is not held up by a fault of something else, and does not hide it', async () => {
    const before = readFileSync(config, 'utf8')
    writeFileSync(
      config,
      before.replace('trustStores:\n', 'trustStores:\n  partners: { sources: [ { file: ./none.pem } ] }\n'),
    )
    await good('--sha256', pki.root.sha256, '--file', at('all.pem'))
    assert.deepEqual(stored('corp.pem'), [pki.old.sha256, pki.root.sha256])
  })

  it('leaves what Kubernetes mounts alone, file or directory, and says what to change instead', async () => {
    // as a kubelet lays a Secret out
    mkdirSync(at('volume/..2026_06_01'), { recursive: true })
    writeFileSync(at('volume/..2026_06_01/ca.crt'), pki.old.pem)
    symlinkSync('..2026_06_01', at('volume/..data'))
    symlinkSync('..data/ca.crt', at('volume/ca.crt'))
    for (const source of ['{ file: ./volume/ca.crt }', '{ directory: ./volume }']) {
      configure(`{ sources: [ ${source} ] }`)
      assert.match(
        await bad(1, '--sha256', pki.root.sha256, '--file', at('all.pem')),
        /is mounted from a Secret or ConfigMap/,
      )
    }
    assert.equal(readFileSync(at('volume/ca.crt'), 'utf8'), pki.old.pem)
    assert.deepEqual(readdirSync(at('volume')).sort(), ['..2026_06_01', '..data', 'ca.crt'])
  })

  it('mends a store that had no anchor', async () => {
    writeFileSync(at('corp.pem'), pki.ica.pem)
    await good('--sha256', pki.root.sha256, '--file', at('all.pem'))
    assert.deepEqual(stored('corp.pem'), [pki.ica.sha256, pki.root.sha256])
  })

  it('refuses a configuration with faults and an unknown store', async () => {
    assert.match(
      await bad(2, '--store', 'nobody', '--sha256', pki.root.sha256, '--file', at('all.pem')),
      /there is no such store .*there are corp/,
    )
    writeFileSync(config, 'listeners: []\n')
    assert.match(await bad(1, '--sha256', pki.root.sha256, '--file', at('all.pem')), /the configuration has faults\n/)
  })

  it('writes nothing on a dry run', async () => {
    const before = everything()
    assert.match(await good('--sha256', pki.root.sha256, '--file', at('all.pem'), '--dry-run'), /^Would add to/)
    assert.deepEqual(everything(), before)
  })

  it('asks for one certificate and one place', async () => {
    const file = ['--file', at('all.pem')]
    for (const args of [
      file,
      [...file, '--sha256', 'zz'],
      [...file, '--sha256', 'AABBCCDD'],
      ['--sha256', pki.root.sha256],
      [...file, '--known', '--sha256', pki.root.sha256],
      [...file, '--sha256', pki.root.sha256, '--key-id', 'AABBCCDD'],
      [...file, '--sha256', pki.root.sha256, '--as', 'root'],
    ]) {
      await bad(2, ...args)
    }
  })

  describe('from a URL, as certificates name their issuers', () => {
    let server: Server
    let url: string
    before(async () => {
      server = createServer((request, response) => response.end(request.url === '/root.cer' ? pki.root.der : 'nothing'))
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    })
    after(() => server.close())

    it('takes exactly the one that was named', async () => {
      await good('--sha256', pki.root.sha256, '--url', `${url}/root.cer`)
      assert.deepEqual(stored('corp.pem'), [pki.old.sha256, pki.root.sha256])
    })

    it('and nothing that is served in its place', async () => {
      const before = everything()
      assert.match(
        await bad(1, '--sha256', pki.ended.sha256, '--url', `${url}/root.cer`),
        /there is no certificate with the SHA-256/,
      )
      assert.match(await bad(1, '--sha256', pki.root.sha256, '--url', `${url}/else`), /no certificate is there/)
      assert.match(await bad(1, '--sha256', pki.root.sha256, '--url', 'file:///etc/passwd'), /only http is followed/)
      assert.deepEqual(everything(), before)
    })
  })

  it('trust export writes the one certificate as PEM, and nothing else', async () => {
    const printed = execFileSync(
      process.execPath,
      [main, 'trust', 'export', '--sha256', pki.ica.sha256, '--file', at('all.pem')],
      { encoding: 'utf8' },
    )
    assert.equal(printed, pki.ica.pem)
  })

  function configure(store: string): void {
    writeFileSync(
      config,
      `listeners:\n  - { name: http, port: 8080 }\ntrustStores:\n  corp: ${store}\ntargets:\n  billing: { url: https://billing.internal, tls: { trust: [corp] } }\nproxies:\n  billing: { basePath: /, target: billing }\n`,
    )
  }

  async function run(args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
    let out = ''
    let err = ''
    const store = args.includes('--store') ? [] : ['--store', 'corp']
    const io = { stdout: (text: string) => void (out += text), stderr: (text: string) => void (err += text) }
    const status = await trustCommand(['add', '-c', config, ...store, ...args], io, new AbortController().signal)
    return { status, out, err }
  }

  async function good(...args: readonly string[]): Promise<string> {
    const { status, out, err } = await run(args)
    assert.equal(status, 0, err)
    return out
  }

  async function bad(expected: number, ...args: readonly string[]): Promise<string> {
    const { status, out, err } = await run(args)
    assert.equal(status, expected, out + err)
    return err
  }

  function stored(name: string): readonly string[] {
    return readBundle(readFileSync(at(name)), name).certificates.map(({ sha256 }) => sha256)
  }

  /** Names and contents of all files. */
  function everything(): Readonly<Record<string, string>> {
    return Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(at(name)).toString('latin1')]))
  }
})
