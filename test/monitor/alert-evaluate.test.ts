import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseAlert } from '../../src/monitor/alerts/bean.ts'
import { together } from '../../src/monitor/alerts/evaluate.ts'
import { heldCells } from '../../src/monitor/alerts/held.ts'
import type { CertificateFact } from '../../src/monitor/alerts/rule.ts'
import { dayMs, minuteMs } from '../../src/monitor/time-range.ts'
import { type Finished, memoryMonitor } from './memory-monitor.ts'

const place = { organization: 'acme', region: 'r1' }
/** A few seconds after a minute has ended. */
const now = Date.UTC(2026, 6, 1, 12, 10, 5)
const end = Date.UTC(2026, 6, 1, 12, 10)

type Key = NonNullable<Finished['key']>
const untrusted: Key = {
  status: 503,
  targetStatus: 0,
  fault: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  faultCode: 'messaging.adaptors.http.flow.SslHandshakeFailed',
  faultSource: 'target',
}

const times = (count: number, of: Omit<Finished, 'at'> = {}, at = end - minuteMs): Finished[] =>
  Array.from({ length: count }, () => ({ at, ...of }))

async function held(
  condition: Readonly<Record<string, unknown>>,
  requests: readonly Finished[],
  certificates: readonly CertificateFact[] = [],
) {
  const parsed = parseAlert({ name: 'x', environment: 'test', conditions: [condition] }, place)
  assert.ok(parsed.ok, JSON.stringify(parsed))
  const [only] = parsed.rule.conditions
  assert.ok(only !== undefined)
  const asked = {
    monitor: memoryMonitor(requests),
    certificates: () => certificates,
    collection: async (_: string, name: string) =>
      name === 'shop' ? { dimension: 'proxy' as const, values: ['orders'] } : null,
  }
  return heldCells(asked, parsed.rule, only, now)
}

const count = { metric: 'count', comparator: '>', threshold: 2, durationSeconds: 60 }

interface Case {
  readonly sentence: string
  readonly condition: Readonly<Record<string, unknown>>
  readonly requests: readonly Finished[]
  /** Values of the cells that hold. */
  readonly holds: readonly number[]
}

