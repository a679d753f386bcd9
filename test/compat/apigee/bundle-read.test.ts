import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { manifestXml } from '../../../src/compat/apigee/bundle-manifest.ts'
import { readBundle, readBundleInTurns } from '../../../src/compat/apigee/bundle-read.ts'
import { checkRunnable } from '../../../src/compat/apigee/bundle-runnable.ts'
import { connectionWith, filesFrom, proxyWith, proxyXml, shortly, targetXml } from './bundle-fixtures.ts'

const proxyFile = 'apiproxy/proxies/default.xml'
const targetFile = 'apiproxy/targets/default.xml'

test('a plain bundle is read without a word, and can run', () => {
  const bundle = proxyWith()
  assert.deepEqual(bundle.problems, [])
  assert.deepEqual(checkRunnable(bundle), [])
  const { name, displayName, description, proxyEndpoints, targetEndpoints } = bundle
  assert.deepEqual({ name, displayName, description }, { name: 'orders', displayName: 'Orders', description: 'd' })
  assert.equal(proxyEndpoints[0]?.basePath, '/orders')
  assert.deepEqual(proxyEndpoints[0]?.virtualHosts, ['secure'])
  assert.deepEqual(proxyEndpoints[0]?.routeRules[0]?.to, { kind: 'target', name: 'default' })
  const connection = targetEndpoints[0]?.connection
  assert.ok(connection?.kind === 'http')
  assert.equal(connection.url, 'https://backend.example/v1')
})

test('a bundle without any file is empty, and no fault of its own', () => {
  const bundle = readBundle(new Map(), 'apiproxy')
  assert.deepEqual(bundle.problems, [])
  assert.deepEqual(bundle.proxyEndpoints, [])
  assert.deepEqual(shortly(checkRunnable(bundle)), ['error proxy-endpoint-missing apiproxy/proxies:1:1'])
})

test('elements may stand in any order, with comments, CDATA and entities between', () => {
  const text = `<?xml version="1.0" encoding="utf-8"?>
<!-- a comment <Step> -->
<ProxyEndpoint name="default">
  <RouteRule name="r"><Condition><![CDATA[a = "1" && b < 2]]></Condition><TargetEndpoint> default <!-- x --></TargetEndpoint></RouteRule>
  <PostClientFlow><Response/></PostClientFlow>
  <DefaultFaultRule name="d"><AlwaysEnforce>TRUE</AlwaysEnforce></DefaultFaultRule>
  <PostFlow name="PostFlow"><Response/><Request/></PostFlow>
  <Flows>
    <Flow name="f"><Response/><Request/><Condition>a = &quot;1&quot; &amp;&amp; b</Condition><Description>d</Description></Flow>
  </Flows>
  <FaultRules><FaultRule name="one"><Condition>fault.name = "X"</Condition></FaultRule><FaultRule name="two"/></FaultRules>
  <PreFlow/>
  <HTTPProxyConnection><Properties><Property name="request.streaming.enabled">true</Property></Properties><VirtualHost>b</VirtualHost><BasePath>/a/*/b/</BasePath><VirtualHost>a</VirtualHost></HTTPProxyConnection>
</ProxyEndpoint>`
  const bundle = proxyWith({ [proxyFile]: text })
  assert.deepEqual(bundle.problems, [])
  assert.deepEqual(checkRunnable(bundle), [])
  const [end] = bundle.proxyEndpoints
  assert.ok(end !== undefined)
  assert.equal(end.basePath, '/a/*/b')
  assert.deepEqual(end.virtualHosts, ['b', 'a'])
  assert.deepEqual(end.properties, { 'request.streaming.enabled': 'true' })
  assert.equal(end.routeRules[0]?.condition?.op, 'and')
  assert.deepEqual(end.routeRules[0]?.to, { kind: 'target', name: 'default' })
  assert.deepEqual(
    end.faultRules.map(({ name }) => name),
    ['one', 'two'],
  )
  assert.equal(end.defaultFaultRule?.alwaysEnforce, true)
  assert.equal(end.flows[0]?.name, 'f')
  assert.equal(end.flows[0]?.condition?.op, 'and')
  assert.ok(end.preFlow !== null && end.postFlow !== null && end.postClientFlow !== null)
})

