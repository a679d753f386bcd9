import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type DnsServer, startDnsServer } from '../../dial/dns-server.ts'
import { outcomeOf } from '../../dial/dial-once.ts'
import { startTlsBackend, type TlsBackend } from '../../support/tls-backend.ts'
import { make, type Made } from '../../trust/pki.ts'
import { codes, compiled, deployment, keystore, onlyTarget } from './runtime.ts'

/*
 * apigee-edge.md 2.2, executed: a bundle with each form of SSLInfo is compiled, and its target dialed at each kind of
 * backend. Everything is at backend.test.
 */

const columns = [
  'a certificate of the truststore',
  'a certificate of a platform root',
  'a self-signed certificate',
  'a certificate of an unrelated CA',
  "another name's certificate of the truststore",
  "another name's certificate of a platform root",
] as const

type Cell = 'accepts' | 'name' | 'chain'

/** Cells in the order of the columns. */
interface Row {
  readonly when: string
  readonly xml: string
  readonly cells: readonly [Cell, Cell, Cell, Cell, Cell, Cell]
  /** Finding codes that tell of it. */
  readonly findings: readonly string[]
}

const store = '<TrustStore>ts1</TrustStore>'
const byStore = ['accepts', 'chain', 'chain', 'chain', 'name', 'chain'] as const
const byPlatform = ['chain', 'accepts', 'chain', 'chain', 'chain', 'name'] as const
const byName = ['accepts', 'accepts', 'accepts', 'accepts', 'name', 'name'] as const
const ignored = 'ignore-validation-errors'

const strict: readonly Row[] = [
  { when: 'there is no SSLInfo', xml: '', cells: byPlatform, findings: [] },
  { when: 'SSLInfo is not enabled', xml: `<Enabled>false</Enabled>${store}`, cells: byPlatform, findings: [] },
  { when: 'SSLInfo names no TrustStore', xml: '<Enabled>true</Enabled>', cells: byPlatform, findings: [] },
  { when: 'SSLInfo has a TrustStore', xml: store, cells: byStore, findings: [] },
  { when: 'SSLInfo has Enforce', xml: '<Enforce>true</Enforce>', cells: byPlatform, findings: [] },
  {
    when: 'SSLInfo has Enforce and a TrustStore',
    xml: `<Enforce>true</Enforce>${store}`,
    cells: byStore,
    findings: [],
  },
  {
    when: 'SSLInfo has IgnoreValidationErrors',
    xml: '<IgnoreValidationErrors>true</IgnoreValidationErrors>',
    cells: byPlatform,
    findings: [ignored],
  },
  {
    when: 'SSLInfo has IgnoreValidationErrors and a TrustStore',
    xml: `<IgnoreValidationErrors>true</IgnoreValidationErrors>${store}`,
    cells: byStore,
    findings: [ignored],
  },
]

const weakened = ['target-weakened']

const edge: readonly Row[] = [
  { when: 'there is no SSLInfo', xml: '', cells: byName, findings: weakened },
  { when: 'SSLInfo is not enabled', xml: `<Enabled>false</Enabled>${store}`, cells: byName, findings: weakened },
  { when: 'SSLInfo names no TrustStore', xml: '<Enabled>true</Enabled>', cells: byName, findings: weakened },
  { when: 'SSLInfo has a TrustStore', xml: store, cells: byStore, findings: [] },
  { when: 'SSLInfo has Enforce', xml: '<Enforce>true</Enforce>', cells: byPlatform, findings: [] },
  {
    when: 'SSLInfo has Enforce and a TrustStore',
    xml: `<Enforce>true</Enforce>${store}`,
    cells: byStore,
    findings: [],
  },
  {
    when: 'SSLInfo has IgnoreValidationErrors',
    xml: '<IgnoreValidationErrors>true</IgnoreValidationErrors>',
    cells: byName,
    findings: weakened,
  },
  {
    when: 'SSLInfo has IgnoreValidationErrors and a TrustStore',
    xml: `<IgnoreValidationErrors>true</IgnoreValidationErrors>${store}`,
    cells: byName,
    findings: weakened,
  },
  {
    when: 'SSLInfo has IgnoreValidationErrors and Enforce',
    xml: '<IgnoreValidationErrors>true</IgnoreValidationErrors><Enforce>true</Enforce>',
    cells: byPlatform,
    findings: [],
  },
]

