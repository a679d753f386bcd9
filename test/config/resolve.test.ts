import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { after, test } from 'node:test'
import { compileGeneration } from '../../src/config/compile.ts'
import { type Resolved, type ResolvedOk, resolveConfig } from '../../src/config/resolve.ts'
import { createIntermediate, createLeaf, createRoot } from '../../src/pki/make.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'

const directory = await mkdtemp(join(tmpdir(), 'postern-config-'))
after(() => rm(directory, { recursive: true, force: true }))

const root = await createRoot({ commonName: 'Corp Root' })
const other = await createRoot({ commonName: 'Other Root' })
const intermediate = await createIntermediate(root, { commonName: 'Corp Issuing' })
const server = await createLeaf(intermediate, { names: ['gw.example.com', '*.api.example.com'] })
const client = await createLeaf(intermediate, { names: ['gateway'], purposes: ['clientAuth'] })
await mkdir(join(directory, 'trust'))
for (const [name, text] of [
  ['root.pem', root.certificatePem],
  ['other.pem', other.certificatePem],
  ['int.pem', intermediate.certificatePem],
  ['gw.pem', server.chainPem],
  ['gw.key', server.keyPem],
  ['client.pem', client.chainPem],
  ['client.key', client.keyPem],
  ['empty.pem', ''],
  ['trust/any name', root.certificatePem],
] as const) {
  await writeFile(join(directory, name), text)
}

const listeners = 'listeners: [ { name: http, port: 8080 } ]'
const now = Date.parse('2026-06-01T12:00:00Z')
let files = 0

async function resolveText(text: string, env: Record<string, string> = {}, at = now): Promise<Resolved> {
  const file = join(directory, `c${files++}.yaml`)
  await writeFile(file, text)
  return resolveConfig(file, env, at)
}

async function good(text: string, env: Record<string, string> = {}, at = now): Promise<ResolvedOk> {
  const resolved = await resolveText(text, env, at)
  assert.ok(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.problems, null, 2))
  return resolved
}

/** `line path message` of every problem, with the test's own folder left out. */
async function problems(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const resolved = await resolveText(text, env)
  assert.equal(resolved.ok, false)
  return resolved.ok
    ? []
    : resolved.problems.map(
        (problem) => `${problem.line} ${problem.path} ${problem.message.replaceAll(`${directory}/`, '')}`,
      )
}

async function targetTls(tls: string, url = 'https://billing.internal:8443', at = now): Promise<TargetTlsPlan> {
  const stores =
    'trustStores: { corp: { sources: [ { file: root.pem } ] }, other: { sources: [ { file: other.pem } ] } }'
  const { plan } = await good(`${listeners}\n${stores}\ntargets: { billing: { url: "${url}", tls: ${tls} } }`, {}, at)
  const found = plan.targets[0]?.tls
  assert.ok(found)
  return found
}

test('paths start at the folder of the file, and all that was read is watched', async () => {
  const { plan, watch } = await good(
    `${listeners}
trustStores:
  corp: { sources: [ { file: root.pem }, { directory: trust } ], intermediates: [ { file: ./int.pem } ] }
targets:
  billing:
    url: https://billing.internal
    tls: { trust: [corp], clientCertificate: { certificate: client.pem, key: client.key } }
logs: [ { format: native, file: logs/a.log } ]
`,
  )
  const tls = plan.targets[0]?.tls
  assert.deepEqual(tls?.anchors, [root.certificatePem])
  assert.deepEqual(tls?.intermediates, [intermediate.certificatePem])
  assert.match(tls?.clientCertificate?.key ?? '', /BEGIN PRIVATE KEY/)
  assert.deepEqual(plan.logs, [
    { format: 'native', sink: { kind: 'file', path: join(directory, 'logs/a.log'), rotate: null } },
  ])
  for (const name of ['root.pem', 'trust', 'int.pem', 'client.pem', 'client.key'])
    assert.ok(watch.includes(join(directory, name)))
  assert.equal(watch.filter((path) => path.endsWith('.yaml')).length, 1)
})

