import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { parse, stringify } from 'yaml'
import { trustWhatIf } from '../../src/cli/trust-what-if.ts'
import { validateCommand } from '../../src/cli/validate.ts'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { parseCertificate, toPem } from '../../src/x509/certificate.ts'
import { runCli } from './run-cli.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'

/* A CA is rolled over: who would notice, who still hangs on the old root, and may it go? */

const directory = await mkdtemp(join(tmpdir(), 'postern-what-if-'))
const backends: TlsBackend[] = []
after(async () => {
  await Promise.all(backends.map((backend) => backend[Symbol.asyncDispose]()))
  await rm(directory, { recursive: true, force: true })
})
const path = (name: string): string => join(directory, name)
const day = (offset: number): Date => new Date(Date.now() + offset * 86_400_000)

const oldRoot = await createRoot({ commonName: 'Old Root', notAfter: day(400) })
const newRoot = await createRoot({ commonName: 'New Root', notAfter: day(4000) })
const spareRoot = await createRoot({ commonName: 'Spare Root' })
const issuing = await createIntermediate(oldRoot, { commonName: 'Issuing CA', notAfter: day(300) })
// The usual way of a rollover: the new root vouches for the old one, and servers send that along.
const crossRoot = await createIntermediate(newRoot, { commonName: 'Old Root', key: oldRoot.keys, notAfter: day(300) })
// Another way, which OpenSSL does not follow: it takes the first served issuer that fits, and no other.
const crossIssuing = await createIntermediate(newRoot, {
  commonName: 'Issuing CA',
  key: issuing.keys,
  notAfter: day(300),
})
const leaf = (issuer: Identity): Promise<Identity> => createLeaf(issuer, { names: ['127.0.0.1'], notAfter: day(200) })

const both = await leaf(issuing)
const served = {
  old: await leaf(oldRoot),
  both: { ...both, chainPem: both.chainPem + crossRoot.certificatePem },
  twin: { ...both, chainPem: both.chainPem + crossIssuing.certificatePem },
  new: await leaf(newRoot),
  bare: { ...both, chainPem: both.certificatePem },
}
const url: Record<string, string> = {}
for (const [name, identity] of Object.entries(served)) {
  const backend = await startTlsBackend({ identity })
  backends.push(backend)
  url[name] = `https://127.0.0.1:${backend.port}`
}
await writeFile(path('old.pem'), oldRoot.certificatePem)
await writeFile(path('new.pem'), newRoot.certificatePem)
await writeFile(path('spare.pem'), spareRoot.certificatePem)
await writeFile(path('issuing.pem'), issuing.certificatePem)

async function config(
  name: string,
  stores: Record<string, readonly string[]>,
  targets: Record<string, string>,
): Promise<string> {
  await writeFile(
    path(name),
    stringify({
      listeners: [{ name: 'http', address: '127.0.0.1', port: 8080 }],
      trustStores: Object.fromEntries(
        Object.entries(stores).map(([store, files]) => [store, { sources: files.map((file) => ({ file })) }]),
      ),
      targets: Object.fromEntries(
        Object.entries(targets).map(([target, to]) => [target, { url: to, tls: { trust: Object.keys(stores) } }]),
      ),
    }),
  )
  return path(name)
}
const { old = '', both: mixed = '', twin = '', new: renewed = '', bare = '' } = url
const wholeFile = await config('whole.yaml', { corp: ['old.pem', 'spare.pem'] }, { old, mixed, renewed })
const rolledFile = await config('rolled.yaml', { corp: ['old.pem', 'new.pem'] }, { mixed, renewed })
const twinFile = await config('twin.yaml', { corp: ['old.pem', 'new.pem'] }, { twin, mixed, renewed, old })
const laterFile = await config('later.yaml', { corp: ['new.pem'] }, { twin, mixed, renewed, old })
const closedPort = await portThatIsClosed()
const deafFile = await config(
  'deaf.yaml',
  { corp: ['old.pem', 'spare.pem'] },
  { old, deaf: `https://127.0.0.1:${closedPort}` },
)
const loneFile = await config('lone.yaml', { corp: ['old.pem'] }, { old })
const twoFile = await config('two.yaml', { corp: ['old.pem'], other: ['old.pem', 'spare.pem'] }, { old })

