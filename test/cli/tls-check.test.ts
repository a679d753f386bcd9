import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { stringify } from 'yaml'
import { checkCommand } from '../../src/cli/tls-check.ts'
import { startLab } from '../../src/lab/lab.ts'
import { type ScenarioName, scenarios, serverNameOf } from '../../src/lab/scenarios.ts'
import { runCli } from './run-cli.ts'

/* The command as people and pipelines run it: a process, backends of the lab, exit status and output. */

const used = [
  'ok',
  'expired',
  'missing-root',
  'missing-intermediate',
  'name-mismatch',
  'self-signed',
  'plain-http',
  'refused',
  'client-certificate-required',
] as const satisfies readonly ScenarioName[]

const lab = await startLab({ scenarios: used })
const directory = await mkdtemp(join(tmpdir(), 'postern-tls-check-'))
after(async () => {
  await lab.close()
  await rm(directory, { recursive: true, force: true })
})
const path = (name: string): string => join(directory, name)
const endpoint = (scenario: ScenarioName): string => {
  const { host, port } = lab.backend(scenario)
  return `${host}:${port}`
}
await writeFile(path('lab.pem'), lab.trust.bundlePem)
await mkdir(path('trusted'))
await writeFile(path('trusted/lab.pem'), lab.trust.bundlePem)
await writeFile(path('client.crt'), lab.clientIdentity.certificatePem)
await writeFile(path('client.key'), lab.clientIdentity.keyPem, { mode: 0o600 })
const target = (scenario: ScenarioName, more: object = {}): object => ({
  url: `https://${endpoint(scenario)}`,
  tls: { trust: ['lab'], serverName: serverNameOf(scenario) },
  ...more,
})
await writeFile(
  path('postern.yaml'),
  stringify({
    listeners: [{ name: 'http', address: '127.0.0.1', port: 8080 }],
    trustStores: { lab: { sources: [{ file: 'lab.pem' }] } },
    targets: {
      good: target('ok'),
      old: target('expired'),
      several: target('ok', {
        servers: [
          { name: 'first', address: endpoint('ok') },
          { name: 'second', address: endpoint('expired'), serverName: serverNameOf('expired') },
        ],
      }),
      plain: { url: 'http://127.0.0.1:9' },
    },
  }),
)

const check = (args: readonly string[], options: Parameters<typeof runCli>[1] = {}) =>
  runCli(['tls', 'check', ...args], { cwd: directory, ...options })
const adHoc = (scenario: ScenarioName): string[] => [
  endpoint(scenario),
  '--ca',
  'lab.pem',
  '--server-name',
  serverNameOf(scenario),
]