describe('SSLInfo', () => {
  test('all of it, values wrapped in line ends', () => {
    const connection = connectionWith(`<URL>https://b.example</URL><SSLInfo>
      <TrustStore>
        ref://trust
      </TrustStore><KeyAlias>{alias}</KeyAlias><KeyStore>keys</KeyStore>
      <Protocols><Protocol>TLSv1.2</Protocol><Protocol>TLSv1.3</Protocol></Protocols>
      <Ciphers><Cipher>TLS_A</Cipher></Ciphers><ClientAuthEnabled>true</ClientAuthEnabled>
      <Enforce>true</Enforce><Enabled>True</Enabled><IgnoreValidationErrors>false</IgnoreValidationErrors>
      <CommonName wildcardMatch="true">*.example</CommonName><CRLStore>c</CRLStore><CertAlias>x</CertAlias>
    </SSLInfo>`)
    assert.ok(connection.kind === 'http')
    assert.deepEqual(connection.sslInfo, {
      enabled: true,
      clientAuthEnabled: true,
      enforce: true,
      keyStore: 'keys',
      keyAlias: '{alias}',
      trustStore: 'ref://trust',
      ignoreValidationErrors: false,
      ciphers: ['TLS_A'],
      protocols: ['TLSv1.2', 'TLSv1.3'],
      commonName: { name: '*.example', wildcardMatch: true },
      ignored: ['CRLStore', 'CertAlias'],
    })
  })

  for (const [url, enabled] of [
    ['https://b', true],
    ['http://b', false],
  ] as const) {
    test(`an empty one is enabled where the URL is https: ${url}`, () => {
      const connection = connectionWith(`<URL>${url}</URL><SSLInfo/>`)
      assert.ok(connection.kind === 'http')
      assert.equal(connection.sslInfo?.enabled, enabled)
      assert.equal(connection.sslInfo.trustStore, null)
      assert.equal(connection.sslInfo.enforce, null)
    })
  }
})

test('LoadBalancer and HealthMonitor, all of them', () => {
  const connection = connectionWith(`<LoadBalancer>
    <Algorithm>Weighted</Algorithm>
    <Server name="ts1"><Weight>3</Weight><IsEnabled>true</IsEnabled></Server>
    <Server name="ts2"><IsFallback>true</IsFallback></Server>
    <MaxFailures>5</MaxFailures><RetryEnabled>false</RetryEnabled><TargetDisableSecs>60</TargetDisableSecs>
    <ServerUnhealthyResponse><ResponseCode>500</ResponseCode><ResponseCode>503</ResponseCode></ServerUnhealthyResponse>
  </LoadBalancer>
  <Path>/p</Path>
  <HealthMonitor><IsEnabled>true</IsEnabled><IntervalInSec>7</IntervalInSec><HTTPMonitor>
    <Request><IsSSL>true</IsSSL><TrustAllSSL>true</TrustAllSSL><ConnectTimeoutInSec>1</ConnectTimeoutInSec>
      <SocketReadTimeoutInSec>2</SocketReadTimeoutInSec><Port>443</Port><Verb>POST</Verb><Path>/h</Path>
      <Header name="X-H">v</Header><Payload>body</Payload><UseTargetServerSSLInfo>true</UseTargetServerSSLInfo>
      <IncludeHealthCheckIdHeader>true</IncludeHealthCheckIdHeader></Request>
    <SuccessResponse><ResponseCode>204</ResponseCode><Header name="OK">yes</Header></SuccessResponse>
  </HTTPMonitor></HealthMonitor>`)
  assert.ok(connection.kind === 'http')
  const { loadBalancer, healthMonitor, path, url } = connection
  assert.deepEqual({ path, url }, { path: '/p', url: null })
  assert.deepEqual(
    { ...loadBalancer, servers: loadBalancer?.servers.map(({ place: _place, ...server }) => server) },
    {
      algorithm: 'Weighted',
      servers: [
        { name: 'ts1', weight: 3, isEnabled: true, isFallback: false },
        { name: 'ts2', weight: 1, isEnabled: true, isFallback: true },
      ],
      maxFailures: 5,
      retryEnabled: false,
      targetDisableSecs: 60,
      unhealthyStatuses: [500, 503],
    },
  )
  assert.deepEqual(
    { ...healthMonitor, place: null },
    {
      isEnabled: true,
      intervalSecs: 7,
      monitor: {
        kind: 'http',
        connectTimeoutSecs: 1,
        readTimeoutSecs: 2,
        port: 443,
        isSsl: true,
        trustAllSsl: true,
        useTargetServerSslInfo: true,
        verb: 'POST',
        path: '/h',
        headers: [{ name: 'X-H', value: 'v' }],
        payload: 'body',
        includeHealthCheckIdHeader: true,
        successStatuses: [204],
        successHeaders: [{ name: 'OK', value: 'yes' }],
      },
      place: null,
    },
  )
  const tcp = connectionWith(
    '<LoadBalancer><Server name="a"/></LoadBalancer><HealthMonitor><TCPMonitor><Port>9</Port></TCPMonitor></HealthMonitor>',
  )
  assert.ok(tcp.kind === 'http')
  assert.deepEqual(tcp.healthMonitor?.monitor, { kind: 'tcp', connectTimeoutSecs: 10, port: 9 })
  assert.deepEqual(tcp.loadBalancer?.maxFailures, 0)
})

