import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { adminPassword } from '../support/managed-gateway.ts'
import { startSupportRig } from '../support-bundle/rig.ts'
import { runCli } from './run-cli.ts'

/* From the id in a client's answer to the cause and what to do. */

const rig = await startSupportRig(['missing-root', 'ok', 'slow', 'closes-early', 'malformed-response'], {
  change: (config) => {
    const targets = config['targets'] as Record<string, unknown>
    const proxies = config['proxies'] as Record<string, unknown>
    targets['nobody'] = { url: 'http://127.0.0.1:9' }
    proxies['nobody'] = { basePath: '/nobody', target: 'nobody' }
    return config
  },
})
after(() => rig[Symbol.asyncDispose]())
const env = { POSTERN_USER: 'admin', POSTERN_PASSWORD: adminPassword }
const why = (id: string, ...more: readonly string[]) => runCli(['why', id, '--admin', rig.admin, ...more], { env })
const place = `--admin ${rig.admin} --org myorg --env test`

/** As operator of the organization, who may not read the configuration. */
const narrow = { POSTERN_USER: 'night', POSTERN_PASSWORD: 'a-password-of-the-night' }
before(async () => {
  const answer = await rig.call('POST', '/api/users', {
    name: narrow.POSTERN_USER,
    password: narrow.POSTERN_PASSWORD,
    roles: { myorg: 'operator' },
  })
  assert.equal(answer.status, 201, await answer.text())
})

