import type { H2RefusalName } from '../../src/wire/h2/refusals.ts'
import type { Field } from '../wire-h2/blocks.ts'
import { bad, method, path, replaced, scheme, type StreamMessage, good } from './downgrade-message.ts'
import { smuggled } from './messages.ts'

/** Method, target and host of HTTP/2, which become the request line and Host of HTTP/1.1. */
export const downgradePseudoMessages: readonly StreamMessage[] = [
  // -- pseudo-header fields ------------------------------------------------------------------------------------------
  ...good.map((field) => bad(`${field[0]} twice, alike`, 'pseudoTwice', [...good, field])),
  bad(':path twice, different', 'pseudoTwice', [...good, [':path', '/base/smuggled']]),
  bad(':authority twice, different', 'pseudoTwice', [...good, [':authority', 'other.test']]),
  bad(':method twice, different', 'pseudoTwice', [...good, [':method', 'POST']]),
  ...good.map((field) =>
    bad(`${field[0]} behind a regular field`, 'pseudoLate', [
      ...good.filter((other) => other !== field),
      ['x-a', 'b'],
      field,
    ]),
  ),
  bad(':path again behind a regular field', 'pseudoLate', [...good, ['x-a', 'b'], [':path', '/base/smuggled']]),
  bad('no :method', 'pseudoMissing', without(':method')),
  bad('no :scheme', 'pseudoMissing', without(':scheme')),
  bad('no :path', 'pseudoMissing', without(':path')),
  bad('neither :authority nor Host', 'noAuthority', without(':authority')),
  bad('no pseudo-header field at all', 'pseudoMissing', [['x-a', 'b']]),
  bad('no field at all', 'pseudoMissing', []),
  bad('an unknown pseudo-header field', 'pseudoUnknown', [...good, [':x', 'b']]),
  bad('a pseudo-header field in capitals', 'pseudoUnknown', [...good, [':Path', '/base/smuggled']]),
  bad('a pseudo-header field of a colon alone', 'pseudoUnknown', [...good, [':', 'b']]),
  bad('a pseudo-header field with a space', 'pseudoUnknown', [...good, [':path ', '/base/smuggled']]),
  bad('a pseudo-header field of responses', 'pseudoSide', [...good, [':status', '200']]),
  bad(':protocol without CONNECT', 'protocol', [...good, [':protocol', 'websocket']]),

  ...paths('path', [
    ['nothing', ''],
    ['a space', '/base/x y'],
    ['a space before it', ' /base/x', 'value'],
    ['a space behind it', '/base/x ', 'value'],
    ['a tab', '/base/\tx'],
    ['a fragment', '/base/x#y'],
    ['a backslash', '/base\\x'],
    ['a high byte', '/base/\xe9'],
    ['a DEL', '/base/\x7f', 'value'],
    ['no slash', 'base/x', 'pathForm'],
    ['a query alone', '?x', 'pathForm'],
    ['an asterisk', '*', 'pathForm'],
    ['a URL', 'http://api.test/base/x', 'pathForm'],
    ['a URL of another host', 'http://other.test/base/x', 'pathForm'],
    ['an authority', 'other.test:80', 'pathForm'],
    ['an @', '@other.test/base/x', 'pathForm'],
  ]),
  {
    ...bad(
      ':path with two slashes and a host',
      'path',
      replaced(':path', () => '//other.test/base/x'),
    ),
    refusal: 404,
  },
  ...authorities([
    ['nothing', ''],
    ['userinfo', 'other.test@api.test'],
    ['a path', 'api.test/base/smuggled'],
    ['a query', 'api.test?x'],
    ['a fragment', 'api.test#x'],
    ['a space', 'api.test other.test'],
    ['a list', 'api.test,other.test'],
    ['a backslash', 'api.test\\other.test'],
    ['two ports', 'api.test:80:81'],
    ['a port that is no number', 'api.test:x'],
    ['a URL', 'http://api.test'],
    ['a percent sign', 'api%2etest'],
    ['a version and a field', 'api.test HTTP/1.1'],
    ['a high byte', '\xe4pi.test'],
  ]),
  bad('Host that differs from :authority', 'hostDiffers', [...good, ['host', 'other.test']]),
  bad('Host that differs in its port', 'hostDiffers', [...good, ['host', 'api.test:81']]),
  bad('Host twice, alike', 'hostDiffers', [...good, ['host', 'api.test'], ['host', 'api.test']]),
  bad('Host twice, different, without :authority', 'hostDiffers', [
    method,
    scheme,
    path,
    ['host', 'api.test'],
    ['host', 'other.test'],
  ]),
  bad('an empty Host', 'authority', [...good, ['host', '']]),
  ...methods([
    ['nothing', ''],
    ['a space behind it', 'GET ', 'value'],
    ['a space before it', ' GET', 'value'],
    ['a path', 'GET /base/smuggled'],
    ['a colon', 'GET:'],
    ['brackets', 'G(E)T'],
    ['a high byte', 'G\xc8T'],
    ['65 bytes', 'M'.repeat(65)],
  ]),
  bad('CONNECT', 'connectMethod', [
    [':method', 'CONNECT'],
    [':authority', 'api.test:80'],
  ]),
  bad(
    'CONNECT with :path',
    'connectFields',
    replaced(':method', () => 'CONNECT'),
  ),
  bad(
    'CONNECT with DATA that is a request',
    'connectMethod',
    [
      [':method', 'CONNECT'],
      [':authority', 'api.test:80'],
    ],
    [smuggled],
  ),
  bad(
    ':scheme of the other kind of listener',
    'stream',
    replaced(':scheme', () => 'https'),
  ),
  ...['', 'ftp', 'httpx', 'http:', 'http ://', 'javascript'].map((value) =>
    bad(
      `:scheme ${JSON.stringify(value)}`,
      'scheme',
      replaced(':scheme', () => value),
    ),
  ),
]

function without(name: string): readonly Field[] {
  return good.filter((field) => field[0] !== name)
}

type Values = readonly (readonly [what: string, value: string, refusal?: H2RefusalName])[]

function paths(usual: H2RefusalName, list: Values): readonly StreamMessage[] {
  return list.map(([what, value, refusal = usual]) =>
    bad(
      `:path with ${what}`,
      refusal,
      replaced(':path', () => value),
    ),
  )
}

function authorities(list: Values): readonly StreamMessage[] {
  return list.flatMap(([what, value]) => [
    bad(
      `:authority with ${what}`,
      'authority',
      replaced(':authority', () => value),
    ),
    bad(`Host with ${what}`, 'authority', [method, scheme, path, ['host', value]]),
  ])
}

function methods(list: Values): readonly StreamMessage[] {
  return list.map(([what, value, refusal = 'method']) =>
    bad(
      `:method with ${what}`,
      refusal,
      replaced(':method', () => value),
    ),
  )
}
