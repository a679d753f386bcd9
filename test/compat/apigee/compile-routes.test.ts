import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { managedView } from '../../../src/compat/apigee/compile-managed.ts'
import type { ManagedPlan } from '../../../src/config/managed-view.ts'
import { base, codes, compiled, deployment, runtimeState, said, type Stored } from './runtime.ts'

/** What one proxy endpoint becomes, on one line. */
function shown({ proxies, problems }: ManagedPlan): readonly string[] {
  return [
    ...problems.map(({ code }) => `problem ${code}`),
    ...proxies.map(({ key, hosts, listeners, basePath, route }) => {
      const way =
        route.kind === 'rules'
          ? route.rules
              .map(({ name, condition, to }) => `${name}${condition === null ? '' : '?'} ${to.kind}`)
              .join(', ')
          : route.kind
      return `${key} ${hosts.join('|') || 'any'} ${listeners?.join('|')} ${basePath} ${way}`
    }),
  ]
}

const none = '<RouteRule name="none"/>'
const conditional =
  '<RouteRule name="a"><Condition>request.verb = "GET"</Condition><TargetEndpoint>default</TargetEndpoint></RouteRule>'
const aliased = { default: { port: 8080, hostAliases: ['api.example.com', 'API.example.com:8080'] } }

describe('a deployed proxy', () => {
  const rows: readonly (readonly [sentence: string, stored: Stored, expected: readonly string[]])[] = [
    [
      'is a route at its base path, on the listener of its virtual host',
      { deployments: [deployment()] },
      ['acme/test/orders/1/default any http /orders target'],
    ],
    [
      'has the prefix of its deployment before its base path',
      { deployments: [deployment({ prefix: '/v2' })] },
      ['acme/test/orders/1/default any http /v2/orders target'],
    ],
    [
      'with the base path / has the prefix alone',
      { deployments: [deployment({ prefix: '/v2', basePath: '/' })] },
      ['acme/test/orders/1/default any http /v2 target'],
    ],
    [
      'at the root of everything has the base path /',
      { deployments: [deployment({ basePath: '/' })] },
      ['acme/test/orders/1/default any http / target'],
    ],
    [
      'answers for the host aliases of its virtual host, without their ports',
      { virtualHosts: aliased, deployments: [deployment()] },
      ['acme/test/orders/1/default api.example.com http /orders target'],
    ],
    [
      'answers for any host where an alias is *',
      { virtualHosts: { default: { hostAliases: ['*'] } }, deployments: [deployment()] },
      ['acme/test/orders/1/default any http /orders target'],
    ],
    [
      'on two virtual hosts with different aliases is two, so that none answers for the alias of the other',
      {
        virtualHosts: { ...aliased, other: { hostAliases: ['b.example.com'] } },
        deployments: [deployment({ virtualHosts: ['default', 'other'] })],
      },
      [
        'acme/test/orders/1/default api.example.com http /orders target',
        'acme/test/orders/1/default@other b.example.com http /orders target',
      ],
    ],
    [
      'on two virtual hosts that share an alias does not conflict with itself',
      {
        virtualHosts: { ...aliased, other: { hostAliases: ['api.example.com', 'b.example.com'] } },
        deployments: [deployment({ virtualHosts: ['default', 'other'] })],
      },
      [
        'acme/test/orders/1/default api.example.com http /orders target',
        'acme/test/orders/1/default@other api.example.com|b.example.com http /orders target',
      ],
    ],
    [
      'on two virtual hosts with the same aliases is one',
      {
        virtualHosts: { default: {}, other: {} },
        deployments: [deployment({ virtualHosts: ['default', 'other'] })],
      },
      ['acme/test/orders/1/default any http /orders target'],
    ],
    [
      'on a virtual host that is not there is refused',
      { deployments: [deployment({ virtualHosts: ['secure'] })] },
      ['problem virtual-host-unknown'],
    ],
    [
      'on a virtual host that no listener serves is nowhere',
      { virtualHosts: { default: { port: 9999 } }, deployments: [deployment()] },
      [],
    ],
    ['without a virtual host is nowhere', { deployments: [deployment({ virtualHosts: [] })] }, []],
    [
      'with a null route answers itself',
      { deployments: [deployment({ routes: none })] },
      ['acme/test/orders/1/default any http /orders none'],
    ],
    [
      'with a condition has rules',
      { deployments: [deployment({ routes: conditional + none })] },
      ['acme/test/orders/1/default any http /orders a? target, none none'],
    ],
    [
      'with a condition and nothing for the rest has that rule alone',
      { deployments: [deployment({ routes: conditional })] },
      ['acme/test/orders/1/default any http /orders a? target'],
    ],
    [
      'never asks a rule after one without a condition',
      { deployments: [deployment({ routes: none + conditional })] },
      ['acme/test/orders/1/default any http /orders none'],
    ],
    [
      'can go to a URL',
      { deployments: [deployment({ routes: '<RouteRule name="u"><URL>http://a.test</URL></RouteRule>' })] },
      ['acme/test/orders/1/default any http /orders target'],
    ],
    [
      'twice at one base path of a virtual host is refused',
      { deployments: [deployment(), deployment({ revision: '2' })] },
      [
        'problem base-path-conflict',
        'acme/test/orders/1/default any http /orders target',
        'acme/test/orders/2/default any http /orders target',
      ],
    ],
    [
      'twice with different prefixes is two',
      { deployments: [deployment(), deployment({ revision: '2', prefix: '/v2' })] },
      ['acme/test/orders/1/default any http /orders target', 'acme/test/orders/2/default any http /v2/orders target'],
    ],
    [
      'twice at one base path of different host aliases is two',
      {
        virtualHosts: { ...aliased, other: { hostAliases: ['b.example.com'] } },
        deployments: [deployment(), deployment({ api: 'other', virtualHosts: ['other'] })],
      },
      [
        'acme/test/orders/1/default api.example.com http /orders target',
        'acme/test/other/1/default b.example.com http /orders target',
      ],
    ],
    [
      'twice at one base path of virtual hosts that are told apart by nothing is refused',
      {
        virtualHosts: { default: {}, other: {} },
        deployments: [deployment(), deployment({ api: 'other', virtualHosts: ['other'] })],
      },
      [
        'problem base-path-conflict',
        'acme/test/orders/1/default any http /orders target',
        'acme/test/other/1/default any http /orders target',
      ],
    ],
  ]
  for (const [sentence, stored, expected] of rows) {
    it(sentence, () => assert.deepEqual(shown(compiled(stored)), expected))
  }

  it('whose rules have one name, or none, or look like another target, still goes where each of them says', () => {
    const rule = (name: string, condition: string, to: string): string =>
      `<RouteRule${name}>${condition === '' ? '' : `<Condition>request.verb = "${condition}"</Condition>`}${to}</RouteRule>`
    const routes = [
      rule('', 'GET', '<URL>http://a.test</URL>'),
      rule('', 'PUT', '<URL>http://b.test</URL>'),
      rule(' name="x"', 'POST', '<URL>http://c.test</URL>'),
      rule(' name="x"', 'DELETE', '<URL>http://d.test</URL>'),
      rule(' name="y"', 'HEAD', '<TargetEndpoint>default:x</TargetEndpoint>'),
      rule(' name="z"', '', '<URL>http://a.test</URL>'),
    ].join('')
    const { proxies, targets } = compiled({
      deployments: [deployment({ routes, targets: { 'default:x': '<URL>http://e.test</URL>' } })],
    })
    const route = proxies[0]?.route
    const hosts = new Map(targets.map(({ name, servers }) => [name, servers[0]?.host]))
    assert.deepEqual(
      route?.kind === 'rules' && route.rules.map(({ to }) => (to.kind === 'target' ? hosts.get(to.target) : to.kind)),
      ['a.test', 'b.test', 'c.test', 'd.test', 'e.test', 'a.test'],
    )
  })

  it('that conflicts names both, and where', () => {
    const { problems } = compiled({ deployments: [deployment(), deployment({ revision: '2' })] })
    assert.deepEqual(said(problems), [
      'base-path-conflict: acme/test/apis/orders/2, proxy endpoint default: has the base path /orders on http, where acme/test/apis/orders/1, proxy endpoint default answers already; give it another base path, or its virtual host a host alias of its own',
    ])
  })

  it('that was deployed last is the newcomer, whatever its name', () => {
    const running = deployment({ revision: '4', version: 5 })
    const { problems } = compiled({ deployments: [deployment({ api: 'conf', version: 7 }), running] })
    assert.match(
      said(problems).join('\n'),
      /^base-path-conflict: acme\/test\/apis\/conf\/1, [^\n]*where acme\/test\/apis\/orders\/4, [^\n]* answers already/,
    )
    const turned = compiled({ deployments: [deployment({ api: 'conf', version: 4 }), running] })
    assert.match(
      said(turned.problems).join('\n'),
      /apis\/orders\/4, proxy endpoint default: has .*where acme\/test\/apis\/conf\/1/,
    )
  })

  it('conflicts with a proxy of the configuration at the same place, and not with one elsewhere', () => {
    const config = (basePath: string): object => ({
      targets: { a: { url: 'http://a.test' } },
      proxies: { billing: { basePath, target: 'a' } },
    })
    const stored = { deployments: [deployment()] }
    assert.match(
      said(compiled(stored, config('/orders')).problems).join(),
      /where proxies\.billing of the configuration/,
    )
    assert.deepEqual(compiled(stored, config('/billing')).problems, [])
  })

  it('is known by organization, environment and revision, and shows faults as Edge does', () => {
    const [proxy] = compiled({ deployments: [deployment({ revision: '7' })] }).proxies
    const { name, organization, environment, revision, faults, faultDetail, path, host } = proxy ?? assert.fail()
    assert.deepEqual(
      { name, organization, environment, revision, faults, faultDetail, path, host },
      {
        name: 'orders',
        organization: 'acme',
        environment: 'test',
        revision: '7',
        faults: 'apigee',
        faultDetail: 'standard',
        path: 'strip',
        host: 'target',
      },
    )
  })
})

