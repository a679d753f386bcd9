import type { AccessRecord, PosternEvent } from '../../src/observe/events.ts'
import type { LogFormat } from '../../src/proxy/plan.ts'

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { createAccessFormatter, createEventFormatter } from '../../src/observe/log-format.ts'
import { isoMillis, millis } from '../../src/observe/log-times.ts'
import { fault } from '../faults/fault-cases.ts'
import { gatewayLogProblems } from './gateway-log-schema.ts'
import { assertGolden } from './golden.ts'
import {
  context,
  events,
  failedBackend,
  fieldReport,
  proxy,
  record,
  records,
  refused,
  requestId,
} from './log-samples.ts'

const formats: readonly LogFormat[] = ['native', 'apim-text', 'apim-json', 'edge-access', 'edge-system']

const access = (format: LogFormat, one: AccessRecord) => createAccessFormatter(format, context)(one)
const lines = (format: LogFormat, all: readonly PosternEvent[]) =>
  all.map(createEventFormatter(format, context)).join('')

describe('goldens: fixed requests, then fixed events', () => {
  for (const format of formats) {
    test(format, () => {
      const accesses = records.map(createAccessFormatter(format, context)).join('')
      assertGolden(`logs/${format}.txt`, accesses + lines(format, events))
    })
  }
})

describe('every format', () => {
  for (const format of formats) {
    test(`${format}: whole lines or nothing`, () => {
      const texts = [
        ...records.map(createAccessFormatter(format, context)),
        ...events.map(createEventFormatter(format, context)),
      ]
      for (const text of texts) assert.ok(text === '' || /^[^\n]/.test(text), text)
      for (const text of texts) assert.ok(text === '' || text.endsWith('\n'), text)
    })
  }

  test('the request id of a failure is in all of them', () => {
    for (const format of formats) {
      const text = access(format, refused) + lines(format, fieldReport)
      assert.ok(text.includes(requestId), format)
    }
  })

  test('where an operator reads, the verdict is beside it', () => {
    for (const format of ['native', 'apim-text', 'apim-json', 'edge-system'] as const) {
      assert.match(access(format, refused) + lines(format, fieldReport.slice(-1)), /missing-root/, format)
    }
  })
})

describe('native', () => {
  test('a request', () => {
    assert.deepEqual(JSON.parse(access('native', refused)), {
      time: '2026-01-23T07:26:26.678Z',
      type: 'access',
      id: requestId,
      status: 500,
      method: 'GET',
      host: 'api.example.com',
      path: '/billing/v1/invoices?id=7',
      proxy: 'billing',
      target: 'billing-backend',
      verdict: 'missing-root',
      fault: {
        code: 'missing-root',
        kind: 'tls-untrusted',
        party: 'gateway',
        summary: fault('tls-untrusted').summary,
      },
      totalMs: 922.4,
      requestBytes: 120,
      responseBytes: 259,
      responseBodyBytes: 111,
      client: '192.0.2.9:51000',
      protocol: 'HTTP/1.1',
      tls: 'TLSv1.3',
      userAgent: 'curl/8.5.0',
      listener: 'https',
      worker: 2,
      backend: {
        address: '',
        url: 'https://billing.internal:8443/v1/invoices?id=7',
        status: 0,
        protocol: '',
        totalMs: 920,
        firstByteMs: -1,
        reused: false,
        snapshot: 'trust-1',
      },
    })
  })

  test('every line parses, and has time and type', () => {
    const text = records.map(createAccessFormatter('native', context)).join('') + lines('native', events)
    const parsed = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.equal(parsed.length, records.length + events.length)
    for (const line of parsed) {
      assert.match(String(line['time']), /^2026-01-23T07:26:\d\d\.\d{3}Z$/)
      assert.equal(typeof line['type'], 'string')
    }
  })

  test('evidence that fits is in the event, evidence that does not is said to be left out', () => {
    const failed = fieldReport.at(-1)
    assert.ok(failed?.type === 'request-failed')
    const shown = JSON.parse(lines('native', [failed]))
    assert.deepEqual(shown.fault.evidence, fault('tls-untrusted').evidence)
    const big = { ...failed, fault: { ...failed.fault, evidence: { text: 'x'.repeat(100_000), n: 1n } } }
    const line = lines('native', [big])
    assert.ok(line.length < 2000)
    assert.match(JSON.parse(line).fault.evidenceOmitted, /longer than/)
  })
})

