import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parse } from 'yaml'
import { importCommand } from '../../src/cli/import-apigee.ts'
import { validateCommand } from '../../src/cli/validate.ts'
import { ConfigSchema } from '../../src/config/schema.ts'
import { writeZip } from '../../src/core/zip.ts'
import { PosternError } from '../../src/core/errors.ts'
import { filesFrom, proxyXml, targetXml } from '../compat/apigee/bundle-fixtures.ts'

const root = mkdtempSync(join(tmpdir(), 'postern-import-'))
after(() => rmSync(root, { recursive: true, force: true }))

let folders = 0

function folderWith(texts: Readonly<Record<string, string>>): string {
  const folder = join(root, `f${folders++}`)
  mkdirSync(folder)
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

async function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await importCommand(['apigee', ...args], {
    stdout: (text) => (out += text),
    stderr: (text) => (err += text),
  })
  return { code, out, err }
}

interface Answer {
  readonly ok: boolean
  readonly config: {
    readonly proxies: Readonly<Record<string, { basePath: string; target: string }>>
    readonly targets: Readonly<Record<string, Readonly<Record<string, unknown>>>>
    readonly trustStores: Readonly<Record<string, unknown>>
  }
  readonly findings: readonly { code: string; severity: string; place: string; message: string }[]
}

async function imported(texts: Readonly<Record<string, string>>): Promise<Answer & { code: number }> {
  const { code, out } = await run(folderWith(texts), '--json')
  const answer = JSON.parse(out) as Answer
  const checked = ConfigSchema.safeParse(answer.config)
  assert.ok(checked.success, JSON.stringify(checked.error?.issues))
  return { ...answer, code }
}

const errors = ({ findings }: Answer): readonly string[] =>
  findings.filter(({ severity }) => severity === 'error').map(({ code, place }) => `${code} ${place}`)

const manifest = { 'apiproxy/orders.xml': '<APIProxy name="orders"/>' }
const proxy = { ...manifest, 'apiproxy/proxies/default.xml': proxyXml() }
const targetFile = 'apiproxy/targets/default.xml'

test('what needs nothing of an environment is taken over whole, and validates', async () => {
  const folder = folderWith({ ...proxy, [targetFile]: targetXml('<URL>http://b.example:8080/v1</URL>') })
  const out = join(folder, 'postern.yaml')
  const { code, err } = await run(folder, '--out', out)
  assert.equal(code, 0, err)
  const config = parse(readFileSync(out, 'utf8')) as Answer['config']
  assert.deepEqual(config.proxies, { orders: { basePath: '/orders', target: 'orders' } })
  assert.deepEqual(config.targets, { orders: { url: 'http://b.example:8080/v1' } })
  assert.match(err, /warning: apiproxy\/proxies\/default\.xml:1 {2}virtual-host-not-said: .*secure/)
  assert.match(err, /1 proxy, 1 target, 0 trust stores, 1 finding\n$/)
  let said = ''
  assert.equal(
    await validateCommand([out], { stdout: (text) => (said += text), stderr: (text) => (said += text) }),
    0,
    said,
  )
})

test('a file that exists is not written over', async () => {
  const folder = folderWith({ ...proxy, [targetFile]: targetXml(), 'mine.yaml': 'mine' })
  await assert.rejects(run(folder, '--out', join(folder, 'mine.yaml')), { code: 'file-exists' })
  assert.equal(readFileSync(join(folder, 'mine.yaml'), 'utf8'), 'mine')
})

const withPolicy = {
  ...manifest,
  'apiproxy/proxies/default.xml': proxyXml(`<PreFlow><Request><Step><Name>P</Name></Step></Request></PreFlow>
<RouteRule name="rest"><TargetEndpoint>default</TargetEndpoint></RouteRule>`),
  [targetFile]: targetXml('<URL>http://a.example</URL>'),
  'apiproxy/policies/P.xml': '<Quota name="P"/>',
}

test('a proxy that would lose its policies is not written', async () => {
  const folder = folderWith(withPolicy)
  const out = join(folder, 'postern.yaml')
  const { code, err } = await run(folder, '--out', out)
  assert.equal(code, 1)
  assert.match(err, /postern\.yaml is not written: 1 finding says .*--without-policies writes it/)
  assert.doesNotMatch(err, /postern\.yaml: 1 proxy/)
  assert.ok(!existsSync(out))
})