const cases: readonly Case[] = [
  { sentence: 'three are more than two', condition: count, requests: times(3), holds: [3] },
  { sentence: 'two are not', condition: count, requests: times(2), holds: [] },
  { sentence: 'two are at least two', condition: { ...count, comparator: '>=' }, requests: times(2), holds: [2] },
  {
    sentence: 'what came before the window does not count',
    condition: count,
    requests: [...times(2), ...times(5, {}, end - minuteMs - 1)],
    holds: [],
  },
  {
    sentence: 'the minute that runs does not count yet',
    condition: count,
    requests: times(5, {}, end),
    holds: [],
  },
  {
    sentence: 'less than one request holds where nothing came',
    condition: { ...count, comparator: '<', threshold: 1 },
    requests: [],
    holds: [0],
  },
  {
    sentence: 'other environments and organizations do not count',
    condition: count,
    requests: [...times(3, { key: { environment: 'prod' } }), ...times(3, { key: { organization: 'other' } })],
    holds: [],
  },
  {
    sentence: 'ALL proxies are one',
    condition: { ...count, dimensions: { proxy: 'ALL' } },
    requests: [...times(2), ...times(1, { key: { proxy: 'billing' } })],
    holds: [3],
  },
  {
    sentence: 'ANY proxy is each by itself',
    condition: { ...count, dimensions: { proxy: 'ANY' } },
    requests: [...times(4), ...times(2, { key: { proxy: 'billing' } })],
    holds: [4],
  },
  {
    sentence: 'a proxy by its name',
    condition: { ...count, dimensions: { proxy: 'billing' } },
    requests: [...times(2), ...times(3, { key: { proxy: 'billing' } })],
    holds: [3],
  },
  {
    sentence: 'members of a collection',
    condition: { ...count, dimensions: { collection: 'shop' } },
    requests: [...times(3), ...times(9, { key: { proxy: 'billing' } })],
    holds: [3],
  },
  {
    sentence: 'the rate of a status is its share of all requests',
    condition: { metric: 'rate', comparator: '>', threshold: 0.2, dimensions: { statusCode: '5xx' } },
    requests: [...times(3), ...times(1, { key: untrusted })],
    holds: [0.25],
  },
  {
    sentence: 'a rate of exactly the threshold is not above it',
    condition: { metric: 'rate', comparator: '>', threshold: 0.25, dimensions: { statusCode: '503' } },
    requests: [...times(3), ...times(1, { key: untrusted })],
    holds: [],
  },
  {
    sentence: 'the rate of ANY fault code, each by itself',
    condition: { metric: 'rate', comparator: '>', threshold: 0, dimensions: { faultCodeName: 'ANY' } },
    requests: [...times(2), ...times(1, { key: untrusted }), ...times(1, { key: { ...untrusted, faultCode: 'a.B' } })],
    holds: [0.25, 0.25],
  },
  {
    sentence: 'a fault code by its last segment',
    condition: { ...count, dimensions: { faultCodeName: 'SslHandshakeFailed' }, threshold: 0 },
    requests: [...times(1, { key: untrusted }), ...times(1, { key: { ...untrusted, faultCode: 'a.B' } })],
    holds: [1],
  },
  {
    sentence: 'a category and subcategory of fault codes',
    condition: {
      ...count,
      dimensions: { faultCodeCategory: 'Gateway', faultCodeSubCategory: 'Target' },
      threshold: 0,
    },
    requests: [...times(2, { key: untrusted }), ...times(1, { key: { ...untrusted, faultCode: 'protocol.http.X' } })],
    holds: [2],
  },
  {
    sentence: 'a rate of nothing is none',
    condition: { metric: 'rate', comparator: '<', threshold: 1, dimensions: { statusCode: '2xx' } },
    requests: [],
    holds: [],
  },
  {
    sentence: 'requests a second over two minutes',
    condition: { metric: 'tps', comparator: '==', threshold: 0.5, durationSeconds: 120 },
    requests: [...times(30), ...times(30, {}, end - 2 * minuteMs)],
    holds: [0.5],
  },
  {
    sentence: 'the slowest tenth of the backend',
    condition: { metric: 'targetLatency', comparator: '>', threshold: 400, percentile: 95 },
    requests: [...times(8, { targetMs: 5 }), ...times(2, { targetMs: 480 })],
    holds: [447.5],
  },
  {
    sentence: 'half of the backend is quick',
    condition: { metric: 'targetLatency', comparator: '>', threshold: 400, percentile: 'p50' },
    requests: [...times(8, { targetMs: 5 }), ...times(2, { targetMs: 480 })],
    holds: [],
  },
  {
    sentence: 'latency of a backend that answered nothing is none',
    condition: { metric: 'targetLatency', comparator: '<', threshold: 400 },
    requests: times(3, { targetMs: -1 }),
    holds: [],
  },
  {
    sentence: 'a verdict appears, also in the minute that runs',
    condition: { metric: 'verdict-appears' },
    requests: [...times(5), ...times(1, { key: untrusted }, now)],
    holds: [1],
  },
  {
    sentence: 'trusted is no verdict that appears',
    condition: { metric: 'verdict-appears' },
    requests: times(3, { key: { verdict: 'trusted' } }),
    holds: [],
  },
  {
    sentence: 'another verdict than the one asked for does not appear',
    condition: { metric: 'verdict-appears', dimensions: { verdict: 'expired' } },
    requests: times(3, { key: untrusted }),
    holds: [],
  },
]

describe('a condition holds where it says so', () => {
  for (const { sentence, condition, requests, holds } of cases) {
    test(sentence, async () => {
      assert.deepEqual(
        (await held(condition, requests)).map(({ value }) => value),
        holds,
      )
    })
  }
})

test('certificates that end within the days, of the organization alone', async () => {
  const fact = (name: string, days: number, change: Partial<CertificateFact> = {}): CertificateFact => ({
    kind: 'leaf',
    name,
    organization: 'acme',
    environment: 'test',
    target: 't1',
    store: null,
    notAfter: now + days * dayMs,
    subject: `CN=${name}`,
    isInUse: true,
    ...change,
  })
  const facts = [
    fact('soon', 10),
    fact('over', -2),
    fact('later', 40),
    fact('anchor', 5, { kind: 'anchor', target: null, store: 'acme/test/roots' }),
    fact('theirs', 1, { organization: 'other' }),
    fact('elsewhere', 1, { environment: 'prod' }),
  ]
  const names = async (dimensions: object): Promise<readonly string[]> =>
    (await held({ metric: 'certificate-expires', threshold: 30, dimensions }, [], facts)).map(
      ({ values }) => values['name'] ?? '',
    )
  assert.deepEqual(await names({}), ['soon', 'over', 'anchor'])
  assert.deepEqual(await names({ certificate: 'leaf' }), ['soon', 'over'])
  assert.deepEqual(await names({ store: 'acme/test/roots' }), ['anchor'])
  assert.deepEqual(await names({ target: 't2' }), [])
})