test('policies are known by their root elements, resources by their paths', () => {
  const bundle = proxyWith({
    'apiproxy/policies/File.xml': '<AssignMessage name="AM-1" enabled="true"/>',
    'apiproxy/policies/Off.xml': '<RaiseFault name="RF" enabled="false"/>',
    'apiproxy/policies/NoName.xml': '<Quota/>',
    'apiproxy/resources/jsc/lib/x.js': 'code <',
    'apiproxy/resources/xsl/t.xsl': '',
  })
  assert.deepEqual(
    bundle.policies.map(({ name, type, enabled }) => [name, type, enabled]),
    [
      ['AM-1', 'AssignMessage', true],
      ['NoName', 'Quota', true],
      ['RF', 'RaiseFault', false],
    ],
  )
  assert.deepEqual(bundle.resources, [
    { type: 'jsc', name: 'lib/x.js' },
    { type: 'xsl', name: 't.xsl' },
  ])
  assert.deepEqual(shortly(bundle.problems), ['warning name-missing apiproxy/policies/NoName.xml:1:1'])
})

test('a shared flow bundle has its flows and their steps', () => {
  const bundle = readBundle(
    filesFrom({
      'sharedflowbundle/sf.xml': '<SharedFlowBundle name="sf"/>',
      'sharedflowbundle/sharedflows/default.xml':
        '<SharedFlow name="default">\n <Step><Name>P</Name><Condition>a</Condition></Step>\n</SharedFlow>',
      'sharedflowbundle/policies/P.xml': '<Quota name="P"/>',
    }),
    'sharedflowbundle',
  )
  assert.deepEqual(bundle.problems, [])
  assert.equal(bundle.name, 'sf')
  assert.equal(bundle.sharedFlows[0]?.steps[0]?.policy, 'P')
  assert.deepEqual(shortly(checkRunnable(bundle)), [
    'warning step-not-supported sharedflowbundle/sharedflows/default.xml:2:2',
  ])
})

test('a manifest is read as what it was written for', () => {
  const name = `a&b<"c'>`
  const proxy = readBundle(filesFrom({ 'apiproxy/x.xml': manifestXml(name, 1) }), 'apiproxy')
  assert.deepEqual([proxy.name, proxy.displayName, proxy.problems], [name, name, []])
  const flow = readBundle(
    filesFrom({ 'sharedflowbundle/x.xml': manifestXml('f', 2, 'sharedflowbundle') }),
    'sharedflowbundle',
  )
  assert.deepEqual([flow.name, flow.problems], ['f', []])
})

