import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { validateCommand } from '../../src/cli/validate.ts'
import { createRoot } from '../../src/pki/make.ts'

const directory = await mkdtemp(join(tmpdir(), 'postern-validate-'))
after(() => rm(directory, { recursive: true, force: true }))
await writeFile(join(directory, 'root.pem'), (await createRoot({ commonName: 'Corp Root' })).certificatePem)

async function validate(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await validateCommand(args, { stdout: (text) => (out += text), stderr: (text) => (err += text) })
  return { code, out: out.replaceAll(`${directory}/`, ''), err }
}

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(directory, name), text)
  return join(directory, name)
}

await writeFile(join(directory, 'password'), 'hunter2\n')
const goodFile = await write(
  'good.yaml',
  `listeners: [ { name: http, port: 8080, address: 127.0.0.1 }, { name: local, port: 8081, address: "::1" } ]
trustStores: { corp: { sources: [ { file: root.pem } ] } }
targets:
  billing: { url: https://billing.internal:8443, tls: { trust: [corp] } }
  legacy:
    url: https://10.0.0.7
    tls: { trust: [corp], exceptions: [ { skip: name, owner: payments, reason: CHG-1 } ] }
  plain: { url: http://127.0.0.1:9000 }
  several:
    url: https://several.internal
    tls: { trust: [corp] }
    servers:
      - { address: a.internal }
      - { name: b, address: "10.0.0.7:8443", weight: 2, serverName: b.internal }
      - { name: spare, address: "[::1]", fallback: true }
    egress: { url: "http://proxy.internal:3128", user: gateway, password: { file: password } }
proxies: { billing: { basePath: /billing, target: billing } }
`,
)
const badFile = await write('bad.yaml', 'listeners: [ { name: http, prot: 8080 } ]\n')

test('a good file gets a summary that says how each target is verified, and exit status 0', async () => {
  const { code, out } = await validate(goodFile)
  assert.equal(code, 0)
  assert.equal(
    out,
    `good.yaml: good
  listener http: http on 127.0.0.1:8080
  listener local: http on [::1]:8081
  1 proxy, 4 targets
  target billing: https://billing.internal:8443; chain to corp (1 anchor); name billing.internal
  target legacy: https://10.0.0.7; chain to corp (1 anchor); name NOT verified
    exception in force: name not verified, owner payments: CHG-1; no end date
  target plain: http://127.0.0.1:9000; plain HTTP, not verified
  target several: https://several.internal; chain to corp (1 anchor); name several.internal
    server a.internal:443: through proxy.internal:3128
    server b: 10.0.0.7:8443, weight 2, name b.internal, through proxy.internal:3128
    server spare: [::1]:443, fallback, through proxy.internal:3128
`,
  )
})

test('a file with faults gets all of them, and exit status 1', async () => {
  const { code, out } = await validate(badFile)
  assert.equal(code, 1)
  assert.equal(
    out,
    `bad.yaml:1:14  listeners[0].port  is missing: a port (0 to 65535)
  instead: port: 8080
bad.yaml:1:28  listeners[0].prot  unknown key "prot"
  instead: port
bad.yaml: 2 faults
`,
  )
})

test('--json says the same as data', async () => {
  const good = await validate(goodFile, '--json')
  const report = JSON.parse(good.out)
  assert.deepEqual([good.code, report.ok, report.problems, report.summary.targets.length], [0, true, [], 4])
  assert.doesNotMatch(good.out, /hunter2|Z2F0ZXdheTpodW50ZXIy/, 'a password never shows (I7)')
  const bad = await validate('--json', badFile)
  const { ok, problems } = JSON.parse(bad.out)
  assert.deepEqual([bad.code, ok, problems.length], [1, false, 2])
  assert.deepEqual(problems[1], {
    file: 'bad.yaml',
    line: 1,
    column: 28,
    path: 'listeners[0].prot',
    message: 'unknown key "prot"',
    instead: 'port',
  })
})

test('wrong usage is exit status 2 with the usage on standard error', async () => {
  for (const args of [[], ['a', 'b'], ['--nosuch', 'a']]) {
    const { code, out, err } = await validate(...args)
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /usage: postern validate FILE/)
  }
  assert.deepEqual((await validate('--help')).code, 0)
})

test('the generated reference is what the code says', () => {
  const root = join(import.meta.dirname, '..', '..')
  execFileSync(process.execPath, [join(root, 'tools', 'generate-docs.ts'), '--check'], { stdio: 'pipe' })
})

test('a log file that could not be opened is a fault with its place', async () => {
  const text = (log: string): string => `listeners: [ { name: http, port: 8080 } ]
proxies: {}
logs:
  - { format: native }
  - format: native
    file: ${log}
`
  for (const [log, says] of [
    ['./gone/access.log', 'there is no directory gone'],
    ['.', 'is a directory'],
    ['./root.pem/access.log', 'there is no directory root.pem'],
  ] as const) {
    const { code, out } = await validate(await write('logs.yaml', text(log)))
    assert.equal(code, 1, out)
    assert.match(out, /^logs\.yaml:6:11 {2}logs\[1\]\.file {2}/)
    assert.ok(out.includes(says), out)
  }
  for (const log of ['./access.log', './root.pem'])
    assert.equal((await validate(await write('logs.yaml', text(log)))).code, 0, log)
  const json = await validate(await write('logs.yaml', text('./gone/a.log')), '--json')
  assert.equal((JSON.parse(json.out) as { problems: { path: string }[] }).problems[0]?.path, 'logs[1].file')
})

test('metrics are not exported more often than once a second', async () => {
  for (const [interval, code] of [
    ['60', 1],
    ['999ms', 1],
    ['1s', 0],
    ['1000', 0],
  ] as const) {
    const text = `listeners: [ { name: http, port: 8080 } ]
proxies: {}
otlp: { endpoint: http://127.0.0.1:4318, metrics: { interval: ${interval} } }
`
    const told = await validate(await write('often.yaml', text))
    assert.equal(told.code, code, told.out)
    if (code === 1)
      assert.match(told.out, /often\.yaml:3:\d+ {2}otlp\.metrics\.interval {2}.*shorter than 1s\n.*at least 1s/)
  }
})
