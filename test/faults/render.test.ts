import type { FaultDetail, FaultKind, FaultProfile } from '../../src/faults/fault.ts'
import type { FaultInput } from '../../src/faults/rendering.ts'

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { apimError } from '../../src/faults/apim.ts'
import { faultKinds, faultTable, renderFault, requestIdHeaders } from '../../src/faults/render.ts'
import { assertGolden } from '../observe/golden.ts'
import { everyFault, fault, faultOfKind, furtherFaults } from './fault-cases.ts'

const requestId = 'd5d383dc-c395-4111-8558-2193f9bbb8ff'
const profiles: readonly FaultProfile[] = ['native', 'apigee', 'apim']
const details: readonly FaultDetail[] = ['minimal', 'standard', 'verbose']

function input(over: Partial<FaultInput>): FaultInput {
  return {
    fault: fault('tls-untrusted'),
    profile: 'native',
    detail: 'standard',
    requestId,
    listener: 'default',
    target: '/billing/v1?token=secret',
    organization: 'acme',
    environment: 'prod',
    proxy: { name: 'billing', basePath: '/billing', revision: '3' },
    ...over,
  }
}

const headersOf = (over: Partial<FaultInput>) => new Map(renderFault(input(over)).headers)

describe('goldens: every kind and detail', () => {
  for (const profile of profiles) {
    test(profile, () => {
      const blocks = [...everyFault, ...furtherFaults].flatMap((fault) =>
        details.map((detail) => {
          const answer = renderFault(input({ fault, profile, detail }))
          const headers = answer.headers.map(([name, value]) => `${name}: ${value}\n`).join('')
          return `== ${fault.kind} ${fault.verdict ?? '-'} ${detail} [${answer.code} ${answer.source}]\n${answer.status} ${answer.reason}\n${headers}\n${answer.body}\n`
        }),
      )
      assertGolden(`faults/${profile}.txt`, blocks.join('\n'))
    })
  }
})

describe("Edge's playbook", () => {
  const playbook = {
    fault: {
      faultstring:
        'SSL Handshake failed sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target',
      detail: { errorcode: 'messaging.adaptors.http.flow.SslHandshakeFailed' },
    },
  }

  test('a missing root gives its status line, body and headers exactly', () => {
    const answer = renderFault(input({ profile: 'apigee' }))
    assert.equal(`${answer.status} ${answer.reason}`, '503 Service Unavailable')
    assert.deepEqual(JSON.parse(answer.body), playbook)
    assert.equal(answer.body, JSON.stringify(playbook), 'field order of the playbook, compact')
    const headers = new Map(answer.headers)
    assert.equal(headers.get('Content-Type'), 'application/json')
    assert.equal(headers.get('X-Apigee-fault-code'), 'messaging.adaptors.http.flow.SslHandshakeFailed')
    assert.equal(headers.get('X-Apigee-fault-source'), 'target')
    assert.equal(headers.get('X-Apigee-Message-ID'), requestId)
  })

  test('a name mismatch gives the same text, as its second cause says', () => {
    const named = furtherFaults.find((fault) => fault.verdict === 'name-mismatch')
    assert.ok(named)
    assert.deepEqual(JSON.parse(renderFault(input({ profile: 'apigee', fault: named })).body), playbook)
  })

  test('dates have their own text', () => {
    const expired = furtherFaults.find((fault) => fault.verdict === 'expired')
    assert.ok(expired)
    assert.match(
      renderFault(input({ profile: 'apigee', fault: expired })).body,
      /PKIX path validation failed: .*validity check failed/,
    )
  })

  test('no proxy: the virtual host and the path, and never the query', () => {
    const { status, body } = renderFault(input({ profile: 'apigee', fault: fault('no-route'), proxy: null }))
    assert.equal(status, 404)
    assert.deepEqual(JSON.parse(body), {
      fault: {
        faultstring: 'Unable to identify proxy for host: default and url: /billing/v1',
        detail: { errorcode: 'messaging.adaptors.http.flow.ApplicationNotFound' },
      },
    })
  })
})

describe("the self-hosted gateway's bodies", () => {
  test('500 byte for byte: 111 bytes with a GUID', () => {
    const { status, body } = renderFault(input({ profile: 'apim' }))
    assert.equal(status, 500)
    assert.equal(body, `{ "statusCode": 500, "message": "Internal server error", "activityId": "${requestId}" }`)
    assert.equal(body.length, 111)
  })

  test('404 byte for byte: 54 bytes', () => {
    const { status, body } = renderFault(input({ profile: 'apim', fault: fault('no-route') }))
    assert.equal(status, 404)
    assert.equal(body, '{ "statusCode": 404, "message": "Resource not found" }')
    assert.equal(body.length, 54)
  })

  const forward = { source: 'request-forwarder', path: 'forward-request\\forward-request' }
  const failed = { ...forward, reason: 'BackendConnectionFailure', section: 'backend' }
  const rejected = 'The remote certificate was rejected by the provided RemoteCertificateValidationCallback.'
  const cases: readonly [string, FaultKind, object][] = [
    ['every rejected certificate', 'tls-untrusted', { ...failed, message: rejected }],
    [
      'connection refused',
      'connect-refused',
      { ...failed, message: 'LogError connecting to 10.2.0.7:443', transportErrorCode: 111 },
    ],
    ['connect timeout', 'connect-timeout', { ...failed, message: 'connection timed out: 10.2.0.7:443' }],
    [
      'no route',
      'no-route',
      {
        source: 'configuration',
        reason: 'OperationNotFound',
        message: 'Unable to match incoming request to an operation.',
        section: 'backend',
      },
    ],
  ]
  for (const [name, kind, expected] of cases) {
    test(`lastError of ${name}`, () => {
      assert.deepEqual(apimError(fault(kind), { address: '', target: 'billing' }), expected)
    })
  }
})

