import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hideFields } from '../../src/traces/hide-fields.ts'
import { checkJsonPath, maskBody } from '../../src/traces/mask-body.ts'

/*
 * Bodies are the caller's, masks an operator's, and both come to the main thread: neither may keep it busy (I10). Nor may a
 * body show a credential because it is cut off, or written in another way.
 */

const json = [['Content-Type', 'application/json']] as const
const xml = [['Content-Type', 'application/xml']] as const

function masked(text: string, paths: { readonly json?: string; readonly xml?: string }): string {
  const masks = {
    jsonPaths: paths.json === undefined ? [] : [paths.json],
    xPaths: paths.xml === undefined ? [] : [paths.xml],
    namespaces: {},
  }
  return maskBody({ text, bytes: text.length }, paths.json === undefined ? xml : json, masks).text
}

const trees = `[${Array.from({ length: 650 }, () => `${'['.repeat(40)}${']'.repeat(40)}`).join(',')}]`
const nested = `<a>${'<b>'.repeat(240)}${'x'.repeat(100_000)}${'</b>'.repeat(240)}</a>`

describe('A path that would look at the same nodes again and again hides the body whole:', () => {
  const table: readonly [what: string, text: string, paths: Parameters<typeof masked>[1]][] = [
    ['wildcards in unions of unions', `${'['.repeat(12)}1${']'.repeat(12)}`, { json: `$${'[*,*,*,*]'.repeat(12)}` }],
    [
      'many wildcards in one',
      `[${'1,'.repeat(50_000)}1]`,
      { json: `$[${Array.from({ length: 99 }, () => '*').join()}]` },
    ],
    ['descents in a deep document', trees, { json: '$..*..*' }],
    ['descents behind a name with a quote', `{"'":${trees}}`, { json: String.raw`$['\'']..*..*..*['x']` }],
    ['descents in a filter', trees, { json: '$..[?@..a]' }],
    ['texts of nodes in each other', nested, { xml: `//*[contains(concat(.${',.'.repeat(300)}),"y")]` }],
    ['many looks at such texts', nested, { xml: `//*${'[not(contains(.,"y"))]'.repeat(40)}` }],
  ]
  for (const [what, text, paths] of table) it(what, () => assert.equal(masked(text, paths), '*****'))

  it('and one that does not is as good as ever', () => {
    assert.equal(masked('{"a":{"b":1,"c":2},"d":3}', { json: "$.a['b','c']" }), '{"a":{"b":"*****","c":"*****"},"d":3}')
    assert.equal(masked('{"a":[{"b":1},{"b":2}]}', { json: '$..b' }), '{"a":[{"b":"*****"},{"b":"*****"}]}')
    assert.equal(masked('<a><b>1</b></a>', { xml: '//b[. = "1"]' }), '<a><b>*****</b></a>')
    assert.equal(masked(`[${'{"b":1},'.repeat(5000)}1]`, { json: '$[*].b' }).includes('"b":1'), false)
    for (const path of ['$.a', '$..password', "$['x','y','z'].a", '$[0,1,2]', '$[?@.a == 1].b']) checkJsonPath(path)
  })
})

describe('A body without masks shows no credential', () => {
  const table: readonly [what: string, type: string, text: string, shown: string][] = [
    [
      'of a token endpoint',
      'application/json',
      '{"access_token":"t","expires_in":3600,"max_tokens":5}',
      '{"access_token":"*****","expires_in":3600,"max_tokens":5}',
    ],
    ['cut off in the value', 'application/json', '{"a":1,"api_key":"tru', '{"a":1,"api_key":"*****"'],
    ['cut off behind an escape', 'application/json', '{"password":"tru\\', '{"password":"*****"'],
    [
      'with escapes in the value',
      'application/json',
      '{"secret":"a\\"b","ok":"\\\\"}',
      '{"secret":"*****","ok":"\\\\"}',
    ],
    ['that is a number', 'text/plain', '[{"password" : 1234}]', '[{"password" : "*****"}]'],
    [
      'with a byte order mark',
      'application/json',
      '\u00ef\u00bb\u00bf{"token":"t"}',
      '\u00ef\u00bb\u00bf{"token":"*****"}',
    ],
    [
      'of WS-Security',
      'text/xml',
      '<w:Password Type="x">p</w:Password><b>1</b>',
      '<w:Password Type="x">*****</w:Password><b>1</b>',
    ],
    ['in CDATA', 'text/xml', '<token><![CDATA[a]b]]></token>', '<token>*****</token>'],
    ['in an attribute', 'text/xml', `<u password="p" n='q'/>`, `<u password="*****" n='q'/>`],
    ['of an element that is cut off', 'text/xml', '<a><secret>tru', '<a><secret>*****'],
    [
      'of a form with parts',
      'multipart/form-data; boundary=b',
      '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\np\r\n--b--',
      '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n*****\r\n--b--',
    ],
  ]
  for (const [what, type, text, shown] of table) {
    it(what, () => assert.equal(hideFields(text, [['content-type', type]]), shown))
  }

  it('and takes time by its length, whatever it is made of', () => {
    const units = [
      '"',
      '"a":',
      '"a":"',
      '"token":"',
      '\\',
      '{"',
      '-',
      '<',
      '<a ',
      '<a>',
      '<![CDATA[',
      '<a a=',
      'name="',
      ' name="a"',
      'name="a"\r\n',
      '\r\n',
    ]
    const time = (unit: string, length: number, type: string): number => {
      const text = `${type.includes('json') ? '{' : type.includes('xml') ? '<' : ''}${unit.repeat(length / unit.length)}`
      // The best of three: a machine with other work makes one of them slow, and a square each.
      return Math.min(
        ...[1, 2, 3].map(() => {
          const start = performance.now()
          hideFields(text, [['content-type', type]])
          return performance.now() - start
        }),
      )
    }
    for (const type of ['application/json', 'text/xml', 'multipart/form-data']) {
      for (const unit of units) {
        time(unit, 1000, type)
        const short = time(unit, 32_768, type)
        const long = time(unit, 131_072, type)
        assert.ok(long <= short * 8 + 60, `${type} ${JSON.stringify(unit)}: ${short} and ${long} ms`)
      }
    }
  })
})