describe("the self-hosted gateway's log, against the field report", () => {
  // As published; ours may say more after the last of the vendor's fields, and nothing in between.
  const published = [
    '[Info] 2026-01-23T07:26:27.251 [DnsResolutionScheduled], message: xselfca02.myxxxxx.com, source: RoundRobinNameResolver',
    '[Info] 2026-01-23T07:26:27.252 [OutgoingTlsProtocolsSet], message: Tls, Tls11, Tls12, source: TcpChannelFactory',
    '[Info] 2026-01-23T07:26:27.598 [CertificateInfoVerificationScheduled], message: thumbprint: 62BF1CFA2116828E3F0B3C7D8FB4C380CD2CE358, subjectName: CN=*.myxxxxx.com, O=My Self Server Org, S=Chongqing, C=CN (CRL URLs: ; AIA URLs: )',
    `[Warn] 2026-01-23T07:26:27.601 [FailedToProcessRequest], ActivityId: ${requestId}, correlationId: ${requestId}, apiId: billing, tags: 0, httpMethod: GET, source: request-forwarder, serviceName: apim-gateway, exception: System.Security.Authentication.AuthenticationException: The remote certificate was rejected by the provided RemoteCertificateValidationCallback., transportError: 0, httpError: 0`,
  ]

  test('the four events, word for word', () => {
    for (const [i, event] of fieldReport.entries()) {
      const line = lines('apim-text', [event])
      assert.equal(line.slice(0, published[i]?.length), published[i])
      assert.match(line.slice(published[i]?.length), /^(, \w+: .*)*\n$/)
    }
  })

  test('the exception takes several lines only behind the switch', () => {
    const failed = fieldReport.slice(-1)
    assert.equal(lines('apim-text', failed).split('\n').length, 2)
    const multiline = failed.map(createEventFormatter('apim-text', { ...context, multiline: true })).join('')
    const [first, second, third] = multiline.split('\n')
    assert.ok(first?.endsWith('RemoteCertificateValidationCallback.'))
    assert.match(second ?? '', /^at System\.Net\.Security\.SslStream\.SendAuthResetSignal\(/)
    assert.match(
      third ?? '',
      /^at System\.Net\.Security\.SslStream\.CompleteHandshake\(.*\), transportError: 0, httpError: 0/,
    )
  })

  const error =
    '{"elapsed":922,"source":"request-forwarder","path":"forward-request\\\\forward-request","reason":"BackendConnectionFailure","message":"The remote certificate was rejected by the provided RemoteCertificateValidationCallback.","section":"backend"}'

  test('the request line', () => {
    assert.equal(
      access('apim-text', refused),
      `[Info] 2026-01-23T07:26:26.678 [GatewayLogs], correlationId: ${requestId}, isRequestSuccess: false, totalTime: 922, category: "GatewayLogs", callerIpAddress: "192.0.2.9", timeGenerated: 2026-01-23T07:26:26.678, region: "aks", correlationId: "${requestId}", method: "GET", url: "https://api.example.com/billing/v1/invoices?id=7", responseCode: 500, responseSize: 259, cache: "none", backendTime: 920, requestSize: 120, apiId: "billing", clientProtocol: "HTTP/1.1", apiRevision: "1", clientTlsVersion: "1.3", backendMethod: "GET", backendUrl: "https://billing.internal:8443/v1/invoices?id=7", lastError: ${error}, errors: [${error}]` +
        `, verdict: "missing-root", party: "gateway", summary: ${JSON.stringify(fault('tls-untrusted').summary)}, trustVersion: "trust-1"\n`,
    )
  })

  test('JSON request lines satisfy the schema, in the order of the text line', () => {
    for (const one of records) {
      const line = JSON.parse(access('apim-json', one)) as Record<string, unknown>
      assert.deepEqual(gatewayLogProblems(line), [])
      const text = access('apim-text', one)
      const order = Object.keys(line).map((key) => text.indexOf(`, ${key}: `, key === 'correlationId' ? 80 : 0))
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      )
    }
    assert.notDeepEqual(gatewayLogProblems({ category: 'Other' }), [], 'the schema refuses what is wrong')
    assert.notDeepEqual(
      gatewayLogProblems({ ...JSON.parse(access('apim-json', refused)), timeGenerated: '2026-01-23T07:26:26.678Z' }),
      [],
    )
  })

  test('JSON events have the keys in the order of the original', () => {
    const failed = JSON.parse(lines('apim-json', fieldReport.slice(-1)))
    assert.deepEqual(Object.keys(failed), [
      'level',
      'timestamp',
      'eventType',
      'apiId',
      'tags',
      'httpMethod',
      'source',
      'serviceName',
      'message',
      'exception',
      'transportError',
      'httpError',
      'correlationId',
      'verdict',
      'party',
      'summary',
      'target',
      'trustVersion',
    ])
    assert.equal(failed.level, 'Warning')
    assert.equal(failed.timestamp, '2026-01-23T07:26:27.6010000Z')
    const dns = JSON.parse(lines('apim-json', fieldReport.slice(0, 1)))
    assert.deepEqual(dns, {
      level: 'Informational',
      timestamp: '2026-01-23T07:26:27.2510000Z',
      eventType: 'DnsResolutionScheduled',
      source: 'RoundRobinNameResolver',
      message: 'xselfca02.myxxxxx.com',
      correlationId: requestId,
      target: 'billing-backend',
    })
  })

  test('connection refused carries the address and the system error', () => {
    const one = record({ status: 500, backend: failedBackend, fault: fault('connect-refused') })
    const { lastError, errors } = JSON.parse(access('apim-json', one))
    assert.equal(lastError.message, 'LogError connecting to 10.2.0.7:443')
    assert.equal(lastError.transportErrorCode, 111)
    assert.deepEqual(errors, [lastError])
  })

  test('a good request has no error fields', () => {
    assert.doesNotMatch(access('apim-text', record()), /lastError|errors|verdict/)
  })
})