test('the name to send and the names to accept follow from URL, serverName and subjectAltNames', async () => {
  const cases: [tls: string, url: string, serverName: string | null, verifyNames: string[]][] = [
    ['{ trust: [corp] }', 'https://Billing.Internal', 'billing.internal', ['billing.internal']],
    ['{ trust: [corp], serverName: API.corp }', 'https://10.0.0.7', 'api.corp', ['api.corp']],
    ['{ trust: [corp] }', 'https://10.0.0.7', null, ['10.0.0.7']],
    ['{ trust: [corp] }', 'https://[2001:db8::1]:8443', null, ['2001:db8::1']],
    ['{ trust: [corp], subjectAltNames: [a.corp, b.corp] }', 'https://x.corp', 'x.corp', ['a.corp', 'b.corp']],
    [
      '{ trust: [corp], serverName: sni.corp, subjectAltNames: [10.0.0.7] }',
      'https://x.corp',
      'sni.corp',
      ['10.0.0.7'],
    ],
  ]
  for (const [tls, url, serverName, verifyNames] of cases) {
    const plan = await targetTls(tls, url)
    assert.deepEqual(
      { serverName: plan.serverName, verifyNames: plan.verifyNames },
      { serverName, verifyNames },
      `${url} ${tls}`,
    )
  }
})

test('a URL becomes address, port, path and authority', async () => {
  const cases: [url: string, host: string, port: number, pathPrefix: string, authority: string][] = [
    ['http://a.internal', 'a.internal', 80, '', 'a.internal'],
    ['http://a.internal:80/', 'a.internal', 80, '', 'a.internal'],
    ['http://A.internal:8080/v1/', 'a.internal', 8080, '/v1', 'a.internal:8080'],
    ['HTTP://[2001:db8::1]:443/x', '2001:db8::1', 443, '/x', '[2001:db8::1]:443'],
    ['http://127.0.0.1:443', '127.0.0.1', 443, '', '127.0.0.1:443'],
  ]
  for (const [url, host, port, pathPrefix, authority] of cases) {
    const { plan } = await good(`${listeners}\ntargets: { a: { url: "${url}" } }`)
    const target = plan.targets[0] ?? assert.fail()
    const [server, ...others] = target.servers
    assert.deepEqual([target.tls, server?.tls, others], [null, null, []])
    const address = {
      host: server?.host,
      port: server?.port,
      pathPrefix: target.pathPrefix,
      authority: target.authority,
    }
    assert.deepEqual(address, { host, port, pathPrefix, authority })
  }
})

test('an exception is in force until its end and not a moment longer, without a file being read again', async () => {
  const text = `${listeners}
trustStores: { corp: { sources: [ { file: root.pem } ] } }
targets:
  a: { url: https://a.internal, tls: { trust: [corp], exceptions: [ { skip: chain, owner: me, reason: old, until: 2026-06-30 } ] } }
  b: { url: https://b.internal, tls: { trust: [corp], exceptions: [ { skip: name, owner: me, reason: old, until: 2026-07-31 } ] } }
`
  const before = await good(text)
  assert.deepEqual(
    before.plan.targets.map(({ tls }) => [tls?.skipChain, tls?.skipName, tls?.exceptions.length]),
    [
      [true, false, 1],
      [false, true, 1],
    ],
  )
  const firstEnd = Date.parse('2026-07-01T00:00:00Z')
  const secondEnd = Date.parse('2026-08-01T00:00:00Z')
  assert.equal(before.nextExceptionEnd, firstEnd)
  const lastMoment = compileGeneration({ ...before.input, now: firstEnd - 1 })
  assert.equal(lastMoment.plan.targets[0]?.tls?.skipChain, true)
  const ended = compileGeneration({ ...before.input, generation: 2, now: firstEnd })
  assert.equal(ended.plan.generation, 2)
  assert.deepEqual([ended.plan.targets[0]?.tls?.skipChain, ended.plan.targets[0]?.tls?.exceptions], [false, []])
  assert.notEqual(ended.plan.targets[0]?.tls?.snapshotId, before.plan.targets[0]?.tls?.snapshotId)
  assert.equal(ended.plan.targets[1]?.tls?.snapshotId, before.plan.targets[1]?.tls?.snapshotId)
  assert.equal(ended.nextExceptionEnd, secondEnd)
  assert.equal(compileGeneration({ ...before.input, now: secondEnd }).nextExceptionEnd, null)
})

test('a target may trust nobody only while its chain is skipped, and then trusts nobody, not everybody', async () => {
  const text = (until: string): string =>
    `${listeners}\ntargets: { a: { url: https://a.internal, tls: { exceptions: [ { skip: chain, owner: me, reason: new, until: ${until} } ] } } }`
  const resolved = await good(text('2026-06-30'))
  assert.deepEqual(resolved.plan.targets[0]?.tls?.anchors, [])
  assert.match(resolved.warnings.map(({ message }) => message).join(), /every request fails once the exception ends/)
  const ended = compileGeneration({ ...resolved.input, now: Number(resolved.nextExceptionEnd) })
  assert.deepEqual([ended.plan.targets[0]?.tls?.anchors, ended.plan.targets[0]?.tls?.skipChain], [[], false])
  assert.match(ended.warnings.map(({ message }) => message).join(), /every request to this target fails/)
  assert.match((await problems(text('2026-05-31'))).join(), /names nobody and its chain exception has ended/)
})

