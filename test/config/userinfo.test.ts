import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseConfig } from '../../src/config/load.ts'

/** Every place that takes a URL, a host or the name of something, where somebody may put a URL with its password. */
const places: Readonly<Record<string, (text: string) => unknown>> = {
  'egress.url': (text) => target({ url: 'http://a.internal', egress: { url: text } }),
  egress: (text) => target({ url: 'http://a.internal', egress: text }),
  'target url': (text) => target({ url: text }),
  'target url with tls': (text) => target({ url: text, tls: { trust: ['corp'] } }),
  'server address': (text) => target({ url: 'http://a.internal', servers: [{ address: text }] }),
  server: (text) => target({ url: 'http://a.internal', servers: [text] }),
  serverName: (text) => target({ url: 'https://a.internal', tls: { trust: ['corp'], serverName: text } }),
  trust: (text) => target({ url: 'https://a.internal', tls: { trust: [text] } }),
  'name server': (text) => target({ url: 'http://a.internal', dns: { servers: [text] } }),
  'host of a check': (text) => target({ url: 'http://a.internal', health: { http: { path: '/', host: text } } }),
  'path of a check': (text) => target({ url: 'http://a.internal', health: { http: { path: text } } }),
  'target of a proxy': (text) => ({ listeners, proxies: { p: { basePath: '/', target: text } } }),
  'host of a proxy': (text) => ({
    listeners,
    targets: { t: { url: 'http://a.internal' } },
    proxies: { p: { basePath: '/', target: 't', hosts: [text] } },
  }),
}
const listeners = [{ name: 'http', port: 8080 }]
const target = (fields: object): unknown => ({ listeners, targets: { t: fields } })

const schemes = ['', 'http://', 'https://', 'HTTP://', 'socks5://', '//', 'http:\\\\']
const ends = ['', ':3128', ':0', '/', ':3128/x', ':3128/x@y', '?q', '#f', ' ', ':3128\r\nX: y']

test('no problem and no advice repeats user or password, whatever place and form they are written in', () => {
  const secret = fc
    .string({ unit: fc.constantFrom(...Array.from('aZ09.-_:/?#@\\[]%! é')), maxLength: 8 })
    .map((text) => `hunter2${text}hunter3`)
  const form = fc.record({
    place: fc.constantFrom(...Object.keys(places)),
    scheme: fc.constantFrom(...schemes),
    secret,
    host: fc.constantFrom('proxy.internal', '10.0.0.7', '[::1]', 'proxy..internal', 'ex ample', ''),
    end: fc.constantFrom(...ends),
  })
  fc.assert(
    fc.property(form, ({ place, scheme, secret: password, host, end }) => {
      const written = `${scheme}bobby:${password}@${host}${end}`
      const parsed = parseConfig(JSON.stringify(places[place]?.(written)), 'postern.yaml')
      if (parsed.ok) return
      assert.ok(parsed.problems.length > 0)
      for (const problem of [...parsed.problems, ...parsed.warnings])
        assert.doesNotMatch(JSON.stringify(problem), /hunter|bobby/, `${place}: ${written}`)
    }),
    { numRuns: 3000 },
  )
})

test('what is shown is the rest, and the advice is made of host and port', () => {
  for (const [written, shown, instead] of [
    ['http://bob:hunter2@proxy.internal:3128', 'http://***@proxy.internal:3128', 'http://proxy.internal:3128'],
    ['https://bob:hunter2@proxy.internal:3128/x', 'https://***@proxy.internal:3128/x', 'http://proxy.internal:3128'],
    ['bob:hunter2@proxy.internal:3128', '***@proxy.internal:3128', 'http://proxy.internal:3128'],
    ['bob:hunt/er@2@[::1]', '***@[::1]', 'http://[::1]:3128'],
  ] as const) {
    const parsed = parseConfig(JSON.stringify(places['egress.url']?.(written)), 'postern.yaml')
    const [problem] = parsed.ok ? [] : parsed.problems
    assert.equal(problem?.message, `"${shown}" carries a user or password`)
    assert.equal(problem.instead, `${instead}, with user and password beside it, the password by env or file`)
  }
})

test('an @ in a path is no password', () => {
  const parsed = parseConfig(JSON.stringify(places['target url']?.('http://a.internal/v1/@me?x')), 'postern.yaml')
  const problems = parsed.ok ? [] : parsed.problems.map(({ message }) => message)
  assert.match(problems[0] ?? '', /carries a query$/)
  assert.equal(parseConfig(JSON.stringify(places['target url']?.('http://a.internal/v1/@me')), 'postern.yaml').ok, true)
})