async function whatIf(...args: string[]) {
  let out = ''
  let err = ''
  const io = { stdout: (text: string) => void (out += text), stderr: (text: string) => void (err += text) }
  const code = await trustWhatIf(args, io, new AbortController().signal)
  return { code, out, err, json: () => JSON.parse(out) }
}
const changes = (report: { servers: { target: string; change: string; after: { code: string } | null }[] }) =>
  Object.fromEntries(report.servers.map(({ target, change, after: then }) => [target, [change, then?.code ?? null]]))

describe('postern trust what-if', () => {
  it('removing a root that a path hangs on breaks its target, and exits with 1', async () => {
    const { code, json } = await whatIf('-c', wholeFile, '--store', 'corp', '--remove', path('old.pem'), '--json')
    assert.equal(code, 1)
    const report = json()
    assert.deepEqual(changes(report), {
      old: ['breaks', 'missing-root'],
      mixed: ['breaks', 'missing-root'],
      renewed: ['none', 'missing-root'],
    })
    const [anchor] = report.anchors.filter((each: { removed: boolean }) => each.removed)
    assert.deepEqual([anchor.anchor.subject, anchor.safeToRemove], ['CN=Old Root', false])
    assert.deepEqual(
      anchor.hanging.map(({ target, otherwise }: { target: string; otherwise: unknown }) => [target, otherwise]),
      [
        ['old', null],
        ['mixed', null],
      ],
    )
  })

  it('adding the new root mends what waits for it, and breaks nothing', async () => {
    const { code, json } = await whatIf('-c', wholeFile, '--store', 'corp', '--add', path('new.pem'), '--json')
    assert.equal(code, 0)
    const { renewed: changed, old: kept } = changes(json())
    assert.deepEqual(
      [changed, kept],
      [
        ['mends', 'trusted'],
        ['none', 'trusted'],
      ],
    )
  })

  it('swapping the roots moves whoever serves a cross-signed path', async () => {
    const { code, json } = await whatIf(
      ...['-c', wholeFile, '--store', 'corp', '--remove', path('old.pem'), '--add', path('new.pem'), '--json'],
    )
    assert.equal(code, 1, 'one target hangs on the old root alone')
    assert.deepEqual(changes(json()), {
      old: ['breaks', 'missing-root'],
      mixed: ['moves', 'trusted'],
      renewed: ['mends', 'trusted'],
    })
  })

  it('after the rollover the old root may go: whoever hangs on it has another path', async () => {
    const { code, json } = await whatIf('-c', rolledFile, '--store', 'corp', '--remove', path('old.pem'), '--json')
    assert.equal(code, 0)
    const report = json()
    const root = (name: string) =>
      report.anchors.find(({ anchor }: { anchor: { subject: string } }) => anchor.subject === name)
    assert.equal(root('CN=Old Root').safeToRemove, true)
    assert.equal(root('CN=New Root').safeToRemove, false)
    assert.deepEqual(
      root('CN=New Root')
        .hanging.map(({ target }: { target: string }) => target)
        .includes('renewed'),
      true,
    )
  })

  it('two anchors that stand in for each other are not both dispensable', async () => {
    const { json } = await whatIf('-c', rolledFile, '--store', 'corp', '--remove', path('new.pem'), '--json')
    const [anchor] = json().anchors.filter((each: { removed: boolean }) => !each.removed)
    assert.deepEqual([anchor.anchor.subject, anchor.safeToRemove], ['CN=Old Root', false])
    assert.deepEqual([anchor.hanging[0].target, anchor.hanging[0].otherwise], ['mixed', null])
  })

  it('counts on a server that is refused for another reason, or excepted: it will need its anchor again', async () => {
    const name = { skip: 'name', owner: 'tests', reason: 'none' }
    const chain = { skip: 'chain', owner: 'tests', reason: 'none' }
    const tls = { trust: ['corp'], serverName: 'other.test' }
    const file = await config('mended.yaml', { corp: ['old.pem', 'spare.pem'] }, {})
    const text = stringify({
      ...parse(await readFile(file, 'utf8')),
      targets: { misnamed: { url: old, tls }, excepted: { url: old, tls: { ...tls, exceptions: [name, chain] } } },
    })
    await writeFile(file, text)
    const { code, json } = await whatIf('-c', file, '--store', 'corp', '--remove', path('old.pem'), '--json')
    const report = json()
    assert.equal(code, 1, 'no verdict turns bad at once, and yet it is not safe')
    assert.deepEqual(changes(report), { misnamed: ['differs', 'missing-root'], excepted: ['none', 'trusted'] })
    const [anchor] = report.anchors
    assert.deepEqual(
      anchor.hanging.map(({ target, code: said }: { target: string; code: string }) => [target, said]),
      [
        ['misnamed', 'name-mismatch'],
        ['excepted', 'name-mismatch'],
      ],
    )
    assert.equal(anchor.safeToRemove, false)
  })

  it('cannot tell of a server that is refused today and leaves out who issued it', async () => {
    const file = await config('bare.yaml', { corp: ['old.pem', 'spare.pem'] }, { bare, renewed })
    const { code, out } = await whatIf('-c', file, '--store', 'corp', '--remove', path('old.pem'))
    assert.equal(code, 1)
    assert.match(
      out,
      /No verdict would change today\.\ncannot tell: bare \(\S+\) is refused today \((?:missing-intermediate|unknown-issuer)\); its chain was issued by "CN=Issuing CA", and/,
    )
    assert.doesNotMatch(out, /cannot tell: renewed/, 'what misses another root is not meant')
    assert.doesNotMatch(out, /safe to remove$/m)
    const { json } = await whatIf('-c', file, '--store', 'corp', '--json')
    const undecided = json().anchors.map((each: { undecided: { target: string }[]; safeToRemove: boolean }) => [
      each.undecided.map(({ target }) => target),
      each.safeToRemove,
    ])
    assert.deepEqual(undecided, [
      [['bare'], false],
      [['bare'], false],
    ])
  })

  it('can tell where another server sends what it leaves out', async () => {
    const file = await config('known.yaml', { corp: ['old.pem', 'spare.pem'] }, { bare, mixed })
    const spare = await whatIf('-c', file, '--store', 'corp', '--remove', path('spare.pem'))
    assert.equal(spare.code, 0, spare.out)
    assert.match(spare.out, /"CN=Spare Root".*\n {4}nobody hangs on it: safe to remove/)
    const { code, out } = await whatIf(
      ...['-c', file, '--store', 'corp', '--remove', path('old.pem'), '--add', path('new.pem')],
    )
    assert.equal(code, 1)
    assert.match(
      out,
      /Would break once they are mended, or an exception ends:\n {2}bare \(\S+\) {2}\S+ now; its path ends in "CN=Old Root"/,
    )
    assert.doesNotMatch(out, /cannot tell/)
  })

  it('can tell where the certificate says where its issuer is', async () => {
    const pki = createServer((_, response) => response.end(issuing.certificate)).listen(0, '127.0.0.1')
    await once(pki, 'listening')
    const issuerUrl = `http://127.0.0.1:${(pki.address() as AddressInfo).port}/issuing.cer`
    const pointing = await createLeaf(issuing, { names: ['127.0.0.1'], notAfter: day(200), issuerUrl })
    const backend = await startTlsBackend({ identity: { ...pointing, chainPem: pointing.certificatePem } })
    backends.push(backend)
    try {
      const target = `https://127.0.0.1:${backend.port}`
      const file = await config('pointing.yaml', { corp: ['old.pem', 'spare.pem'] }, { pointing: target })
      const asked = ['-c', file, '--store', 'corp', '--json']
      const told = async (...args: string[]) =>
        (await whatIf(...asked, ...args)).json().anchors.map((each: { hanging: unknown[]; undecided: unknown[] }) => {
          return [each.hanging.length, each.undecided.length]
        })
      assert.deepEqual(await told(), [
        [1, 0],
        [0, 0],
      ])
      assert.deepEqual(await told('--no-aia'), [
        [0, 1],
        [0, 1],
      ])
    } finally {
      pki.closeAllConnections()
      pki.close()
    }
  })

  it('says of a root to be added that nobody hangs on it yet', async () => {
    const { out } = await whatIf('-c', loneFile, '--store', 'corp', '--add', path('spare.pem'))
    assert.match(out, /"CN=Spare Root".*, to be added, .*\n {4}nobody hangs on it yet\n/)
  })

  it('foretells what the handshakes of the changed configuration do', async () => {
    const { json } = await whatIf('-c', twinFile, '--store', 'corp', '--remove', path('old.pem'), '--json')
    const foretold = json().servers.map(({ target, after: { code } }: { target: string; after: { code: string } }) => [
      target,
      code,
    ])
    let out = ''
    const io = { stdout: (text: string) => void (out += text), stderr: () => {} }
    assert.equal(await validateCommand([laterFile, '--probe', '--json'], io), 1)
    const { probes } = JSON.parse(out)
    const seen = probes.map(
      ({ endpoint, probe }: { endpoint: { target: string }; probe: { fault: { verdict: string } | null } }) => {
        return [endpoint.target, probe.fault?.verdict ?? 'trusted']
      },
    )
    const trusted = (all: string[][]) => all.map(([target, code]) => [target, code === 'trusted'])
    assert.deepEqual(trusted(foretold), trusted(seen))
    assert.deepEqual(foretold, [
      ['twin', 'missing-root'],
      ['mixed', 'trusted'],
      ['renewed', 'trusted'],
      ['old', 'missing-root'],
    ])
  })

  it('without a change it says who hangs on what, and until when', async () => {
    const { code, out } = await whatIf('-c', wholeFile, '--store', 'corp')
    assert.equal(code, 0)
    const date = (offset: number): string => day(offset).toISOString().slice(0, 10)
    const text = out.replaceAll(/127\.0\.0\.1:\d+/g, 'HOST').replaceAll(/[0-9A-F]{16}\.\.\./g, 'ID')
    assert.equal(
      text,
      `trust store corp

  renewed (HOST)  missing-root: ${/missing-root: (.*)/.exec(text)?.[1]}

What hangs on which anchor:
  "CN=Old Root" (SHA-256 ID), ends ${date(400)}
    old (HOST) until ${date(200)}; no other path
    mixed (HOST) until ${date(200)}; no other path
    not safe to remove before old, mixed have a certificate of another CA; the last of these paths ends ${date(200)}
  "CN=Spare Root" (SHA-256 ID), ends ${spareEnd()}
    nobody hangs on it: safe to remove
`,
    )
  })

  it('a server that cannot be asked makes nothing safe', async () => {
    const { code, json, out } = await whatIf('-c', deafFile, '--store', 'corp', '--remove', path('spare.pem'), '--json')
    assert.equal(code, 1, out)
    const report = json()
    assert.deepEqual(changes(report), { old: ['none', 'trusted'], deaf: ['unknown', null] })
    assert.deepEqual([report.unknown, report.breaks], [1, 0])
    assert.ok(report.anchors.every(({ safeToRemove }: { safeToRemove: boolean }) => !safeToRemove))
  })

  it('a store that would hold nothing is no configuration at all', async () => {
    const { code, out } = await whatIf('-c', loneFile, '--store', 'corp', '--remove', path('old.pem'))
    assert.equal(code, 1)
    assert.match(out, /Would be refused: trust store "corp" would hold no anchor/)
  })

  it('an anchor that another store of the target holds is not missed', async () => {
    const { code, json } = await whatIf('-c', twoFile, '--store', 'other', '--remove', path('old.pem'), '--json')
    const report = json()
    assert.deepEqual([code, changes(report)], [0, { old: ['none', 'trusted'] }])
    assert.equal(report.anchors[0].safeToRemove, true)
  })

  it('knows a certificate by its SHA-256, whole or in part', async () => {
    const { sha256 } = parseCertificate(oldRoot.certificate)
    const colons = sha256.replaceAll(/..(?=.)/g, '$&:').toLowerCase()
    for (const id of [sha256, colons, sha256.slice(0, 8)]) {
      const { code, json } = await whatIf('-c', wholeFile, '--store', 'corp', '--remove', id, '--json')
      assert.deepEqual([code, json().removed[0].subject], [1, 'CN=Old Root'])
    }
  })

  it('says in words who breaks, who is mended and who moves', async () => {
    const { code, out } = await whatIf(
      ...['-c', wholeFile, '--store', 'corp', '--remove', path('old.pem'), '--add', path('new.pem')],
    )
    assert.equal(code, 1)
    const [before = ''] = out
      .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
      .replaceAll(/[0-9A-F]{16}\.\.\./g, 'ID')
      .split('\nWhat hangs')
    assert.equal(
      before,
      `trust store corp, changed:
  without "CN=Old Root" (SHA-256 ID)
  with "CN=New Root" (SHA-256 ID)

Would no longer be trusted:
  old (HOST)  trusted -> missing-root: The root "Old Root" is not in the trust store
Would become trusted:
  renewed (HOST)  missing-root -> trusted
Would stay trusted, by another anchor:
  mixed (HOST)  "CN=Old Root" -> "CN=New Root"
`,
    )
  })

  it('says of what it is to add that it changes nothing, or anchors nothing', async () => {
    const { out } = await whatIf(
      '-c',
      wholeFile,
      '--store',
      'corp',
      '--add',
      path('old.pem'),
      '--add',
      path('issuing.pem'),
    )
    assert.match(out, /note: "CN=Old Root" is in the store already/)
    assert.match(out, /note: "CN=Issuing CA" is not self-signed: it would help to build a path and anchor none/)
    assert.match(out, /No verdict would change\./)
  })

  const inventory = (chains: object): string => JSON.stringify({ at: new Date().toISOString(), servers: [chains] })
  const chainOf = (...certificates: Buffer[]): object => ({
    chain: certificates.map(toPem),
    source: 'probe',
    lastSeen: '2030-01-01T00:00:00.000Z',
  })

  it('takes the chains that a gateway saw, from a file or its management listener', async () => {
    const server = new URL(old).host
    const text = inventory({
      target: 'old',
      server,
      chains: [chainOf(served.old.certificate), chainOf(served.new.certificate)],
    })
    await writeFile(path('inventory.json'), text)
    const management = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1')
    await once(management, 'listening')
    try {
      const { port } = management.address() as AddressInfo
      for (const from of [path('inventory.json'), `http://127.0.0.1:${port}/inventory`]) {
        const { code, json, err } = await whatIf(
          ...['-c', loneFile, '--store', 'corp', '--add', path('new.pem'), '--inventory', from, '--json'],
        )
        assert.equal(code, 0, err)
        const report = json()
        assert.deepEqual(
          report.servers.map(({ change, seen }: { change: string; seen: string }) => [change, seen.slice(0, 4)]),
          [
            ['none', '2030'],
            ['mends', '2030'],
          ],
        )
        assert.equal(report.source, 'inventory')
      }
    } finally {
      management.closeAllConnections()
      management.close()
    }
  })

  it('says how old the word of an inventory is, and warns of an old one', async () => {
    const server = new URL(old).host
    const chain = (lastSeen: Date) => ({ ...chainOf(served.old.certificate), lastSeen: lastSeen.toISOString() })
    const ask = async (more: object) => {
      await writeFile(path('aged.json'), inventory({ target: 'old', server, ...more }))
      return (await whatIf('-c', loneFile, '--store', 'corp', '--inventory', path('aged.json'))).out
    }
    const fresh = await ask({ chains: [chain(day(-0.5))], snapshotSince: day(-1).toISOString() })
    assert.match(fresh, /\nChains were last seen:\n {2}old \(\S+\) {2}12 hours ago\n/)
    assert.doesNotMatch(fresh, /note:/)
    assert.match(
      await ask({ chains: [chain(day(-3))] }),
      /note: old \(\S+\) was last seen 3 days ago, more than a day ago/,
    )
    assert.match(
      await ask({ chains: [chain(day(-0.5))], snapshotSince: day(-0.1).toISOString() }),
      /note: old \(\S+\) was last seen 12 hours ago, before its trust last changed/,
    )
    assert.match(
      await ask({ chains: [chain(day(-0.1))], snapshot: 'another' }),
      /note: the gateway runs with other trust than this configuration has, for 1 of 1 server/,
    )
  })

  it('does not take an intermediate of the store for one that was served', async () => {
    const file = await config('helper.yaml', { corp: ['old.pem', 'issuing.pem'] }, { mixed })
    const server = new URL(mixed).host
    const chain = { ...chainOf(both.certificate, issuing.certificate), source: 'traffic' }
    await writeFile(path('traffic.json'), inventory({ target: 'mixed', server, chains: [chain] }))
    const asked = ['-c', file, '--store', 'corp', '--remove', path('issuing.pem'), '--inventory', path('traffic.json')]
    assert.equal((await whatIf(...asked)).code, 1)
  })

  const wrong: readonly [what: string, args: readonly string[], says: RegExp][] = [
    ['no store', ['-c', wholeFile], /--store NAME/],
    ['a store that is not there', ['-c', wholeFile, '--store', 'nosuch'], /no such store in .*; there are corp/],
    [
      'a file that is not there',
      ['-c', wholeFile, '--store', 'corp', '--remove', 'nosuch.pem'],
      /--remove nosuch\.pem/,
    ],
    [
      'a root that is not in the store',
      ['-c', wholeFile, '--store', 'corp', '--remove', path('new.pem')],
      /"CN=New Root" is not in the store; it holds "CN=Old Root"/,
    ],
    [
      'a SHA-256 that is not in the store',
      ['-c', wholeFile, '--store', 'corp', '--remove', '00'.repeat(32)],
      /no certificate of the store has this SHA-256/,
    ],
    ['something to add that is no certificate', ['-c', wholeFile, '--store', 'corp', '--add', wholeFile], /--add: /],
    [
      'an inventory that is none',
      ['-c', wholeFile, '--store', 'corp', '--inventory', wholeFile],
      /this is no inventory/,
    ],
    [
      'an inventory that does not answer',
      ['-c', wholeFile, '--store', 'corp', '--inventory', `http://127.0.0.1:${closedPort}/`],
      /ECONNREFUSED/,
    ],
    ['a configuration with faults', ['-c', path('old.pem'), '--store', 'corp'], /the configuration has faults/],
  ]
  for (const [what, args, says] of wrong) {
    it(`refuses ${what} with exit status 2`, async () => {
      const { code, out, err } = await whatIf(...args)
      assert.deepEqual([code, out], [2, ''])
      assert.match(err, says)
    })
  }

  it('is a command', async () => {
    const { code, out, err } = await runCli([
      'trust',
      'what-if',
      '-c',
      wholeFile,
      '--store',
      'corp',
      '--remove',
      path('spare.pem'),
    ])
    assert.deepEqual([code, err], [0, ''])
    assert.match(out, /No verdict would change\./)
  })

  it('has help', async () => {
    const { code, out } = await whatIf('--help')
    assert.equal(code, 0)
    assert.match(out, /postern trust what-if -c FILE --store NAME/)
  })
})

async function portThatIsClosed(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function spareEnd(): string {
  return new Date(parseCertificate(spareRoot.certificate).notAfter).toISOString().slice(0, 10)
}