test('a snapshot has one id for one content, and another for anything that changes how a backend is checked', async () => {
  const base = await targetTls('{ trust: [corp] }')
  assert.equal((await targetTls('{ trust: [corp], serverName: billing.internal }')).snapshotId, base.snapshotId)
  const both = await targetTls('{ trust: [corp, other] }')
  assert.equal((await targetTls('{ trust: [other, corp] }')).snapshotId, both.snapshotId)
  const changes = [
    '{ trust: [other] }',
    '{ trust: [corp, other] }',
    '{ trust: [corp], serverName: x.internal }',
    '{ trust: [corp], subjectAltNames: [x.internal] }',
    '{ trust: [corp], minVersion: TLSv1.3 }',
    '{ trust: [corp], maxVersion: TLSv1.2 }',
    '{ trust: [corp], ciphers: "TLS_AES_128_GCM_SHA256" }',
    '{ trust: [corp], clientCertificate: { certificate: client.pem, key: client.key } }',
    '{ trust: [corp], exceptions: [ { skip: name, owner: me, reason: x } ] }',
    '{ trust: [corp], exceptions: [ { skip: chain, owner: me, reason: x } ] }',
    '{ trust: [corp], resumption: true }',
  ]
  const ids = new Set([base.snapshotId])
  for (const change of changes) ids.add((await targetTls(change)).snapshotId)
  assert.equal(ids.size, changes.length + 1)
})

test('targets of one trust share one list, so that a plan of thousands of targets stays small', async () => {
  const targets = ['a', 'b', 'c'].map(
    (name) => `  ${name}: { url: "https://${name}.internal", tls: { trust: [corp] } }`,
  )
  const { plan } = await good(
    [listeners, 'trustStores: { corp: { sources: [ { bundled: true } ] } }', 'targets:', ...targets].join('\n'),
  )
  assert.equal(plan.targets[0]?.tls?.anchors, plan.targets[2]?.tls?.anchors)
  assert.ok((plan.targets[0]?.tls?.anchors.length ?? 0) > 100)
})

test('a cipher list never brings in suites without a certificate, and stays one that OpenSSL takes', async () => {
  const { ciphers } = await targetTls('{ trust: [corp], ciphers: "TLS_AES_256_GCM_SHA384:ALL:@SECLEVEL=0" }')
  assert.equal(ciphers, 'TLS_AES_256_GCM_SHA384:ALL:@SECLEVEL=0:!aNULL:!eNULL')
  createSecureContext({ ciphers: ciphers ?? '' })
  assert.equal(
    (await targetTls('{ trust: [corp], ciphers: TLS_AES_256_GCM_SHA384 }')).ciphers,
    'TLS_AES_256_GCM_SHA384',
  )
})

test('an HTTPS listener gets chain, key and names of its certificates; faults and detail are inherited', async () => {
  const { plan } = await good(
    `faults: apim
faultDetail: minimal
listeners:
  - { name: https, port: 0, tls: { certificates: [ { certificate: gw.pem, key: gw.key } ] } }
  - { name: own, port: 0, address: 127.0.0.1, faults: native, faultDetail: verbose, limits: { bodyBytes: 1KiB } }
targets: { t: { url: "http://t.internal" } }
proxies:
  a: { basePath: /a, target: t, revision: 7 }
  b: { basePath: /b, target: t, faults: apigee, faultDetail: standard, hosts: [API.example.com] }
`,
  )
  const [https, own] = plan.listeners
  assert.deepEqual(https?.tls?.certificates[0]?.names, ['gw.example.com', '*.api.example.com'])
  createSecureContext({ cert: https?.tls?.certificates[0]?.chain, key: https?.tls?.certificates[0]?.key })
  assert.ok(https?.address === '::' || https?.address === '0.0.0.0')
  assert.deepEqual([https?.faults, https?.faultDetail, https?.limits.bodyBytes], ['apim', 'minimal', null])
  assert.deepEqual([own?.faults, own?.faultDetail, own?.limits.bodyBytes, own?.tls], ['native', 'verbose', 1024, null])
  const [a, b] = plan.proxies
  assert.deepEqual([a?.faults, a?.faultDetail, a?.revision, a?.hosts], ['apim', 'minimal', '7', []])
  assert.deepEqual([b?.faults, b?.faultDetail, b?.hosts], ['apigee', 'standard', ['api.example.com']])
})

