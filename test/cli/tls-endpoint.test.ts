import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { needsConfig, readEndpoint } from '../../src/cli/tls-endpoint.ts'

const targets = { names: new Set(['billing', 'orders.internal']), file: 'postern.yaml' }

describe('an endpoint', () => {
  const accepted: readonly [text: string, read: object][] = [
    ['billing', { kind: 'target', name: 'billing' }],
    ['orders.internal', { kind: 'target', name: 'orders.internal' }],
    ['billing:8443', { kind: 'address', host: 'billing', port: 8443 }],
    ['10.0.0.7:443', { kind: 'address', host: '10.0.0.7', port: 443 }],
    ['[2001:DB8::7]:8443', { kind: 'address', host: '2001:db8::7', port: 8443 }],
    ['https://Billing.Internal', { kind: 'address', host: 'billing.internal', port: 443 }],
    ['https://billing.internal:8443/v1/orders?x=1#y', { kind: 'address', host: 'billing.internal', port: 8443 }],
    ['HTTPS://[::1]:8443', { kind: 'address', host: '::1', port: 8443 }],
  ]
  for (const [text, read] of accepted)
    it(`is read from ${text}`, () => assert.deepEqual(readEndpoint(text, targets), read))

  const refused: readonly [text: string, why: RegExp][] = [
    ['biling', /no target of postern\.yaml \(did you mean billing\?\).*biling:443/],
    ['elsewhere.example', /there are billing, orders\.internal/],
    ['http://billing.internal', /plain HTTP/],
    ['https://user:secret@billing.internal', /a user or password/],
    ['ftp://billing.internal', /not a URL that can be checked/],
    ['https://', /not a URL that can be checked/],
    ['billing:0', /not an endpoint/],
    ['billing:70000', /not an endpoint/],
    ['2001:db8::7:8443', /not an endpoint/],
    ['', /not an endpoint/],
  ]
  for (const [text, why] of refused) {
    it(`is not "${text}", and the error says why`, () => {
      assert.throws(() => readEndpoint(text, targets), { code: 'usage', message: why })
    })
  }

  it('never shows the password of a URL', () => {
    assert.throws(
      () => readEndpoint('https://user:secret@billing.internal', targets),
      (error: Error) => !error.message.includes('secret'),
    )
  })

  it('without a port asks for a configuration where there is none', () => {
    assert.throws(() => readEndpoint('billing', null), /there is no configuration: name one with -c FILE/)
    assert.deepEqual(['billing', 'billing:443', 'https://billing'].map(needsConfig), [true, false, false])
  })
})