describe('native', () => {
  test('the verdict is the code, in body and Proxy-Status', () => {
    const answer = renderFault(input({}))
    assert.equal(answer.status, 502)
    assert.deepEqual(JSON.parse(answer.body), {
      type: 'urn:postern:fault:missing-root',
      title: 'The backend could not be verified',
      status: 502,
      code: 'missing-root',
      requestId,
    })
    const headers = new Map(answer.headers)
    assert.equal(headers.get('Content-Type'), 'application/problem+json')
    assert.equal(headers.get('Proxy-Status'), 'postern; error=tls_certificate_error; details="missing-root"')
    assert.equal(headers.get('X-Request-ID'), requestId)
  })

  const proxyStatus: readonly [FaultKind, string][] = [
    ['tls-failed', 'postern; error=tls_alert_received; alert-id=70; details="protocol-version"'],
    ['client-certificate', 'postern; error=tls_alert_received; alert-id=116; details="client-certificate-required"'],
    ['dns-failed', 'postern; error=dns_error; details="dns-failure"'],
    ['connect-refused', 'postern; error=connection_refused; details="connection-refused"'],
    ['response-timeout', 'postern; error=http_response_timeout; details="response-timeout"'],
  ]
  for (const [kind, expected] of proxyStatus) {
    test(`Proxy-Status of ${kind}`, () => {
      assert.equal(headersOf({ fault: fault(kind) }).get('Proxy-Status'), expected)
    })
  }
})

describe('what a client learns (I6)', () => {
  for (const profile of profiles) {
    test(`${profile}: the summary and the party show only when verbose`, () => {
      for (const fault of [...everyFault, ...furtherFaults]) {
        for (const detail of details) {
          const { body, headers } = renderFault(input({ fault, profile, detail }))
          const shown = body.includes(JSON.stringify(fault.summary).slice(1, -1))
          assert.equal(shown, detail === 'verbose', `${fault.kind} ${detail}`)
          assert.equal(
            headers.some(([, value]) => value.includes('/organizations/')),
            profile === 'apigee' && detail === 'verbose',
          )
        }
      }
    })

    test(`${profile}: status and header id do not depend on the detail`, () => {
      for (const fault of [...everyFault, ...furtherFaults]) {
        const answers = details.map((detail) => renderFault(input({ fault, profile, detail })))
        assert.equal(new Set(answers.map(({ status, code }) => `${status} ${code}`)).size, 1)
        for (const { headers } of answers) assert.equal(new Map(headers).get(requestIdHeaders[profile]), requestId)
      }
    })
  }

  test('minimal has no Java text and no verdict', () => {
    assert.doesNotMatch(renderFault(input({ profile: 'apigee', detail: 'minimal' })).body, /PKIX|sun\.security/)
    const native = renderFault(input({ detail: 'minimal' }))
    assert.doesNotMatch(native.body + native.headers.join('\n'), /missing-root/)
  })

  test('evidence is never shown', () => {
    const secret = { ...fault('tls-untrusted'), evidence: { presented: ['inner.example'] } }
    for (const profile of profiles) {
      for (const detail of details) {
        const { body, headers } = renderFault(input({ fault: secret, profile, detail }))
        assert.doesNotMatch(body + headers.join('\n'), /inner\.example/)
      }
    }
  })
})

describe('what a client sends comes back harmless', () => {
  const hostile = '/a\r\nSet-Cookie: x=1"\\<script>\u0000\u0085é\u2028'

  test('bodies are ASCII JSON whatever the path, so length is bytes', () => {
    for (const profile of profiles) {
      const { body } = renderFault(input({ profile, detail: 'verbose', fault: fault('no-route'), target: hostile }))
      assert.match(body, /^[\x20-\x7e]+$/)
      assert.doesNotMatch(body, /<script>/)
      assert.equal(Buffer.byteLength(body), body.length)
      JSON.parse(body)
    }
  })

  test('the path survives the escaping', () => {
    const { body } = renderFault(input({ profile: 'apigee', fault: fault('no-route'), target: hostile }))
    assert.equal(JSON.parse(body).fault.faultstring, `Unable to identify proxy for host: default and url: ${hostile}`)
  })

  test('no header value can hold a line break', () => {
    for (const profile of profiles) {
      const { headers } = renderFault(
        input({ profile, detail: 'verbose', requestId: 'a\r\nB: c', organization: 'ö\n' }),
      )
      for (const [name, value] of headers) assert.match(`${name}: ${value}`, /^[\x20-\x7e]+$/)
    }
  })
})

describe('the table for the reference page', () => {
  test('has every kind of fault once', () => {
    assert.deepEqual(
      faultTable()
        .map((row) => row.kind)
        .toSorted(),
      Object.keys(faultOfKind).toSorted(),
    )
    assert.deepEqual([...faultKinds].toSorted(), Object.keys(faultOfKind).toSorted())
  })

  test('says what is rendered', () => {
    for (const row of faultTable()) {
      const one = fault(row.kind)
      const native = renderFault(input({ fault: one }))
      assert.equal(native.status, row.nativeStatus)
      assert.equal(JSON.parse(native.body).title, row.nativeTitle)
      const apigee = renderFault(input({ fault: one, profile: 'apigee' }))
      assert.deepEqual(
        [apigee.status, apigee.code, apigee.source],
        [row.apigeeStatus, row.apigeeCode, row.apigeeSource],
      )
      const apim = renderFault(input({ fault: one, profile: 'apim' }))
      assert.deepEqual([apim.status, apim.code], [row.apimStatus, row.apimReason])
    }
  })
})