test('what is asked for without policies says in the file what it lacks', async () => {
  const folder = folderWith(withPolicy)
  const out = join(folder, 'postern.yaml')
  const { code } = await run(folder, '--out', out, '--without-policies')
  assert.equal(code, 1)
  const text = readFileSync(out, 'utf8')
  assert.match(
    text,
    /^# Taken from .*\n(# .*\n)*# error: apiproxy\/proxies\/default\.xml:\d+ {2}step-not-supported: .*Quota/,
  )
  assert.match(text, /\n# warning: apiproxy\/proxies\/default\.xml:1 {2}virtual-host-not-said/)
  assert.deepEqual(Object.keys((parse(text) as Answer['config']).proxies), ['orders'])
})

test('SSLInfo becomes trust that is to be filled in, and says so', async () => {
  const answer = await imported({
    ...proxy,
    [targetFile]:
      targetXml(`<URL>https://b.example</URL><SSLInfo><Enabled>true</Enabled><ClientAuthEnabled>true</ClientAuthEnabled>
      <KeyStore>ref://keys</KeyStore><KeyAlias>me</KeyAlias><TrustStore>ref://trust</TrustStore>
      <Protocols><Protocol>TLSv1.2</Protocol></Protocols>
      <Ciphers><Cipher>TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256</Cipher></Ciphers>
      <CommonName wildcardMatch="false">other.example</CommonName></SSLInfo>
      <Properties><Property name="connect.timeout.millis">1500</Property><Property name="io.timeout.millis">9000</Property></Properties>`),
  })
  assert.equal(answer.code, 1)
  assert.deepEqual(answer.config.targets['orders'], {
    url: 'https://b.example',
    tls: {
      trust: ['trust'],
      clientCertificate: { certificate: './keys/keys-me.pem', key: './keys/keys-me.key' },
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:!aNULL:!eNULL',
      subjectAltNames: ['other.example'],
    },
    timeouts: { connect: '1500ms', firstByte: '9000ms', bodyIdle: '9000ms' },
  })
  assert.deepEqual(answer.config.trustStores, { trust: { sources: [{ file: './trust/trust.pem' }] } })
  assert.deepEqual(errors(answer), [`trust-store-not-said ${targetFile}:2`, `key-store-not-said ${targetFile}:2`])
})

test('what Edge left unverified is verified, and named', async () => {
  const answer = await imported({
    ...proxy,
    [targetFile]: targetXml(
      '<URL>https://b.example</URL><SSLInfo><IgnoreValidationErrors>true</IgnoreValidationErrors></SSLInfo>',
    ),
  })
  assert.deepEqual(answer.config.targets['orders'], { url: 'https://b.example', tls: { trust: ['system'] } })
  assert.deepEqual(errors(answer), [`ignore-validation-errors ${targetFile}:2`])
  assert.ok(answer.findings.some(({ code, severity }) => code === 'trust-store-missing' && severity === 'warning'))
})

test('a LoadBalancer becomes servers without addresses', async () => {
  const answer = await imported({
    ...proxy,
    [targetFile]:
      targetXml(`<LoadBalancer><Algorithm>Weighted</Algorithm><Server name="TS 1"><Weight>2</Weight></Server>
      <Server name="ts2"><IsFallback>true</IsFallback></Server><Server name="off"><IsEnabled>false</IsEnabled></Server>
      <MaxFailures>5</MaxFailures><TargetDisableSecs>60</TargetDisableSecs>
      <ServerUnhealthyResponse><ResponseCode>503</ResponseCode></ServerUnhealthyResponse></LoadBalancer><Path>/p</Path>
      <HealthMonitor><IsEnabled>true</IsEnabled><IntervalInSec>7</IntervalInSec><HTTPMonitor><Request><Path>/h</Path><Port>9</Port></Request></HTTPMonitor></HealthMonitor>`),
  })
  assert.deepEqual(answer.config.targets['orders'], {
    url: 'http://orders.invalid/p',
    servers: [
      { name: 'TS-1', address: 'ts-1.invalid', weight: 2 },
      { name: 'ts2', address: 'ts2.invalid', weight: 1, fallback: true },
    ],
    balance: 'weighted',
    retries: { attempts: 1 },
    ejection: { consecutiveFailures: 5, statuses: [503], base: '60s', max: '60s', maxPercent: 100 },
    health: { http: { method: 'GET', path: '/h', statuses: [200] }, interval: '7s', timeout: '40s' },
  })
  assert.deepEqual(errors(answer), [`target-server-not-said ${targetFile}:2`, `health-not-said ${targetFile}:7`])
})

test('steps and routes by condition are findings, each with its place', async () => {
  const answer = await imported({
    ...manifest,
    'apiproxy/proxies/default.xml': proxyXml(`<PreFlow><Request>
<Step><Name>P</Name></Step></Request></PreFlow>
<RouteRule name="beta"><Condition>request.header.x = "b"</Condition><TargetEndpoint>default</TargetEndpoint></RouteRule>
<RouteRule name="rest"><URL>http://rest.example</URL></RouteRule>`),
    [targetFile]: targetXml('<URL>http://a.example</URL>'),
    'apiproxy/policies/P.xml': '<Quota name="P"/>',
  })
  assert.deepEqual(answer.config.proxies, { orders: { basePath: '/orders', target: 'orders-rest' } })
  assert.deepEqual(answer.config.targets['orders-rest'], { url: 'http://rest.example' })
  assert.deepEqual(errors(answer), [
    'step-not-supported apiproxy/proxies/default.xml:4',
    'route-not-said apiproxy/proxies/default.xml:5',
  ])
  assert.ok(answer.findings.some(({ message }) => message.includes('where request.header.x = "b"')))
})

describe('a proxy that cannot be said is left out, and said', () => {
  const table: readonly (readonly [why: string, inside: string, errors: readonly string[]])[] = [
    ['a null route', '<RouteRule name="r"/>', ['proxy-not-made apiproxy/proxies/default.xml:3']],
    ['no route', '', ['proxy-not-made apiproxy/proxies/default.xml:1']],
    [
      'only routes by condition',
      '<RouteRule name="r"><Condition>a</Condition><URL>http://a</URL></RouteRule>',
      ['route-not-said apiproxy/proxies/default.xml:3', 'proxy-not-made apiproxy/proxies/default.xml:1'],
    ],
    [
      'no such target',
      '<RouteRule name="r"><TargetEndpoint>x</TargetEndpoint></RouteRule>',
      ['target-endpoint-missing apiproxy/proxies/default.xml:3', 'proxy-not-made apiproxy/proxies/default.xml:3'],
    ],
  ]
  for (const [why, inside, expected] of table) {
    test(why, async () => {
      const answer = await imported({
        ...manifest,
        'apiproxy/proxies/default.xml': proxyXml(inside),
        [targetFile]: targetXml(),
      })
      assert.deepEqual(answer.config.proxies, {})
      assert.deepEqual(errors(answer), expected)
      assert.equal(answer.code, 1)
    })
  }
})

test('several endpoints and several bundles keep their own names', async () => {
  const second = proxyXml().replace('"default"', '"two"').replace('/orders', '/two')
  const folder = {
    'a/apiproxy/orders.xml': '<APIProxy name="same"/>',
    'a/apiproxy/proxies/default.xml': proxyXml(),
    'a/apiproxy/proxies/two.xml': second,
    'a/apiproxy/targets/default.xml': targetXml('<URL>http://a</URL>'),
    'b/apiproxy/orders.xml': '<APIProxy name="same"/>',
    'b/apiproxy/proxies/default.xml': proxyXml().replace('/orders', '/b'),
    'b/apiproxy/targets/default.xml': targetXml('<URL>http://b</URL>'),
    'c/sharedflowbundle/sf.xml': '<SharedFlowBundle name="sf"/>',
  }
  const answer = await imported(folder)
  assert.deepEqual(answer.config.proxies, {
    'same-default': { basePath: '/orders', target: 'same' },
    'same-two': { basePath: '/two', target: 'same' },
    same: { basePath: '/b', target: 'same-2' },
  })
  assert.deepEqual(errors(answer), ['shared-flow-not-taken c/sharedflowbundle'])
})

test('a zip, and the root folder itself, say what the folder says', async () => {
  const texts = { ...proxy, [targetFile]: targetXml('<URL>http://a</URL>') }
  const folder = folderWith(texts)
  const zip = join(folder, 'bundle.zip')
  writeFileSync(zip, await writeZip(filesFrom(texts)))
  const first = await run(folder)
  for (const source of [zip, join(folder, 'apiproxy'), `${folder}/apiproxy/`])
    assert.deepEqual(await run(source), first)
})

test('links in a folder are not followed', async () => {
  const folder = folderWith({
    ...proxy,
    [targetFile]: targetXml('<URL>http://a</URL>'),
    'secret.xml': targetXml().replace('"default"', '"linked"'),
  })
  symlinkSync(join(folder, 'secret.xml'), join(folder, 'apiproxy/targets/linked.xml'))
  const { out } = await run(folder)
  assert.deepEqual(Object.keys((parse(out) as Answer['config']).targets), ['orders'])
})

describe('what is no bundle is refused by name', () => {
  const table: readonly (readonly [why: string, source: () => string, code: string])[] = [
    ['nothing there', () => join(root, 'nowhere'), 'file-unreadable'],
    ['a folder without one', () => folderWith({ 'x.xml': '' }), 'bundle-missing'],
    ['a file that is no zip', () => join(folderWith({ 'x.zip': 'hello' }), 'x.zip'), 'zip-malformed'],
  ]
  for (const [why, source, code] of table) {
    test(why, async () => {
      const out = join(root, `${code}.yaml`)
      await assert.rejects(run(source(), '--out', out), (error) => error instanceof PosternError && error.code === code)
      assert.ok(!existsSync(out))
    })
  }
})

describe('wrong usage ends with 2, help with 0', () => {
  const table: readonly (readonly [args: readonly string[], code: number])[] = [
    [[], 2],
    [['a', 'b'], 2],
    [['--nonsense', 'a'], 2],
    [['--help'], 0],
  ]
  for (const [args, code] of table)
    test(args.join(' ') || '(nothing)', async () => assert.equal((await run(...args)).code, code))

  test('import of something else', async () => {
    assert.equal(await importCommand(['kong', 'x'], { stdout: () => {}, stderr: () => {} }), 2)
  })
})
