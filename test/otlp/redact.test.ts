import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { redactQuery, redactUrl } from '../../src/otlp/redact.ts'

describe('queries without their credentials', () => {
  const table: readonly [query: string, expected: string][] = [
    ['q=1&color=blue', 'q=1&color=blue'],
    ['sig=abc', 'sig=REDACTED'],
    ['design=abc', 'design=abc'],
    ['X-Amz-Credential=a%2Fb&X-Amz-Date=1', 'X-Amz-Credential=REDACTED&X-Amz-Date=1'],
    ['a=1&Signature=x==&b=2', 'a=1&Signature=REDACTED&b=2'],
    ['access_token=t&id=7', 'access_token=REDACTED&id=7'],
    ['%61pi_key=t', '%61pi_key=REDACTED'],
    ['API-Key=t;x=1', 'API-Key=REDACTED;x=1'],
    ['apikey', 'apikey'],
    ['password=', 'password='],
    ['client_secret=a=b', 'client_secret=REDACTED'],
    ['%zz=1&token=2', '%zz=1&token=REDACTED'],
  ]
  for (const [query, expected] of table) it(`${query} is ${expected}`, () => assert.equal(redactQuery(query), expected))

  it('userinfo goes from a URL, and a path keeps its own', () => {
    assert.equal(
      redactUrl('https://u:p@h.example/a=b?token=1'),
      'https://REDACTED:REDACTED@h.example/a=b?token=REDACTED',
    )
    assert.equal(redactUrl('https://h.example/x@y'), 'https://h.example/x@y')
  })

  it('no value of a token comes through, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.webQueryParameters(), fc.webQueryParameters(), (before, after) => {
        const shown = redactQuery(`${before}&token=s3cr3tvalue&${after}`)
        assert.ok(!shown.includes('s3cr3tvalue'))
      }),
    )
  })
})