describe('postern tls check', () => {
  it('says of a good endpoint that it is trusted, and exits with 0', async () => {
    const { code, out, err } = await check(adHoc('ok'))
    assert.deepEqual([code, err], [0, ''], err)
    assert.match(out, /trusted/)
  })

  it('answers --json with the contract: verdict, findings, chain, remedy, and what it is about', async () => {
    const { code, out } = await check([...adHoc('expired'), '--json'])
    assert.equal(code, 1)
    const report = JSON.parse(out)
    assert.deepEqual(Object.keys(report).slice(0, 4), ['verdict', 'findings', 'chain', 'remedy'])
    const { verdict, chain, remedy, endpoint: about, probe, mode } = report
    assert.deepEqual([verdict.code, verdict.party, verdict.stage, verdict.at], ['expired', 'backend', 'chain', 0])
    assert.equal(verdict.certificate.sha256, chain.served[0].sha256)
    assert.ok(chain.path.length > 1 && remedy.length > 0)
    const { host, port } = lab.backend('expired')
    assert.deepEqual(about, {
      entry: endpoint('expired'),
      target: null,
      server: endpoint('expired'),
      host,
      port,
      serverName: serverNameOf('expired'),
      verifyNames: [serverNameOf('expired')],
    })
    assert.deepEqual([mode, probe.handshake.version], ['runtime', 'TLSv1.3'])
    assert.equal(probe.fault.verdict, 'expired')
    assert.doesNotMatch(out, /"type": ?"Buffer"|PRIVATE/)
  })

  for (const scenario of used.filter((name) => name !== 'ok')) {
    it(`finds the planted fault of ${scenario}, and exits with 1`, async () => {
      const { code, out, err } = await check([...adHoc(scenario), '--json', '--timeout', '5s'])
      const { verdict } = JSON.parse(out)
      const { expect } = scenarios[scenario]
      assert.deepEqual([code, verdict.code, verdict.party, err], [1, expect.verdict, expect.party, ''])
    })
  }

  it('checks a target as it is configured, from ./postern.yaml or -c FILE', async () => {
    assert.equal((await check(['good'])).code, 0)
    const { code, out } = await check(['old', '-c', path('postern.yaml'), '--json'], { cwd: tmpdir() })
    const report = JSON.parse(out)
    assert.deepEqual([code, report.verdict.code, report.endpoint.target], [1, 'expired', 'old'])
  })

  it('checks every server of a target, in the order of the configuration, a report a line and a summary', async () => {
    const { code, out } = await check(['several', 'good', '--json'])
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(code, 1)
    assert.deepEqual(
      lines.slice(0, -1).map(({ endpoint: { target: name, server }, verdict }) => [name, server, verdict.code]),
      [
        ['several', 'first', 'trusted'],
        ['several', 'second', 'expired'],
        ['good', endpoint('ok'), 'trusted'],
      ],
    )
    const { summary } = lines.at(-1)
    assert.deepEqual([summary.servers, summary.trusted, summary.verdicts], [3, 2, { trusted: 2, expired: 1 }])
    assert.equal(summary.endSoonest[0].servers, 2)
  })

  it('takes a URL, and trust from a store, a directory, SSL_CERT_FILE or the public roots', async () => {
    const named = ['--server-name', serverNameOf('ok')]
    const url = `https://${endpoint('ok')}/some/path?query`
    assert.equal((await check([url, '--store', 'lab', ...named])).code, 0)
    assert.equal((await check([url, '--ca', 'trusted', ...named])).code, 0)
    assert.equal((await check([url, ...named], { env: { SSL_CERT_FILE: path('lab.pem') } })).code, 0)
    const { code, out } = await check([url, '--bundled', ...named, '--json', '--no-aia'])
    assert.deepEqual([code, JSON.parse(out).verdict.stage], [1, 'chain'], 'the public roots know nothing of the lab')
  })

  it('verifies the name it is told to, whatever name it asks for', async () => {
    const asked = [endpoint('name-mismatch'), '--ca', 'lab.pem', '--server-name', serverNameOf('name-mismatch')]
    assert.equal((await check(asked)).code, 1)
    assert.equal((await check([...asked, '--verify-name', 'another-service.lab.test'])).code, 0)
  })

  it('shows a client certificate, and speaks the versions it is told to', async () => {
    const identity = ['--cert', 'client.crt', '--key', 'client.key']
    assert.equal((await check([...adHoc('client-certificate-required'), ...identity])).code, 0)
    const { code, out } = await check([...adHoc('ok'), '--tls-max', '1.2', '--json'])
    assert.deepEqual([code, JSON.parse(out).probe.handshake.version], [0, 'TLSv1.2'])
  })

  it('judges as of another moment', async () => {
    const { code, out } = await check([...adHoc('ok'), '--time', '2100-01-01', '--json'])
    const { verdict, asOf } = JSON.parse(out)
    assert.deepEqual([code, verdict.code, asOf], [1, 'expired', '2100-01-01T00:00:00.000Z'])
    const past = await check([...adHoc('ok'), '--time', '2020-01-01T00:00:00Z', '--json'])
    assert.equal(JSON.parse(past.out).verdict.code, 'not-yet-valid')
  })

  it('writes JUnit XML that says the same', async () => {
    const { code } = await check(['good', 'old', '--junit', 'junit.xml'])
    const xml = await readFile(path('junit.xml'), 'utf8')
    assert.equal(code, 1)
    assert.match(xml, /<testsuite name="postern tls check" tests="2" failures="1"/)
    assert.match(xml, /<testcase classname="good" name="good \(127\.0\.0\.1:\d+\)" time="[\d.]+"\/>/)
    assert.match(xml, /<failure type="expired" message="expired: /)
  })

  it('with --resume shows what is new, in order, and counts the rest', async () => {
    const args = ['--out', 'some.jsonl', '--resume', '--json']
    assert.equal((await check(['old', ...args])).code, 1)
    const { code, out } = await check(['old', 'good', ...args])
    const [report, last, ...none] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual([code, report.endpoint.target, none], [1, 'good', []])
    assert.deepEqual([last.summary.servers, last.summary.resumed, last.summary.faults], [2, 1, 1])
  })

  it('reads a list from standard input: a line for each that is not trusted, the summary, reports in --out', async () => {
    const list = `# two of them
good
${endpoint('missing-root')} name=${serverNameOf('missing-root')}, ca=lab.pem
`
    const { code, out, err } = await check(['--from', '-', '--ca', 'lab.pem', '--out', 'results.jsonl'], {
      stdin: list,
    })
    assert.equal(code, 1)
    assert.match(out, /^127\.0\.0\.1:\d+ name=missing-root\.lab\.test ca=lab\.pem {2}missing-root \(gateway\) {2}\S/)
    assert.match(
      out,
      /\n2 servers: 1 trusted, 1 not\n {7}1 {2}missing-root\nWhose side: 1 gateway\nEnd soonest, of what is trusted:\n/,
    )
    assert.match(err, /^1 of 2, .*\n2 of 2, .*\n$/)
    const results = (await readFile(path('results.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(new Set(results.map(({ verdict }) => verdict.code)), new Set(['missing-root', 'trusted']))
  })

  const wrong: readonly [what: string, args: readonly string[], says: RegExp][] = [
    ['no endpoint', [], /name an endpoint/],
    ['an endpoint that is none', ['a:b:c'], /"a:b:c" is not an endpoint/],
    ['a target that is not there', ['goood'], /no target of \S+postern\.yaml \(did you mean good\?\)/],
    ['a target that is plain HTTP', ['plain'], /plain HTTP/],
    ['a store that is not there', ['a:443', '--store', 'corp'], /--store corp: there is no such store; there are lab/],
    ['a file that is not there', ['a:443', '--ca', path('nosuch.pem')], /--ca \S+nosuch\.pem: there is no such file/],
    ['a file without certificates', ['a:443', '--ca', path('client.key')], /client\.key/],
    ['a configuration that is not there', ['good', '-c', path('nosuch.yaml')], /nosuch\.yaml.*there is no such file/],
    ['trust for a target', ['good', '--ca', path('lab.pem')], /are for endpoints that are no target/],
    ['versions the wrong way round', ['a:443', '--tls-min', '1.3', '--tls-max', '1.2'], /--tls-min TLSv1\.3 is above/],
    ['a mode that is not there', ['a:443', '--mode', 'lax'], /there are runtime, rfc5280, strict/],
    ['a moment without a zone', ['a:443', '--time', '2030-01-01T12:00'], /--time 2030-01-01T12:00: a day/],
    ['a duration that is none', ['a:443', '--timeout', 'soon'], /--timeout soon: a duration/],
    ['--key alone', ['a:443', '--key', path('client.key')], /--key needs --cert/],
    [
      'a key of another',
      ['a:443', '--cert', path('lab.pem'), '--key', path('client.key')],
      /--cert \S+lab\.pem: .*belongs to none/,
    ],
    [
      'a JUnit file that cannot be',
      ['a:443', '--junit', '/nope/x.xml'],
      /--junit \/nope\/x\.xml: there is no directory \/nope/,
    ],
    ['results that cannot be', ['a:443', '--out', '/nope/x'], /--out \/nope\/x: there is no directory \/nope/],
    ['results on standard output', ['a:443', '--out', '-'], /--out -: results go to a file/],
    ['results in a directory', ['a:443', '--out', path('trusted')], /--out \S+trusted: it is a directory/],
    ['--resume alone', ['a:443', '--resume'], /--resume goes on with the results of --out/],
    ['an option that is not there', ['a:443', '--insecure'], /there is no option --insecure\n/],
    ['an option that is nearly there', ['a:443', '--storre', 'x'], /no option --storre; did you mean --store\?\n/],
    ['an option without its value', ['a:443', '--store'], /--store needs a value/],
    ['a value of one that takes none', ['a:443', '--json=yes'], /--json takes no value\n/],
    ['a list that is not there', ['--from', 'nosuch.txt'], /cannot be read/],
    ['too many at a time', ['a:443', '--concurrency', '5000'], /--concurrency 5000: a number from 1 to 512/],
  ]
  for (const [what, args, says] of wrong) {
    it(`refuses ${what} with exit status 2`, async () => {
      let out = ''
      let err = ''
      const io = { stdout: (text: string) => void (out += text), stderr: (text: string) => void (err += text) }
      const config = args.includes('-c') ? [] : ['-c', path('postern.yaml')]
      const code = await checkCommand([...args, ...config], io, new AbortController().signal)
      assert.deepEqual([code, out], [2, ''])
      assert.match(err, says)
      assert.match(err, /See: postern tls check --help\n$/)
    })
  }

  it('refuses a list with every faulty line of it, twenty at most', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => (index === 1 ? 'good' : `a:b:${index}`))
    await writeFile(path('faulty.txt'), lines.join('\n'))
    const { code, out, err } = await check(['--from', 'faulty.txt', '-c', 'postern.yaml'])
    assert.deepEqual([code, out], [2, ''])
    const numbers = [...err.matchAll(/^(?:postern tls check: )?faulty\.txt:(\d+): "a:b:/gm)].map(([, number]) =>
      Number(number),
    )
    assert.deepEqual(numbers, [1, ...Array.from({ length: 19 }, (_, index) => index + 3)])
  })

  it('says how many names it does not list', async () => {
    const targets = Object.fromEntries(Array.from({ length: 13 }, (_, index) => [`t${index}`, target('ok')]))
    const trustStores = { lab: { sources: [{ file: 'lab.pem' }] } }
    await writeFile(path('many.yaml'), stringify({ listeners: [{ name: 'http', port: 0 }], trustStores, targets }))
    const { err } = await check(['elsewhere', '-c', 'many.yaml'])
    assert.match(err, /\(there are t0, t1, .*t9 and 3 more\)/)
  })

  it('refuses likewise as a process, and says what to do without a configuration', async () => {
    const { code, out, err } = await check(['good'], { cwd: tmpdir() })
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /^postern tls check: "good" has no port.*name one with -c FILE, or for a host write good:443\n/)
  })

  it('has help', async () => {
    for (const args of [['--help'], ['a:443', '-h']]) {
      const { code, out } = await check(args)
      assert.equal(code, 0)
      assert.match(out, /postern tls check ENDPOINT\.\.\. \[options\]/)
    }
    assert.equal((await runCli(['tls'])).code, 2)
    assert.equal((await runCli(['tls', 'nosuch'])).code, 2)
  })
})