test('conditions hold together where they agree in what they share', () => {
  const cell = (values: Readonly<Record<string, string>>) => ({ values, value: 1, requests: 1, faultCodes: null })
  const [a, b, all] = [cell({ proxy: 'a' }), cell({ proxy: 'b' }), cell({})]
  assert.deepEqual(together([[a, b], [b]]), [[b, b]])
  assert.deepEqual(together([[a, b], [all]]), [
    [a, all],
    [b, all],
  ])
  assert.deepEqual(together([[a], []]), [])
  const many = Array.from({ length: 200 }, (_, at) => cell({ proxy: String(at) }))
  assert.equal(together([many]).length, 50)
})

describe('a bean that cannot be evaluated is refused by its place', () => {
  const good = { metric: 'count', threshold: 1, durationSeconds: 60, comparator: '>' }
  const bad: readonly (readonly [sentence: string, bean: object, path: string])[] = [
    ['no conditions', { conditions: [] }, 'conditions'],
    ['six conditions', { conditions: Array.from({ length: 6 }, () => good) }, 'conditions'],
    ['a duration between', { conditions: [{ ...good, durationSeconds: 90 }] }, 'conditions.0.durationSeconds'],
    ['an unknown metric', { conditions: [{ ...good, metric: 'mood' }] }, 'conditions.0.metric'],
    ['an unknown dimension', { conditions: [{ ...good, dimensions: { moon: 'full' } }] }, 'conditions.0.dimensions'],
    [
      'status and fault code at once',
      { conditions: [{ ...good, dimensions: { statusCode: '5xx', faultCodeName: 'X' } }] },
      'conditions.0.dimensions',
    ],
    ['a rate of everything', { conditions: [{ ...good, metric: 'rate', threshold: 1 }] }, 'conditions.0.dimensions'],
    [
      'a rate above 1',
      { conditions: [{ ...good, metric: 'rate', threshold: 2, dimensions: { statusCode: '5xx' } }] },
      'conditions.0.threshold',
    ],
    ['another region', { conditions: [{ ...good, dimensions: { region: 'moon' } }] }, 'conditions.0.dimensions.region'],
    ['another organization', { organization: 'other', conditions: [good] }, 'organization'],
    [
      'an app, which no request has',
      { conditions: [{ ...good, dimensions: { developerApp: 'A' } }] },
      'conditions.0.dimensions.developerApp',
    ],
    [
      'a verdict that is none',
      { conditions: [{ ...good, metric: 'verdict-appears', dimensions: { verdict: 'bad' } }] },
      'conditions.0.dimensions.verdict',
    ],
    ['anomalies', { alertSubType: 'anomaly', conditions: [good] }, 'alertSubType'],
    [
      'a webhook that is no URL',
      { conditions: [good], notifications: [{ channel: 'webhook', destination: 'ftp://x' }] },
      'notifications.0.destination',
    ],
    [
      'a password in a URL',
      { conditions: [good], notifications: [{ channel: 'webhook', destination: 'https://a:b@x/' }] },
      'notifications.0.destination',
    ],
  ]
  for (const [sentence, bean, path] of bad) {
    test(sentence, () => {
      const parsed = parseAlert({ name: 'x', environment: 'test', ...bean }, place)
      assert.deepEqual(parsed.ok ? [] : parsed.problems.map((each) => each.path), [path])
    })
  }
  test("Edge's own example is taken, once its region and codes are ours", () => {
    const parsed = parseAlert(
      {
        name: 'SSL handshake failures',
        enabled: true,
        description: '',
        playbook: 'link or text',
        throttleIntervalSeconds: 3600,
        organization: 'acme',
        environment: 'test',
        alertType: 'runtime',
        alertSubType: 'fixed',
        conditions: [
          {
            description: '',
            dimensions: {
              org: 'acme',
              env: 'test',
              proxy: 'ALL',
              region: 'ANY',
              faultCodeCategory: 'Gateway',
              faultCodeSubCategory: 'Target',
              faultCodeName: 'SslHandshakeFailed',
            },
            metric: 'rate',
            threshold: 0.02,
            durationSeconds: 600,
            comparator: '>',
          },
        ],
        notifications: [{ channel: 'email', destination: 'ops@example.com' }],
      },
      place,
    )
    assert.ok(parsed.ok, JSON.stringify(parsed))
  })
})
