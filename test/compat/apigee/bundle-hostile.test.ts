import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { readBundle } from '../../../src/compat/apigee/bundle-read.ts'
import { checkRunnable } from '../../../src/compat/apigee/bundle-runnable.ts'
import { bundleFromZip, findBundles } from '../../../src/compat/apigee/bundle-source.ts'
import { readXml } from '../../../src/compat/apigee/xml.ts'
import { writeZip } from '../../../src/core/zip.ts'
import { filesFrom, proxyWith, proxyXml, shortly, targetXml } from './bundle-fixtures.ts'

const bomb = `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>\n<a>&c;</a>`

describe('documents that are refused, and where', () => {
  const bytes = (text: string, encoding: BufferEncoding = 'utf8'): Buffer => Buffer.from(text, encoding)
  const table: readonly (readonly [why: string, document: Buffer, code: string, place: string])[] = [
    ['an entity bomb', bytes(bomb), 'xml-doctype', '1:1'],
    [
      'an external entity',
      bytes('<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "file:///etc/passwd"><a>&x;</a>'),
      'xml-doctype',
      '2:1',
    ],
    ['a document type inside', bytes('<a>\n <!ENTITY x "y"></a>'), 'xml-doctype', '2:2'],
    ['an entity that nobody defined', bytes('<a>\n&nbsp;</a>'), 'xml-malformed', '2:1'],
    ['deep nesting', bytes('<a>'.repeat(200_000) + '</a>'.repeat(100)), 'xml-too-deep', '1:301'],
    ['deep nesting with attributes that hide it', bytes('<a b="/>">'.repeat(101)), 'xml-too-deep', '1:1001'],
    ['too large', Buffer.alloc(1024 * 1024 + 1, ' '), 'xml-too-large', '1:1'],
    ['nothing', bytes(''), 'xml-malformed', '1:1'],
    ['a byte that is not UTF-8', bytes('<a>\n\u00fc</a>', 'latin1'), 'xml-encoding', '2:1'],
    ['UTF-16', Buffer.concat([Buffer.from([0xff, 0xfe]), bytes('<a/>', 'utf16le')]), 'xml-encoding', '1:1'],
    [
      'Latin-1 that says so',
      bytes('<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00fc</a>', 'utf8'),
      'xml-encoding',
      '1:1',
    ],
    ['UTF-7', bytes('<?xml version="1.0" encoding="UTF-7"?><a/>'), 'xml-encoding', '1:1'],
    ['a tag that does not end', bytes('<a>\n <b>\n</a>'), 'xml-malformed', '3:1'],
    ['an attribute twice', bytes('<a b="1" b="2"/>'), 'xml-malformed', '1:15'],
    ['a NUL', bytes('<a>\u0000</a>'), 'xml-malformed', '1:4'],
    ['a control character by reference', bytes('<a>&#1;</a>'), 'xml-malformed', '1:8'],
    ['two roots', bytes('<a/>\n<b/>'), 'xml-malformed', '2:1'],
    ['JSON', bytes('{"a":1}'), 'xml-malformed', '1:1'],
  ]
  for (const [why, document, code, place] of table) {
    test(why, () => {
      const read = readXml(document)
      assert.ok(!read.ok, 'was taken')
      assert.equal(`${read.code} ${read.line}:${read.column}`, `${code} ${place}`)
      assert.ok(read.message.length < 250 && !read.message.includes('\n'), read.message)
    })
  }
})