let ca: Made
let places: { readonly files: readonly string[]; readonly directories: readonly string[] }
let directory: string
let dns: DnsServer
const backends: TlsBackend[] = []

before(async () => {
  const [own, platform, unrelated] = await Promise.all(
    ['Store', 'Platform', 'Unrelated'].map((name) => make(`CN=${name} Root`, { ca: true })),
  )
  assert.ok(own && platform && unrelated)
  ca = own
  directory = await mkdtemp(join(tmpdir(), 'postern-ssl-info-'))
  await writeFile(join(directory, 'roots.pem'), platform.pem)
  places = { files: [join(directory, 'roots.pem')], directories: [] }
  const dns1 = ['backend.test']
  const dns2 = ['other.test']
  const leaves = await Promise.all([
    make('CN=backend.test', { issuer: ca, dns: dns1 }),
    make('CN=backend.test', { issuer: platform, dns: dns1 }),
    make('CN=backend.test', { dns: dns1 }),
    make('CN=backend.test', { issuer: unrelated, dns: dns1 }),
    make('CN=other.test', { issuer: ca, dns: dns2 }),
    make('CN=other.test', { issuer: platform, dns: dns2 }),
  ])
  for (const { pem, key } of leaves) backends.push(await startTlsBackend({ identity: { chainPem: pem, keyPem: key } }))
  dns = await startDnsServer({ 'backend.test': { a: ['127.0.0.1'] } })
})

after(async () => {
  await Promise.all([...backends, dns].map((each) => each[Symbol.asyncDispose]()))
  await rm(directory, { recursive: true })
})

for (const [compat, rows] of [
  ['strict', strict],
  ['edge', edge],
] as const) {
  describe(`with apigee.compat ${compat}`, { concurrency: true }, () => {
    for (const { when, xml, cells, findings } of rows) {
      it(`when ${when}, ${sentence(cells)}`, async () => {
        const outcomes = await Promise.all(backends.map(({ port }) => dialed(compat, xml, port)))
        assert.deepEqual(
          outcomes.map(({ cell }) => cell),
          cells,
        )
        for (const { said } of outcomes) assert.deepEqual(said, findings)
      })
    }
  })
}

it('every target whose chain is not verified says so as an exception, and no other', () => {
  for (const [compat, rows] of [
    ['strict', strict],
    ['edge', edge],
  ] as const) {
    for (const { when, xml, cells } of rows) {
      const { tls } = planned(compat, xml, 443)
      const skips = tls?.exceptions.map(({ skip, owner, until }) => ({ skip, owner, until }))
      const expected = cells === byName ? [{ skip: 'chain', owner: 'apigee compat: edge', until: null }] : []
      assert.deepEqual(skips, expected, `${compat}, ${when}`)
      assert.equal(tls?.skipName, false)
    }
  }
})

function planned(
  compat: string,
  xml: string,
  port: number,
): ReturnType<typeof onlyTarget> & { said: readonly string[] } {
  const inner = xml === '' ? '' : `<SSLInfo>${xml}</SSLInfo>`
  const plan = compiled(
    {
      keystores: [keystore('ts1', { ca: ca.pem })],
      deployments: [deployment({ targets: { default: `<URL>https://backend.test:${port}</URL>${inner}` } })],
    },
    { apigee: { compat } },
    { systemPlaces: places },
  )
  return { ...onlyTarget(plan), said: codes(plan.findings) }
}

async function dialed(compat: string, xml: string, port: number): Promise<{ cell: Cell; said: readonly string[] }> {
  const { servers, said } = planned(compat, xml, port)
  const [server] = servers
  assert.ok(server)
  const outcome = await outcomeOf({ ...server, dns: { servers: [dns.address], refreshMs: 30_000 } })
  if (outcome === `127.0.0.1:${port}`) return { cell: 'accepts', said }
  if (outcome === 'name-mismatch') return { cell: 'name', said }
  assert.ok(chainVerdicts.includes(outcome), outcome)
  return { cell: 'chain', said }
}

/** Of the dialer, which knows what the runtime says; a diagnosis knows more. */
const chainVerdicts: readonly string[] = ['unknown-issuer', 'self-signed-leaf']

function sentence(cells: readonly Cell[]): string {
  const accepted = columns.filter((_, index) => cells[index] === 'accepts')
  return `it accepts ${accepted.join(', ')}, and nothing else`
}