test('every unusable file is a problem at the line that names it, all of them at once', async () => {
  const found = await problems(
    `listeners:
  - { name: https, port: 0, tls: { certificates: [ { certificate: gw.pem, key: client.key } ] } }
trustStores:
  corp:
    sources:
      - { file: root.pem }
      - { file: gone.pem }
      - { file: empty.pem }
      - { file: gw.key }
      - { env: SSL_CERT_FILE }
    intermediates: [ { inline: nonsense } ]
  half: { sources: [ { file: int.pem } ] }
targets:
  a:
    url: https://a.internal
    tls: { trust: [corp], clientCertificate: { certificate: client.pem, key: gone.key, passphraseFile: gone.txt } }
`,
  )
  assert.deepEqual(
    found.map((problem) => problem.split(' ', 2).join(' ')),
    [
      '2 listeners[0].tls.certificates[0]',
      '7 trustStores.corp.sources[1]',
      '8 trustStores.corp.sources[2]',
      '9 trustStores.corp.sources[3]',
      '10 trustStores.corp.sources[4]',
      '11 trustStores.corp.intermediates[0]',
      '12 trustStores.half',
      '16 targets.a.tls.clientCertificate.passphraseFile',
    ],
  )
  assert.match(found[1] ?? '', /gone\.pem does not exist/)
  assert.match(found[3] ?? '', /private key/)
  assert.match(found[4] ?? '', /SSL_CERT_FILE is not set/)
  assert.match(found[6] ?? '', /Corp Root/)
})

test('what is refused is still watched, so that mending the file is noticed', async () => {
  const resolved = await resolveText(`${listeners}\ntrustStores: { corp: { sources: [ { file: gone.pem } ] } }`)
  assert.equal(resolved.ok, false)
  assert.ok(resolved.watch.includes(join(directory, 'gone.pem')))
})

test('the environment is read where a source says so, and only from what is given', async () => {
  const text = `${listeners}
trustStores: { corp: { sources: [ { env: SSL_CERT_FILE }, { env: SSL_CERT_DIR, optional: true } ] } }
targets: { a: { url: https://a.internal, tls: { trust: [corp] } } }`
  const { plan } = await good(text, { SSL_CERT_FILE: join(directory, 'root.pem') })
  assert.deepEqual(plan.targets[0]?.tls?.anchors, [root.certificatePem])
  assert.match((await problems(text, {})).join(), /SSL_CERT_FILE is not set/)
})

test('stores that may not go together are a problem of the target that joins them', async () => {
  const stores = `trustStores:
  pinned: { sources: [ { file: int.pem } ], partialChain: true }
  helped: { sources: [ { file: other.pem } ], intermediates: [ { file: client.pem } ] }`
  const target = (trust: string): string =>
    `${listeners}\n${stores}\ntargets: { a: { url: https://a.internal, tls: { trust: ${trust} } } }`
  assert.match(
    (await problems(target('[pinned, helped]'))).join(),
    /^5 targets\.a\.tls\.trust trust store "pinned" has partialChain/,
  )
  await good(target('[pinned]'))
  await good(target('[helped]'))
})

test('files that are no configuration at all say so', async () => {
  const resolve = async (name: string): Promise<string> => {
    const resolved = await resolveConfig(join(directory, name), {})
    return resolved.ok ? 'good' : `${resolved.problems[0]?.line} ${resolved.problems[0]?.message}`
  }
  await writeFile(join(directory, 'latin1.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xfc]))
  await writeFile(join(directory, 'bom.yaml'), `\ufeff${listeners}\n`)
  assert.equal(await resolve('none.yaml'), '1 there is no such file')
  assert.equal(await resolve('trust'), '1 is not a file')
  assert.equal(await resolve('latin1.yaml'), '1 the file is not UTF-8')
  assert.equal(await resolve('bom.yaml'), 'good')
})

test('the example of the repository is good once its trust folder holds a root', async () => {
  const example = await readFile(join(import.meta.dirname, '..', '..', 'examples', 'postern.yaml'), 'utf8')
  await mkdir(join(directory, 'trust', 'corp'), { recursive: true })
  await writeFile(join(directory, 'trust', 'corp', 'corp-ca.pem'), root.certificatePem)
  const { plan, warnings } = await good(example)
  assert.deepEqual(warnings, [])
  assert.deepEqual(
    plan.proxies.map(({ name }) => name),
    ['billing', 'legacy'],
  )
})