describe("Edge's router log", () => {
  test('columns in the published order, tabs between, - for empty', () => {
    assert.deepEqual(access('edge-access', refused).trimEnd().split('\t'), [
      '2026-01-23T07:26:27+00:00',
      '192.0.2.9:51000',
      'gw1',
      '-',
      '0.922',
      '-',
      '-',
      '500',
      '-',
      '120',
      '111',
      'GET /billing/v1/invoices?id=7 HTTP/1.1',
      requestId,
      'curl/8.5.0',
      'gw1-4242-2-51000',
      '-',
      'true',
      'target',
      'messaging.adaptors.http.flow.SslHandshakeFailed',
      'null/null',
      '-',
      '/organizations/acme/environments/prod/apiproxies/billing/revisions/1',
      '-',
      '920',
      '/organizations/acme/environments/prod/apiproxies/billing/revisions/1',
      '/billing',
    ])
  })

  test('a good request has no fault columns', () => {
    assert.deepEqual(access('edge-access', record()).split('\t').slice(16, 23), ['-', '-', '-', '-', '-', '-', '-'])
  })
})

describe("Edge's message processor log", () => {
  const text = lines('edge-system', fieldReport)
  const prefix = `org:acme env:prod api:billing rev:1 messageid:${requestId} NIOThread@2 ERROR`

  test('the two records of the playbook, then ours', () => {
    const [first, second, ...rest] = text.trimEnd().split('\n')
    assert.match(
      first ?? '',
      /^2026-01-23 07:26:27,601 {2}org:acme env:prod api:billing rev:1 messageid:\S+ NIOThread@2 ERROR HTTP\.CLIENT - HTTPClient\$Context\.handshakeFailed\(\) : SSLClientChannel\[Connected: Remote:10\.2\.0\.7:443 Local:192\.168\.194\.140:55102\]@\d+ useCount=1 bytesRead=0 bytesWritten=0 age=233ms {2}lastIO=233ms isOpen=true handshake failed, message: General SSLEngine problem$/,
    )
    assert.match(
      second ?? '',
      /ERROR ADAPTORS\.HTTP\.FLOW - RequestWriteListener\.onException\(\) : RequestWriteListener\.onException\(HTTPRequest@[\da-f]+\)$/,
    )
    assert.equal(rest[0], 'javax.net.ssl.SSLHandshakeException: General SSLEngine problem')
    assert.equal(rest[1], '\tat sun.security.ssl.Handshaker.checkThrown(Handshaker.java:1478)')
    assert.equal(rest[4], 'Caused by: javax.net.ssl.SSLHandshakeException: General SSLEngine problem')
    const last = rest.findLast((line) => line.startsWith('Caused by: '))
    assert.equal(
      last,
      'Caused by: sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target',
    )
    assert.ok(
      rest.at(-1)?.startsWith(`2026-01-23 07:26:27,601  ${prefix} POSTERN - verdict:missing-root party:gateway`),
    )
  })

  test('a search by message id finds the cause', () => {
    const found = text.split('\n').filter((line) => line.includes(`messageid:${requestId}`))
    assert.equal(found.length, 3)
    assert.ok(found[2]?.includes(fault('tls-untrusted').summary))
  })

  test('other faults have our line alone', () => {
    const failed = fieldReport.at(-1)
    assert.ok(failed?.type === 'request-failed')
    const refusedLine = lines('edge-system', [{ ...failed, fault: fault('connect-refused') }])
    assert.match(refusedLine, /^[^\n]* POSTERN - verdict:connection-refused [^\n]*\n$/)
  })

  test('requests have no access line, and the router log no events', () => {
    assert.equal(access('edge-system', refused), '')
    assert.equal(lines('edge-access', events), '')
  })
})