describe('postern why', { timeout: 120_000 }, () => {
  it('says cause, side, chain and remedy of a backend that is not trusted, and what to run next', async () => {
    const id = await rig.fails('/apigee/missing-root/a')
    const { code, out, err } = await why(id)
    assert.deepEqual([code, err], [0, ''])
    assert.match(out, new RegExp(`^Request ${id}: missing-root\n`))
    assert.match(out, /Whose side: gateway\./)
    assert.match(out, /\n {2}proxy +apigee-missing-root, revision 1/)
    assert.match(out, /\nChain\n[^]*nowhere found/)
    assert.match(out, /\nWhat to do\n {2}1\. [^]*trust add -c \S+postern\.yaml --store lab/)
    assert.match(out, /\nServers, as they were seen last\n {2}missing-root, \S+: not asked; missing-root at /)
    assert.doesNotMatch(out, /\*\*|Last resort|Subject:/)
    assert.ok(
      out.includes(`\nTo record the next one: `) && out.includes(` trace apigee-missing-root --failures ${place}\n`),
    )
    assert.ok(out.endsWith(` support --request ${id} ${place}\n`), out)
  })

  const faults: readonly (readonly [path: string, says: RegExp, bundle: RegExp])[] = [
    [
      '/native/slow/a',
      /slow \(127\.0\.0\.1:\d+\) did meanwhile.*raise `targets\.slow\.timeouts\.firstByte` \(now 3s\)\. TIME="\$\{TIME:\?such as 30s\}"; \S*postern config set/,
      /TLS was checked: certificate and name are good\. The fault came after that/,
    ],
    [
      '/native/closes-early/a',
      /`targets\.closes-early\.timeouts\.keepAlive` \(now 55s\) below its idle timeout/,
      /The fault came after that/,
    ],
    ['/native/malformed-response/a', /Content-Length beside Transfer-Encoding/, /The fault came after that/],
    [
      '/nobody/a',
      /1\. Start what should listen on nobody \(127\.0\.0\.1:9\).*`targets\.nobody\.url`/,
      /plain HTTP: there is no certificate/,
    ],
  ]
  for (const [path, says, servers] of faults) {
    it(`names the settings and their values for ${path}, as the bundle does`, async () => {
      const id = await rig.fails(path)
      const { code, out } = await why(id)
      assert.equal(code, 0)
      assert.match(out.replaceAll(/\s+/g, ' '), says)
      const page = (await rig.bundle({ requestId: id })).text('summary.md')
      assert.match(page, /\n## What to do\n\n1\. /)
      assert.match(page, servers)
    })
  }

  it('of a request that no proxy took asks for no trace of it, nor does the bundle', async () => {
    const id = await rig.fails('/nowhere/at/all')
    const { code, out } = await why(id)
    assert.equal(code, 0)
    assert.match(out, /^Request \S+: no-route\n[^]*`basePath` of the\s+proxies/)
    assert.doesNotMatch(out, / trace /)
    const bundle = await rig.bundle({ requestId: id })
    assert.ok(bundle.manifest.missing.some(({ why: text }) => text.startsWith('no proxy took the request')))
    assert.doesNotMatch(`${JSON.stringify(bundle.manifest)}${bundle.text('curl.sh')}`, /proxy\\*":\\*""|traces/)
  })

  it('finds a request right after its answer, a good one too, and its debug session', async () => {
    await rig.trace('native-ok')
    const answer = await fetch(`http://127.0.0.1:${rig.running.port}/native/ok/a`)
    const id = answer.headers.get('x-request-id') ?? ''
    const { code, out } = await why(id)
    assert.equal(code, 0)
    assert.match(out, new RegExp(`^Request ${id}: no fault is known\n`))
    assert.ok(out.includes(` trace --request ${id} ${place}\n`), out)
    assert.doesNotMatch(out, /What to do/)
  })

  it('answers the same as JSON, in one call', async () => {
    const id = await rig.fails('/apigee/missing-root/b')
    const { code, out } = await why(id, '--json')
    assert.equal(code, 0)
    const told = JSON.parse(out) as { request: { verdict: string }; remedy: { weakens: boolean }[]; report: object }
    assert.equal(told.request.verdict, 'missing-root')
    assert.ok(told.remedy.length > 0 && told.remedy.every(({ weakens }) => !weakens) && told.report !== null)
  })

  it('serves an operator of one organization who names it; a wrong password is called so', async () => {
    const id = await rig.fails('/native/missing-root/c')
    const here = ['--admin', rig.admin, '--org', 'myorg', '--env', 'test']
    const served = await runCli(['why', id, ...here], { env: narrow })
    assert.equal(served.code, 0, served.err)
    const traced = await runCli(['trace', 'native-ok', '--for', '1', ...here], { env: narrow })
    assert.match(traced.err, /waits for requests until[^]*the session is over/)
    const wrong = { ...narrow, POSTERN_PASSWORD: 'no' }
    for (const args of [
      ['why', id],
      ['trace', 'native-ok'],
      ['support', '--target', 'ok'],
    ]) {
      const unnamed = await runCli([...args, '--admin', rig.admin], { env: narrow })
      assert.equal(unnamed.code, 2)
      assert.match(unnamed.err, /--org and --env are needed: this user may not read the configuration/)
      const refused = await runCli([...args, '--admin', rig.admin], { env: wrong })
      assert.equal(refused.code, 2)
      assert.match(refused.err, /user or password are wrong/)
      assert.doesNotMatch(refused.err, /--org/)
    }
  })

  it('ends with 1 where the request is not known, with 2 for wrong usage', async () => {
    const unknown = await why('no-such')
    assert.deepEqual([unknown.code, unknown.out], [1, ''])
    assert.match(unknown.err, /no request no-such is kept for myorg\/test: it is there about a second after its answer/)
    const others = await why('no-such', '--org', 'nobody', '--env', 'test')
    assert.equal(others.code, 1)
    for (const [args, says] of [
      [['why'], /the id of a request is missing/],
      [['why', 'a'], /--admin is missing/],
      [['why', 'a', 'b', '--admin', rig.admin], /"b" is one word too many/],
      [['why', 'a', '--admin', 'http://127.0.0.1:9'], /127\.0\.0\.1:9/],
    ] as const) {
      const { code, err } = await runCli(args, { env })
      assert.equal(code, 2, args.join(' '))
      assert.match(err, says)
    }
    assert.equal((await runCli(['why', '--help'])).code, 0)
  })
})
