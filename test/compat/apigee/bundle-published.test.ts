import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkRunnable } from '../../../src/compat/apigee/bundle-runnable.ts'
import { proxyWith, proxyXml, shortly, targetXml } from './bundle-fixtures.ts'

/* Shapes that published bundles and Edge's own schemas have. */

const proxyFile = 'apiproxy/proxies/default.xml'
const targetFile = 'apiproxy/targets/default.xml'
const balanced = '<LoadBalancer><Server name="a"/></LoadBalancer>'
const noRoute = proxyXml('<RouteRule name="none"/>')
const target = (inside: string): Readonly<Record<string, string>> => ({ [targetFile]: targetXml(inside) })
const route = (inside: string): Readonly<Record<string, string>> => ({
  [proxyFile]: proxyXml(`<RouteRule name="r">${inside}</RouteRule>`),
})

describe('nothing that could matter is left out without a word', () => {
  const table: readonly (readonly [
    why: string,
    files: Readonly<Record<string, string>>,
    problems: readonly string[],
  ])[] = [
    [
      'a connection in a RouteRule, with trust of its own',
      route(
        '<URL>https://b.example</URL><HTTPTargetConnection><SSLInfo><TrustStore>t</TrustStore></SSLInfo></HTTPTargetConnection>',
      ),
      [`error route-not-supported ${proxyFile}:3:49`],
    ],
    [
      'a RouteRule to an integration is no route without a target',
      route('<IntegrationEndpoint>i</IntegrationEndpoint>'),
      [`error route-not-supported ${proxyFile}:3:21`],
    ],
    [
      'an EventFlow with steps',
      { [targetFile]: targetXml(undefined, '<EventFlow><Response><Step><Name>P</Name></Step></Response></EventFlow>') },
      [`error event-flow-not-supported ${targetFile}:5:1`],
    ],
    ['an EventFlow without steps', { [targetFile]: targetXml(undefined, '<EventFlow><Response/></EventFlow>') }, []],
    [
      'weights as attributes',
      target('<LoadBalancer><Server name="a" weight="3"/></LoadBalancer>'),
      [`warning attribute-unknown ${targetFile}:3:15`],
    ],
    [
      'a store in an attribute',
      target('<URL>https://b.example</URL><SSLInfo><Enabled>true</Enabled><TrustStore ref="t"/></SSLInfo>'),
      [`warning attribute-unknown ${targetFile}:3:61`, `error attribute-not-supported ${targetFile}:3:61`],
    ],
    [
      'an empty store',
      target('<URL>https://b.example</URL><SSLInfo><Enabled>true</Enabled><TrustStore/></SSLInfo>'),
      [`info element-empty ${targetFile}:3:61`],
    ],
    [
      'a Path beside a URL',
      target('<URL>https://b.example</URL><Path>/v2</Path>'),
      [`warning element-not-honoured ${targetFile}:3:29`],
    ],
    ['a Path with a LoadBalancer', target(`${balanced}<Path>/v2</Path>`), []],
    [
      'sessions that stay with a server',
      target(`${balanced}<SessionCache><SessionKey>JSESSIONID</SessionKey></SessionCache>`),
      [`warning element-not-honoured ${targetFile}:3:48`],
    ],
    [
      'MaxFailures without a way back',
      target('<LoadBalancer><Server name="a"/><MaxFailures>1</MaxFailures></LoadBalancer>'),
      [`info server-comes-back ${targetFile}:2:1`],
    ],
    [
      'MaxFailures with TargetDisableSecs',
      target(
        '<LoadBalancer><Server name="a"/><MaxFailures>1</MaxFailures><TargetDisableSecs>9</TargetDisableSecs></LoadBalancer>',
      ),
      [],
    ],
    [
      'MaxFailures with a HealthMonitor',
      target(
        '<LoadBalancer><Server name="a"/><MaxFailures>1</MaxFailures></LoadBalancer><HealthMonitor><IsEnabled>true</IsEnabled><TCPMonitor><Port>1</Port></TCPMonitor></HealthMonitor>',
      ),
      [],
    ],
    [
      'statistics of an endpoint',
      { [targetFile]: targetXml(undefined, '<Statistics><EnableAll>true</EnableAll></Statistics>') },
      [`warning element-not-honoured ${targetFile}:5:1`],
    ],
  ]
  for (const [why, files, problems] of table) {
    test(why, () => assert.deepEqual(shortly(checkRunnable(proxyWith(files))), problems))
  }
})

describe('a TargetEndpoint that no RouteRule leads to keeps nothing from running', () => {
  const bare = '<TargetEndpoint name="default"><FaultRules/></TargetEndpoint>'
  const script = '<TargetEndpoint name="default"><ScriptTarget/></TargetEndpoint>'
  const authenticated = targetXml('<URL>https://b.example</URL><Authentication><GoogleIDToken/></Authentication>')
  const pathOnly = targetXml('<Path>/{flow.path}</Path>')
  for (const [what, xml, code] of [
    ['without a connection', bare, 'connection-not-supported'],
    ['with a script', script, 'connection-not-supported'],
    ['with authentication', authenticated, 'authentication-not-supported'],
    ['without a URL', pathOnly, 'target-missing'],
  ] as const) {
    test(`${what}: an error where it is used, a warning where not`, () => {
      const severities = (files: Readonly<Record<string, string>>): readonly string[] =>
        checkRunnable(proxyWith({ ...files, [targetFile]: xml })).flatMap((each) =>
          each.code === code ? [each.severity] : [],
        )
      assert.deepEqual(severities({}), ['error'])
      assert.deepEqual(severities({ [proxyFile]: noRoute }), ['warning'])
    })
  }

  test('a policy that there is not is missing all the same', () => {
    const xml = targetXml(undefined, '<PreFlow><Request><Step><Name>P</Name></Step></Request></PreFlow>')
    const problems = checkRunnable(proxyWith({ [proxyFile]: noRoute, [targetFile]: xml }))
    assert.deepEqual(shortly(problems), [`error policy-missing ${targetFile}:5:19`])
  })
})

test('a target whose URL a policy would set is for Edge to take: nothing of it is wrong in itself', () => {
  const bundle = proxyWith(target('<Path>/{flow.path}</Path>'))
  assert.deepEqual(
    bundle.problems.filter(({ severity }) => severity === 'error'),
    [],
  )
})