describe('documents that look odd and are sound', () => {
  const table: readonly (readonly [why: string, document: Buffer, text: string])[] = [
    ['a byte order mark', Buffer.from('\ufeff<a>x</a>'), 'x'],
    ['Latin-1 without any letter of it', Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>x</a>'), 'x'],
    ['a comment with a document type', Buffer.from('<!-- <!DOCTYPE a> --><a>x</a>'), 'x'],
    ['CDATA with one', Buffer.from('<a><![CDATA[<!DOCTYPE a>]]></a>'), '<!DOCTYPE a>'],
    ["an attribute with a tag's end", Buffer.from('<a b=">">x</a>'), 'x'],
    ['the five entities', Buffer.from('<a>&lt;&gt;&amp;&quot;&apos;&#65;</a>'), '<>&"\'A'],
    ['letters beyond the BMP', Buffer.from('<a>😀</a>'), '😀'],
    ['100 levels', Buffer.from(`${'<a>'.repeat(100)}${'</a>'.repeat(100)}`), ''],
    ['many beside each other', Buffer.from(`<a>${'<b/>'.repeat(1000)}</a>`), ''],
  ]
  for (const [why, document, text] of table) {
    test(why, () => {
      const read = readXml(document)
      assert.ok(read.ok, read.ok ? '' : read.message)
      assert.equal(read.root.text, text)
    })
  }

  test('lines are counted with every kind of line end, columns after letters of two units', () => {
    const read = readXml(Buffer.from('<a>\r\n<b/>\r<c/>\n😀<d/></a>'))
    assert.ok(read.ok)
    assert.deepEqual(
      read.root.elements.map(({ name, line, column }) => `${name} ${line}:${column}`),
      ['b 2:1', 'c 3:1', 'd 4:3'],
    )
  })
})

describe('zips that are refused', () => {
  const good = { 'apiproxy/proxies/default.xml': proxyXml(), 'apiproxy/targets/default.xml': targetXml() }
  const zipOf = (texts: Readonly<Record<string, string>>): Promise<Buffer> => writeZip(filesFrom(texts))
  const table: readonly (readonly [why: string, zip: () => Promise<Buffer>, code: string])[] = [
    ['not a zip', () => Promise.resolve(Buffer.from('hello')), 'zip-malformed'],
    ['nothing', () => Promise.resolve(Buffer.alloc(0)), 'zip-malformed'],
    ['cut off', async () => (await zipOf(good)).subarray(0, 200), 'zip-malformed'],
    [
      'zip-slip',
      async () =>
        renamed(await zipOf({ 'apiproxy/abcdefgh.xml': '<a/>' }), 'apiproxy/abcdefgh.xml', 'apiproxy/../../ab.xml'),
      'zip-unsafe-name',
    ],
    ['a bomb', () => zipOf({ 'apiproxy/a.xml': ' '.repeat(15 * 1024 * 1024) }), 'zip-bomb'],
    ['more than 15 MB', () => Promise.resolve(Buffer.alloc(15 * 1024 * 1024 + 1)), 'zip-too-large'],
    ['a wrong root', () => zipOf({ 'proxy/proxies/default.xml': proxyXml() }), 'bundle-missing'],
    ['a root two levels down', () => zipOf({ 'a/b/apiproxy/proxies/default.xml': proxyXml() }), 'bundle-missing'],
    ['two bundles', () => zipOf({ 'a/apiproxy/x.xml': '<a/>', 'b/apiproxy/x.xml': '<a/>' }), 'bundle-ambiguous'],
    [
      'a name twice',
      async () =>
        renamed(
          await zipOf({ 'apiproxy/a.xml': '<a/>', 'apiproxy/b.xml': '<b/>' }),
          'apiproxy/b.xml',
          'apiproxy/a.xml',
        ),
      'zip-duplicate',
    ],
  ]
  for (const [why, zip, code] of table) {
    test(why, async () => {
      const bytes = await zip()
      await assert.rejects(bundleFromZip(bytes), { name: 'PosternError', code })
    })
  }

  test('and those that are not: root at the top, or one level down', async () => {
    for (const above of ['', 'orders/']) {
      const zip = await zipOf(Object.fromEntries(Object.entries(good).map(([path, text]) => [above + path, text])))
      const bundle = await bundleFromZip(zip)
      assert.ok(bundle.kind === 'apiproxy')
      assert.deepEqual(bundle.problems, [])
      assert.equal(bundle.proxyEndpoints[0]?.place.file, 'apiproxy/proxies/default.xml')
    }
  })
})

/** Same length, in all places of a zip that name it. */
function renamed(zip: Buffer, from: string, to: string): Buffer {
  assert.equal(from.length, to.length)
  return Buffer.from(zip.toString('latin1').replaceAll(from, to), 'latin1')
}

test('many documents together are read up to a limit, and it is said', () => {
  const filler = `<Quota name="P">${' '.repeat(1024 * 1024 - 100)}</Quota>`
  const files = Object.fromEntries(
    Array.from({ length: 6 }, (_, index) => [`apiproxy/policies/${index}.xml`, filler.replace('"P"', `"P${index}"`)]),
  )
  const { problems } = proxyWith(files)
  assert.deepEqual(shortly(problems), ['error xml-too-large apiproxy/policies/4.xml:1:1'])
})

test('files beside the root folder, and folders nobody reads, are left out', () => {
  const [found] = findBundles(
    filesFrom({ 'README.md': '', 'apiproxy/x/y.xml': '<', 'apiproxy/manifests/manifest.xml': '<' }),
  )
  assert.ok(found !== undefined)
  assert.deepEqual(readBundle(found.files, 'apiproxy').problems, [])
  assert.deepEqual(findBundles(filesFrom({ apiproxy: 'a file' })), [])
})

test('names out of the language are names like any other', () => {
  const text = targetXml(
    '<URL>https://a</URL><Properties><Property name="__proto__">x</Property><Property name="constructor">y</Property></Properties>',
  )
  const [endpoint] = proxyWith({ 'apiproxy/targets/default.xml': text }).targetEndpoints
  assert.ok(endpoint?.connection.kind === 'http')
  assert.deepEqual(Object.keys(endpoint.connection.properties), ['__proto__', 'constructor'])
})

test('no bundle makes the reader throw', () => {
  const words = [
    'HTTPTargetConnection',
    'URL',
    'SSLInfo',
    'TrustStore',
    'LoadBalancer',
    'Server',
    'HealthMonitor',
    'HTTPMonitor',
    'Request',
    'Step',
    'Name',
    'Condition',
    'Flows',
    'Flow',
    'RouteRule',
    'FaultRules',
    'Properties',
    'Property',
    'CommonName',
    'Ciphers',
    'Cipher',
    'toString',
    '__proto__',
  ]
  const xml = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom('a', 'true', '5', 'a = "b"', '<![CDATA[<]]>', '&amp;', '<!-- x -->', '{v}', 'ref://x'),
      fc
        .tuple(fc.constantFrom(...words), fc.array(tie('node'), { maxLength: 4 }), fc.boolean())
        .map(([name, inner, attribute]) => `<${name}${attribute ? ' name="n"' : ''}>${inner.join('')}</${name}>`),
    ),
  })).node
  const document = fc
    .tuple(fc.constantFrom('ProxyEndpoint', 'TargetEndpoint', 'APIProxy'), fc.array(xml))
    .map(([root, inner]) => `<${root}>${inner.join('')}</${root}>`)
  fc.assert(
    fc.property(document, document, fc.uint8Array({ maxLength: 40 }), (one, other, noise) => {
      const files = new Map<string, Uint8Array>([
        ...filesFrom({ 'apiproxy/proxies/a.xml': one, 'apiproxy/targets/b.xml': other, 'apiproxy/c.xml': one }),
        ['apiproxy/policies/p.xml', noise],
      ])
      const bundle = readBundle(files, 'apiproxy')
      for (const { line, column, message } of checkRunnable(bundle)) assert.ok(line > 0 && column > 0 && message !== '')
    }),
    { numRuns: 400 },
  )
})

test('deflate is what the bombs are made of', () => {
  // The table above would prove nothing if its bomb were not one.
  assert.ok(deflateRawSync(Buffer.alloc(15 * 1024 * 1024, ' ')).length < 20_000)
})