describe('what is wrong is said with file, line and column', () => {
  const route = '<RouteRule name="r"/>'
  const table: readonly (readonly [
    why: string,
    files: Readonly<Record<string, string>>,
    problems: readonly string[],
  ])[] = [
    [
      'an unknown element',
      { [proxyFile]: proxyXml(`${route}\n <Flowz/>`) },
      [`warning element-unknown ${proxyFile}:4:2`],
    ],
    [
      'two of one kind',
      { [proxyFile]: proxyXml('<PreFlow/>\n<PreFlow/>') },
      [`error element-duplicate ${proxyFile}:4:1`],
    ],
    [
      'two URLs',
      { [targetFile]: targetXml('<URL>https://a</URL>\n<URL>https://b</URL>') },
      [`error element-duplicate ${targetFile}:4:1`],
    ],
    [
      'two phases',
      { [proxyFile]: proxyXml('<PreFlow><Request/>\n<Request/></PreFlow>') },
      [`error element-duplicate ${proxyFile}:4:1`],
    ],
    [
      'a step outside of its phase',
      { [proxyFile]: proxyXml('<PreFlow><Step><Name>P</Name></Step></PreFlow>') },
      [`error step-misplaced ${proxyFile}:3:10`],
    ],
    [
      'a step without a name',
      { [proxyFile]: proxyXml('<PreFlow><Request><Step/></Request></PreFlow>') },
      [`error step-without-name ${proxyFile}:3:19`],
    ],
    [
      'a condition',
      { [proxyFile]: proxyXml('<Flows><Flow name="f"><Condition>a /~ "b"</Condition></Flow></Flows>') },
      [`error condition-malformed ${proxyFile}:3:23`],
    ],
    [
      'an ambiguous condition',
      { [proxyFile]: proxyXml('<RouteRule><Condition>a and b or c</Condition></RouteRule>') },
      [`warning name-missing ${proxyFile}:3:1`, `warning condition-ambiguous ${proxyFile}:3:12`],
    ],
    [
      'text where none belongs',
      { [proxyFile]: proxyXml('<PreFlow>hello</PreFlow>') },
      [`warning text-unexpected ${proxyFile}:3:1`],
    ],
    ['no connection', { [proxyFile]: '<ProxyEndpoint name="x"/>' }, [`error connection-missing ${proxyFile}:1:1`]],
    [
      'no base path',
      { [proxyFile]: '<ProxyEndpoint><HTTPProxyConnection/></ProxyEndpoint>' },
      [`warning base-path-missing ${proxyFile}:1:16`],
    ],
    [
      'a base path that is none',
      {
        [proxyFile]:
          '<ProxyEndpoint><HTTPProxyConnection><BasePath>a b</BasePath></HTTPProxyConnection></ProxyEndpoint>',
      },
      [`error base-path-malformed ${proxyFile}:1:37`],
    ],
    [
      'a route to two places',
      {
        [proxyFile]: proxyXml('<RouteRule name="r"><URL>https://x</URL><TargetEndpoint>t</TargetEndpoint></RouteRule>'),
      },
      [`error route-ambiguous ${proxyFile}:3:1`],
    ],
    ['two names', { 'apiproxy/proxies/z.xml': proxyXml() }, ['error endpoint-duplicate apiproxy/proxies/z.xml:1:1']],
    [
      'two policies',
      { 'apiproxy/policies/a.xml': '<Quota name="P"/>', 'apiproxy/policies/b.xml': '\n<Quota name="P"/>' },
      ['error policy-duplicate apiproxy/policies/b.xml:2:1'],
    ],
    ['two roots', { 'apiproxy/zz.xml': '<APIProxy name="zz"/>' }, ['error root-duplicate apiproxy/zz.xml:1:1']],
    ['another document', { [targetFile]: '<ProxyEndpoint/>' }, [`error root-unexpected ${targetFile}:1:1`]],
    [
      'both',
      { [targetFile]: targetXml('<URL>http://a</URL><LoadBalancer><Server name="s"/></LoadBalancer>') },
      [`error target-ambiguous ${targetFile}:2:1`],
    ],
    [
      'a monitor alone',
      { [targetFile]: targetXml('<URL>http://a</URL><HealthMonitor><TCPMonitor/></HealthMonitor>') },
      [`error health-monitor-alone ${targetFile}:3:20`],
    ],
    [
      'an empty monitor',
      { [targetFile]: targetXml('<LoadBalancer><Server name="s"/></LoadBalancer><HealthMonitor/>') },
      [`error health-monitor-malformed ${targetFile}:3:48`],
    ],
    [
      'a balancer without servers',
      { [targetFile]: targetXml('<LoadBalancer/>') },
      [`error server-missing ${targetFile}:3:1`],
    ],
    [
      'a server twice',
      { [targetFile]: targetXml('<LoadBalancer><Server name="s"/><Server name="s"/></LoadBalancer>') },
      [`error server-duplicate ${targetFile}:3:33`],
    ],
    [
      'two fallbacks',
      {
        [targetFile]: targetXml(
          '<LoadBalancer><Server name="s"><IsFallback>true</IsFallback></Server><Server name="t"><IsFallback>true</IsFallback></Server></LoadBalancer>',
        ),
      },
      [`error fallback-duplicate ${targetFile}:3:70`],
    ],
    [
      'a word for a number',
      { [targetFile]: targetXml('<LoadBalancer><Server name="s"/><MaxFailures>many</MaxFailures></LoadBalancer>') },
      [`error value-malformed ${targetFile}:3:33`],
    ],
    [
      'a word for a flag',
      { [targetFile]: targetXml('<URL>https://a</URL><SSLInfo><Enabled>yes</Enabled></SSLInfo>') },
      [`error value-malformed ${targetFile}:3:30`],
    ],
    [
      'an algorithm',
      { [targetFile]: targetXml('<LoadBalancer><Server name="s"/><Algorithm>Random</Algorithm></LoadBalancer>') },
      [`error value-malformed ${targetFile}:3:33`],
    ],
    [
      'a misspelt trust store',
      { [targetFile]: targetXml('<URL>https://a</URL><SSLInfo><Truststore>t</Truststore></SSLInfo>') },
      [`error element-misspelt ${targetFile}:3:30`, `warning element-unknown ${targetFile}:3:30`],
    ],
    [
      'an alias by reference',
      { [targetFile]: targetXml('<URL>https://a</URL><SSLInfo><KeyAlias>ref://a</KeyAlias></SSLInfo>') },
      [`error key-alias-reference ${targetFile}:3:21`],
    ],
    [
      'a property twice',
      {
        [targetFile]: targetXml(
          '<URL>https://a</URL><Properties><Property name="p"/><Property name="p"/></Properties>',
        ),
      },
      [`error property-duplicate ${targetFile}:3:53`],
    ],
    [
      'old fault rules of a step',
      {
        [proxyFile]: proxyXml(
          '<PreFlow><Request><Step><Name>P</Name><FaultRules><FaultRule/></FaultRules></Step></Request></PreFlow>',
        ),
      },
      [`warning element-not-honoured ${proxyFile}:3:39`],
    ],
    [
      'old fault rules of a step, empty, as exports have them',
      { [proxyFile]: proxyXml('<PreFlow><Request><Step><FaultRules/><Name>P</Name></Step></Request></PreFlow>') },
      [],
    ],
    [
      'two connections',
      {
        [targetFile]:
          '<TargetEndpoint><HTTPTargetConnection><URL>http://a</URL></HTTPTargetConnection><ScriptTarget/></TargetEndpoint>',
      },
      [`error connection-ambiguous ${targetFile}:1:1`],
    ],
    [
      'a file that is no document',
      { 'apiproxy/policies/.DS_Store': '' },
      ['warning file-not-read apiproxy/policies/.DS_Store:1:1'],
    ],
    [
      'a document that is cut off',
      { [targetFile]: '<TargetEndpoint>\n  <HTTP' },
      [`error xml-malformed ${targetFile}:2:8`],
    ],
  ]
  for (const [why, files, problems] of table) {
    test(why, () => assert.deepEqual(shortly(proxyWith(files).problems), problems))
  }
})

