import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkRunnable } from '../../../src/compat/apigee/bundle-runnable.ts'
import { bundleFromZip, findBundles } from '../../../src/compat/apigee/bundle-source.ts'
import { readBundle } from '../../../src/compat/apigee/bundle-read.ts'
import { readZip } from '../../../src/core/zip.ts'
import { proxyWith, proxyXml, shortly, targetXml } from './bundle-fixtures.ts'

const proxyFile = 'apiproxy/proxies/default.xml'
const targetFile = 'apiproxy/targets/default.xml'
const policyFile = 'apiproxy/policies/P.xml'
const step = '<Step><Name>P</Name></Step>'
const route = '<RouteRule name="r"><TargetEndpoint>default</TargetEndpoint></RouteRule>'
const policy = { [policyFile]: '<Quota name="P"/>' }

describe('what keeps a bundle from running is said with file and line', () => {
  const table: readonly (readonly [
    why: string,
    files: Readonly<Record<string, string>>,
    problems: readonly string[],
  ])[] = [
    [
      'a step',
      { ...policy, [proxyFile]: proxyXml(`<PreFlow>\n<Request>${step}</Request></PreFlow>${route}`) },
      [`error step-not-supported ${proxyFile}:4:10`],
    ],
    [
      'a step of a response',
      { ...policy, [proxyFile]: proxyXml(`<PostFlow><Response>${step}</Response></PostFlow>${route}`) },
      [`error step-not-supported ${proxyFile}:3:21`],
    ],
    [
      'a step of a flow',
      { ...policy, [proxyFile]: proxyXml(`<Flows><Flow><Request>${step}</Request></Flow></Flows>${route}`) },
      [`error step-not-supported ${proxyFile}:3:23`],
    ],
    [
      'a step after the answer',
      { ...policy, [proxyFile]: proxyXml(`<PostClientFlow><Response>${step}</Response></PostClientFlow>${route}`) },
      [`error step-not-supported ${proxyFile}:3:27`],
    ],
    [
      'a step of a fault rule',
      { ...policy, [proxyFile]: proxyXml(`<FaultRules><FaultRule name="f">${step}</FaultRule></FaultRules>${route}`) },
      [`error step-not-supported ${proxyFile}:3:33`],
    ],
    [
      'a step of the last fault rule',
      { ...policy, [proxyFile]: proxyXml(`<DefaultFaultRule>${step}</DefaultFaultRule>${route}`) },
      [`error step-not-supported ${proxyFile}:3:19`],
    ],
    [
      'a step of a target',
      { ...policy, [targetFile]: targetXml(undefined, `<PreFlow><Request>${step}</Request></PreFlow>`) },
      [`error step-not-supported ${targetFile}:5:19`],
    ],
    [
      'a step without its policy',
      { [proxyFile]: proxyXml(`<PreFlow><Request>${step}</Request></PreFlow>${route}`) },
      [`error policy-missing ${proxyFile}:3:19`],
    ],
    [
      'no fault: a policy that is switched off',
      {
        [policyFile]: '<Quota name="P" enabled="false"/>',
        [proxyFile]: proxyXml(`<PreFlow><Request>${step}</Request></PreFlow>${route}`),
      },
      [],
    ],
    ['no fault: a policy that no step names', policy, []],
    [
      'no fault: flows and fault rules without steps',
      {
        [proxyFile]: proxyXml(
          `<PreFlow/><Flows><Flow><Condition>a</Condition></Flow></Flows><FaultRules><FaultRule/></FaultRules>${route}`,
        ),
      },
      [],
    ],
    ['no fault: a null route', { [proxyFile]: proxyXml('<RouteRule name="r"/>') }, []],
    [
      'a proxy',
      { [targetFile]: '<TargetEndpoint name="default"><LocalTargetConnection/></TargetEndpoint>' },
      [`error connection-not-supported ${targetFile}:1:32`],
    ],
    [
      'a script',
      { [targetFile]: '<TargetEndpoint name="default"><ScriptTarget/></TargetEndpoint>' },
      [`error connection-not-supported ${targetFile}:1:32`],
    ],
    [
      'a hosted target',
      { [targetFile]: '<TargetEndpoint name="default"><HostedTarget/></TargetEndpoint>' },
      [`error connection-not-supported ${targetFile}:1:32`],
    ],
    [
      'no connection at all',
      { [targetFile]: '<TargetEndpoint name="default"/>' },
      [`error connection-not-supported ${targetFile}:1:1`],
    ],
    [
      'Authentication',
      { [targetFile]: targetXml('<URL>https://a</URL><Authentication><GoogleIDToken/></Authentication>') },
      [`error authentication-not-supported ${targetFile}:3:21`],
    ],
    [
      'client authentication without a certificate',
      { [targetFile]: targetXml('<URL>https://a</URL><SSLInfo><ClientAuthEnabled>true</ClientAuthEnabled></SSLInfo>') },
      [`error client-identity-missing ${targetFile}:3:21`],
    ],
    [
      'a URL with a variable',
      { [targetFile]: targetXml('<URL>https://{host}/</URL>') },
      [`error url-with-variable ${targetFile}:2:1`],
    ],
    [
      'a URL that is none',
      { [targetFile]: targetXml('<URL>ftp://a</URL>') },
      [`error url-malformed ${targetFile}:2:1`],
    ],
    [
      'a Path with a variable',
      { [targetFile]: targetXml('<LoadBalancer><Server name="s"/></LoadBalancer><Path>/{a}</Path>') },
      [`error url-with-variable ${targetFile}:2:1`],
    ],
    [
      'no server that is enabled',
      {
        [targetFile]: targetXml('<LoadBalancer><Server name="s"><IsEnabled>false</IsEnabled></Server></LoadBalancer>'),
      },
      [`error no-server-enabled ${targetFile}:2:1`],
    ],
    [
      'two servers and no MaxFailures',
      { [targetFile]: targetXml('<LoadBalancer><Server name="s"/><Server name="t"/></LoadBalancer>') },
      [`info max-failures-zero ${targetFile}:2:1`],
    ],
    [
      'a property',
      {
        [targetFile]: targetXml(
          '<URL>https://a</URL><Properties><Property name="success.codes">2xx</Property><Property name="io.timeout.millis">5</Property></Properties>',
        ),
      },
      [`warning property-not-honoured ${targetFile}:2:1`],
    ],
    [
      'an unknown target',
      { [proxyFile]: proxyXml('<RouteRule name="r"><TargetEndpoint>x</TargetEndpoint></RouteRule>') },
      [`error target-endpoint-missing ${proxyFile}:3:1`],
    ],
    [
      'a rule that is never reached',
      { [proxyFile]: proxyXml(`${route}\n<RouteRule name="s"><Condition>a</Condition></RouteRule>`) },
      [`warning route-unreachable ${proxyFile}:4:1`],
    ],
    ['no rule', { [proxyFile]: proxyXml('') }, [`warning route-missing ${proxyFile}:1:1`]],
    [
      'a condition',
      { [proxyFile]: proxyXml(`<RouteRule name="s"><Condition>a b</Condition></RouteRule>${route}`) },
      [`error condition-malformed ${proxyFile}:3:21`],
    ],
    [
      'one base path twice',
      { 'apiproxy/proxies/z.xml': proxyXml().replace('"default"', '"z"') },
      ['error base-path-duplicate apiproxy/proxies/z.xml:1:1'],
    ],
    [
      'no fault: one base path on two virtual hosts',
      { 'apiproxy/proxies/z.xml': proxyXml().replace('"default"', '"z"').replace('secure', 'plain') },
      [],
    ],
  ]
  for (const [why, files, problems] of table) {
    test(why, () => assert.deepEqual(shortly(checkRunnable(proxyWith(files))), problems))
  }
})