describe('a bundle with a step', () => {
  const step = '<PreFlow><Request><Step><Name>Q</Name></Step></Request></PreFlow>'
  const stored = { deployments: [deployment({ flows: step }), deployment({ api: 'plain', basePath: '/plain' })] }

  it('is refused, with policy, file and line', () => {
    const { problems } = compiled(stored)
    assert.deepEqual(codes(problems), ['policy-missing'])
    assert.match(problems[0]?.message ?? '', /^apiproxy\/proxies\/default\.xml:3: .*\bQ\b/)
    assert.equal(problems[0]?.object, 'acme/test/apis/orders/1')
  })

  it('under answer-500 is deployed, and every request to it fails; others run', () => {
    const plan = compiled(stored, { apigee: { unsupportedPolicies: 'answer-500' } })
    assert.deepEqual(plan.problems, [])
    assert.deepEqual(shown(plan), [
      'acme/test/orders/1/default any http /orders fault',
      'acme/test/plain/1/default any http /plain target',
    ])
    assert.deepEqual(codes(plan.findings), ['policy-missing'])
    assert.deepEqual(
      plan.targets.map(({ name }) => name),
      ['acme/test/plain/1/default'],
    )
  })
})

describe('a flow hook with a shared flow that has something to do', () => {
  const flowHooks = [{ org: 'acme', env: 'test', hook: 'PreProxyFlowHook', sharedFlow: 'audit' }]

  it('forbids what is deployed beside it', () => {
    const { problems } = compiled({ flowHooks, deployments: [deployment()] })
    assert.deepEqual(codes(problems), ['flow-hook-not-supported'])
  })

  it('is a finding where nothing is deployed', () => {
    const { problems, findings } = compiled({ flowHooks })
    assert.deepEqual([codes(problems), codes(findings)], [[], ['flow-hook-not-supported']])
  })

  it('under answer-500 fails every request of its environment, and of no other', () => {
    const state = runtimeState({
      flowHooks,
      deployments: [deployment(), deployment({ environment: 'prod', basePath: '/p' })],
    })
    const virtualHosts = new Map([
      ...state.virtualHosts,
      ['acme/prod/default', [...state.virtualHosts.values()][0] ?? assert.fail()],
    ])
    const plan = managedView({ ...state, virtualHosts }).compile(
      base({ apigee: { unsupportedPolicies: 'answer-500' } }),
    )
    assert.deepEqual(
      plan.proxies.map(({ environment, route }) => `${environment} ${route.kind}`),
      ['test fault', 'prod target'],
    )
    assert.deepEqual(plan.problems, [])
  })
})