describe('log injection: what others chose cannot end a line', () => {
  const hostile: readonly [string, string][] = [
    ['LF', 'a\n[Info] forged'],
    ['CRLF', 'a\r\n{"type":"access"}'],
    ['lone CR', 'a\rforged'],
    ['tab', 'a\tb'],
    ['NUL', 'a\u0000b'],
    ['escape sequence', 'a\u001b[2Jb'],
    ['DEL', 'a\u007fb'],
    ['NEL', 'a\u0085b'],
    ['line separator', 'a\u2028b\u2029c'],
    ['quote', 'a", "status": 200, "x": "b'],
    ['backslash', 'a\\'],
    ['latin1', 'caf\u00e9'],
  ]
  const requestFields = ['method', 'target', 'host', 'userAgent', 'forwardedFor', 'id'] as const
  // oxlint-disable-next-line no-control-regex
  const breaking = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/

  for (const [name, text] of hostile) {
    test(name, () => {
      for (const format of formats) {
        for (const field of requestFields) {
          const line = access(format, record({ [field]: text, fault: { ...fault('bad-request'), summary: text } }))
          assertOneRecord(format, line, access(format, record({ fault: fault('bad-request'), [field]: 'x' })))
        }
        for (const event of events) {
          assertOneRecord(format, lines(format, [poisoned(event, text)]), lines(format, [event]))
        }
      }
    })

    test(`${name}: JSON gives it back unchanged`, () => {
      for (const field of requestFields) {
        const one = record({ [field]: text })
        const { path, ...native } = JSON.parse(access('native', one))
        assert.equal({ ...native, target: path }[field] ?? '', text, field)
      }
      assert.equal(JSON.parse(access('apim-json', record({ id: text }))).correlationId, text)
    })
  }

  /** As many lines as the harmless one, as many columns, and nothing that moves a cursor. */
  function assertOneRecord(format: LogFormat, actual: string, harmless: string): void {
    assert.equal(actual.split('\n').length, harmless.split('\n').length, actual)
    assert.doesNotMatch(actual, breaking)
    assert.equal(actual.split('\t').length, harmless.split('\t').length, actual)
    if (format === 'native' || format === 'apim-json') {
      for (const line of actual.split('\n')) if (line !== '') JSON.parse(line)
    }
  }

  /** The event with every free text in it replaced. */
  function poisoned(event: PosternEvent, text: string): PosternEvent {
    const kept = new Set(['type', 'kind', 'party', 'verdict', 'proxy', 'mode', 'state', 'versions'])
    const replace = (key: string, value: unknown): unknown => {
      if (kept.has(key)) return value
      if (typeof value === 'string') return text
      if (Array.isArray(value)) return value.map((item: unknown) => replace('', item))
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, replace(inner, item)]))
    }
    return replace('', event) as PosternEvent
  }

  test('names of our own cannot either', () => {
    const odd = { ...proxy, name: 'b\n\u0085"', target: 't\n', basePath: '/\n', revision: '1\n' }
    const oddContext = { ...context, organization: 'a\nb', environment: 'e\n', region: 'r\n"', hostName: 'h\t\n' }
    for (const format of formats) {
      const text = createAccessFormatter(format, oddContext)({ ...refused, proxy: odd })
      assert.equal(text.split('\n').length, access(format, refused).split('\n').length, text)
      assert.doesNotMatch(text, breaking)
    }
  })
})

describe('times', () => {
  test('the cached second is the right one, forwards and backwards', () => {
    for (const at of [0, 999, 1000, 1_769_153_186_678, 1_769_153_186_679.9, 1_769_153_187_000, 1_769_153_186_001]) {
      assert.equal(`${isoMillis(at)}Z`, new Date(at).toISOString())
    }
  })

  const durations: readonly [number, string][] = [
    [0, '0.000'],
    [0.0004, '0.000'],
    [0.9996, '1.000'],
    [12.3456, '12.346'],
    [86_400_000.5, '86400000.500'],
    [-1, '-1'],
    [Number.NaN, '-1'],
  ]
  for (const [ms, text] of durations) test(`${ms} ms is ${text}`, () => assert.equal(millis(ms), text))
})