test('a step is named with its policy and the type of it', () => {
  const files = { ...policy, [proxyFile]: proxyXml(`<PreFlow><Request>${step}</Request></PreFlow>${route}`) }
  const [problem] = checkRunnable(proxyWith(files))
  assert.equal(problem?.policy, 'P')
  assert.match(problem.message, /policy P \(Quota\)/)
})

test('no message shows what a URL carries', () => {
  const url = 'https://user:hunter2@a b/'
  const said = checkRunnable(proxyWith({ [targetFile]: targetXml(`<URL>${url}</URL>`) }))
  assert.equal(said.length, 1)
  assert.ok(!JSON.stringify(said).includes('hunter2'))
})

const resources = fileURLToPath(new URL('../../../node_modules/apigee-edge-js/test/resources/', import.meta.url))

test('bundles that clients ship with are read, and each of their steps stands where it says', async () => {
  let steps = 0
  let written = 0
  const check = (files: ReadonlyMap<string, Uint8Array>, kind: 'apiproxy' | 'sharedflowbundle'): void => {
    const bundle = readBundle(files, kind)
    assert.notEqual(bundle.name, '')
    assert.deepEqual(
      bundle.problems.filter(({ severity }) => severity === 'error'),
      [],
    )
    for (const [file, bytes] of files) {
      const text = Buffer.from(bytes).toString()
      const found = /\/(?:proxies|targets|sharedflows)\//.test(file)
        ? text.replace(/<!--[^]*?-->/g, '').match(/<Step>/g)
        : null
      written += found?.length ?? 0
    }
    for (const { code, file, line, column, policy: name } of checkRunnable(bundle)) {
      if (code !== 'step-not-supported') continue
      steps++
      const lines = Buffer.from(files.get(file) ?? '')
        .toString()
        .split('\n')
      assert.ok(lines[line - 1]?.slice(column - 1).startsWith('<Step>'), `${file}:${line}:${column}`)
      assert.ok(
        lines
          .slice(line - 1, line + 4)
          .join('\n')
          .includes(`<Name>${name}</Name>`),
        `${file}:${line}`,
      )
    }
  }
  for (const zip of globSync('**/*.zip', { cwd: resources })) {
    const bytes = readFileSync(join(resources, zip))
    const bundle = await bundleFromZip(bytes)
    check(await readZip(bytes), bundle.kind)
  }
  for (const folder of ['apiproxy-resourcetest1', 'apiproxy-library']) {
    const root = join(resources, 'proxybundles', folder)
    const files = new Map(globSync('**/*.*', { cwd: root }).map((file) => [file, readFileSync(join(root, file))]))
    const [found] = findBundles(files)
    assert.ok(found !== undefined)
    check(found.files, found.kind)
  }
  assert.ok(steps > 40)
  assert.equal(steps, written)
})