test('a condition that cannot be read never holds', () => {
  const [end] = proxyWith({
    [proxyFile]: proxyXml('<RouteRule name="r"><Condition>a b</Condition></RouteRule>'),
  }).proxyEndpoints
  assert.deepEqual(end?.routeRules[0]?.condition, { op: 'constant', value: false })
})

test('faults without end are cut off', () => {
  const many = proxyWith({ [proxyFile]: proxyXml('<X/>\n'.repeat(5000)) }).problems
  assert.equal(many.length, 1001)
  assert.equal(many.filter(({ code, severity }) => code === 'too-many-problems' && severity === 'error').length, 1)
})

test('a large bundle is read in turns, and says the same', async () => {
  const files = new Map<string, Uint8Array>([['apiproxy/large.xml', Buffer.from('<APIProxy name="large"/>')]])
  const steps = '<Step><Name>Other</Name><Condition>request.header.x = "a"</Condition></Step>'.repeat(100)
  for (let at = 0; at < 400; at++) {
    files.set(`apiproxy/policies/P${at}.xml`, Buffer.from(`<AssignMessage name="P${at}">${steps}</AssignMessage>`))
  }
  let turns = 0
  let over = false
  const count = (): void => {
    turns++
    if (!over) setImmediate(count)
  }
  setImmediate(count)
  const bundle = await readBundleInTurns(files, 'apiproxy').finally(() => (over = true))
  assert.ok(turns >= 2, `${turns} turns`)
  assert.equal(bundle.policies.length, 400)
  assert.deepEqual(bundle, readBundle(files, 'apiproxy'))
})
