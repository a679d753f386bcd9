import type { RefusalName } from '../../src/wire/h1/refusal.ts'
import { get, lines, post } from '../wire/message.ts'
import {
  marker,
  bad,
  last,
  lengthOf,
  type Message,
  prefix,
  smuggled,
  taken,
  unanswered,
  unfinished,
} from './messages.ts'

/** The body is a request, so who reads a shorter length sees two. */
const size = smuggled.length
const whole = lengthOf(smuggled)

export const contentLengthMessages: readonly Message[] = [
  taken('Content-Length', post([whole], smuggled), `POST /base/x api.test ${smuggled}`),
  taken('Content-Length in other case', post([whole.toUpperCase()], smuggled), `POST /base/x api.test ${smuggled}`),
  taken(
    'Content-Length with white space around it',
    post([`Content-Length: \t ${size} \t`], smuggled),
    `POST /base/x api.test ${smuggled}`,
  ),
  taken(
    'Content-Length with leading zeros',
    post([`Content-Length: 000${size}`], smuggled),
    `POST /base/x api.test ${smuggled}`,
  ),
  taken(
    'Content-Length 0',
    post(['Content-Length: 0'], smuggled),
    'POST /base/x api.test',
    'GET /base/smuggled api.test',
  ),
  taken(
    'Content-Length 00',
    post(['Content-Length: 00'], smuggled),
    'POST /base/x api.test',
    'GET /base/smuggled api.test',
  ),
  taken(
    'no Content-Length: what follows is a request',
    post([], smuggled),
    'POST /base/x api.test',
    'GET /base/smuggled api.test',
  ),

  bad('Content-Length twice, alike', 'lengthTwice', post([whole, whole], smuggled)),
  bad('Content-Length twice, the second shorter', 'lengthTwice', post([whole, 'Content-Length: 0'], smuggled)),
  bad('Content-Length twice, the first shorter', 'lengthTwice', post(['Content-Length: 0', whole], smuggled)),
  bad('Content-Length twice, in different case', 'lengthTwice', post([whole, 'content-length: 0'], smuggled)),
  bad('Content-Length twice, the second empty', 'lengthTwice', post([whole, 'Content-Length:'], smuggled)),
  bad('Content-Length twice, alike but for a zero', 'lengthTwice', post([whole, `Content-Length: 0${size}`], smuggled)),
  bad('Content-Length twice, the second in hexadecimal', 'lengthTwice', post([whole, 'Content-Length: 0x0'], smuggled)),
  bad('Content-Length three times', 'lengthTwice', post(['Content-Length: 0', whole, 'Content-Length: 0'], smuggled)),
  bad(
    'Content-Length twice with fields in between',
    'lengthTwice',
    post([whole, 'X-A: b', 'X-C: d', 'Content-Length: 0'], smuggled),
  ),
  bad('Content-Length as a list, alike', 'length', post([`Content-Length: ${size}, ${size}`], smuggled)),
  bad('Content-Length as a list, alike, no space', 'length', post([`Content-Length: ${size},${size}`], smuggled)),
  bad('Content-Length as a list, different', 'length', post([`Content-Length: 0, ${size}`], smuggled)),
  bad('Content-Length as a list, different, the other way', 'length', post([`Content-Length: ${size}, 0`], smuggled)),
  bad('Content-Length with a comma behind it', 'length', post([`Content-Length: ${size},`], smuggled)),
  bad('Content-Length with a comma before it', 'length', post([`Content-Length: ,${size}`], smuggled)),

  ...values([
    ['a plus', `+${size}`],
    ['a minus', `-${size}`],
    ['minus nothing', '-0'],
    ['plus nothing', '+0'],
    ['hexadecimal', `0x${size.toString(16)}`],
    ['hexadecimal digits', size.toString(16)],
    ['octal, as some languages write it', `0o${size.toString(8)}`],
    ['binary, as some languages write it', '0b0'],
    ['an exponent', '0e1'],
    ['a point', `${size}.0`],
    ['a comma for a point', `${size},0`],
    ['a space inside', '0 5'],
    ['a tab inside', '0\t5'],
    ['an underscore', '4_6'],
    ['a letter behind', `${size}x`],
    ['a semicolon behind', `${size};`],
    ['a unit', `${size} bytes`],
    ['quotes', `"${size}"`],
    ['nothing', ''],
    ['white space', ' \t '],
    ['no digits', 'abc'],
    ['a minus alone', '-'],
    ['NaN', 'NaN'],
    ['Infinity', 'Infinity'],
    ['an NBSP before it', `\xa0${size}`],
    ['a high byte behind it', `${size}\xb2`],
    ['full-width digits', '\xef\xbc\x95'],
    ['Arabic digits', '\xd9\xa4'],
    ['2^63', '9223372036854775808'],
    ['2^64', '18446744073709551616'],
    ['2^64 and the size', `${2n ** 64n + BigInt(size)}`],
    ['2^65 and the size', `${2n ** 65n + BigInt(size)}`],
    ['a hundred digits', `${'0'.repeat(98)}${size}`],
  ]),
  bad('Content-Length with a NUL behind it', 'valueByte', post([`Content-Length: ${size}\0`], smuggled)),
  bad('Content-Length with a VT before it', 'valueByte', post([`Content-Length: \x0b${size}`], smuggled)),
  bad('Content-Length with a form feed behind it', 'valueByte', post([`Content-Length: ${size}\x0c`], smuggled)),
  bad('Content-Length with a CR inside', 'bareCr', post([`Content-Length: 0\r${size}`], smuggled)),
  bad('Content-Length with an LF inside', 'bareLf', post([`Content-Length: 0\n${size}`], smuggled)),
  bad('Content-Length folded', 'length', post(['Content-Length:', ` ${size}`], smuggled)),
  bad('Content-Length with its digits folded', 'obsFold', post(['Content-Length: 0', ` ${size}`], smuggled)),
  bad('Content-Length with a space before the colon', 'nameByte', post([`Content-Length : ${size}`], smuggled)),
  bad('Content-Length with a tab before the colon', 'nameByte', post([`Content-Length\t: ${size}`], smuggled)),
  bad('Content-Length with a NUL before the colon', 'nameByte', post([`Content-Length\0: ${size}`], smuggled)),
  bad('Content-Length with a space before its name', 'obsFold', post([` Content-Length: ${size}`], smuggled)),
  bad('Content-Length with a space in its name', 'nameByte', post([`Content Length: ${size}`], smuggled)),
  bad('Content-Length behind a CR in another field', 'bareCr', post([`X-A: b\rContent-Length: ${size}`], smuggled)),
  bad('Content-Length behind an LF in another field', 'bareLf', post([`X-A: b\nContent-Length: ${size}`], smuggled)),
  bad(
    'Content-Length twice, one with a space before the colon',
    'nameByte',
    post([whole, 'Content-Length : 0'], smuggled),
  ),
  taken(
    'Content_Length is none',
    post([`Content_Length: ${size}`], smuggled),
    'POST /base/x api.test',
    'GET /base/smuggled api.test',
  ),
  taken(
    'Content-Length in the name of another field',
    post([`X-Content-Length: ${size}`, whole], smuggled),
    `POST /base/x api.test ${smuggled}`,
  ),

  taken('Content-Length with GET', `${get(whole)}${smuggled}`, `GET /base/x api.test ${smuggled}`),
  taken('Content-Length with HEAD', withMethod('HEAD'), `HEAD /base/x api.test ${smuggled}`),
  taken('Content-Length with DELETE', withMethod('DELETE'), `DELETE /base/x api.test ${smuggled}`),
  taken('Content-Length with OPTIONS', withMethod('OPTIONS'), `OPTIONS /base/x api.test ${smuggled}`),
  taken('Content-Length with a method nobody knows', withMethod('BREW'), `BREW /base/x api.test ${smuggled}`),
  taken('Content-Length with TRACE', withMethod('TRACE'), `TRACE /base/x api.test ${smuggled}`),
  last(
    'Content-Length and Connection: close: what follows is no request',
    `${post([whole, 'Connection: close'], smuggled)}${smuggled}`,
    `POST /base/x api.test ${smuggled}`,
  ),
  {
    ...taken(
      'Content-Length that reaches into the marker: the marker is body',
      post([`Content-Length: ${prefix.length + marker.length}`], prefix),
      `POST /base/x api.test ${prefix}${marker}`,
    ),
    marker: false,
  },
  unanswered('Content-Length that is never reached', post(['Content-Length: 1000'], smuggled)),
  unanswered('Content-Length of 2^32 and the size', post([`Content-Length: ${2 ** 32 + size}`], smuggled)),
  unfinished(
    'Content-Length, and the client ends before it is reached',
    post([`Content-Length: ${size + 1}`], smuggled),
  ),
  last(
    'HTTP/1.0 without Content-Length: what follows is no request',
    `${lines('POST /base/x HTTP/1.0', 'Host: api.test')}${smuggled}`,
    'POST /base/x api.test',
  ),
]

function values(list: readonly (readonly [what: string, value: string, refusal?: RefusalName])[]): readonly Message[] {
  return list.map(([what, value, refusal = 'length']) =>
    bad(
      `Content-Length with a value that is no number: ${what}`,
      refusal,
      post([`Content-Length: ${value}`], smuggled),
    ),
  )
}

function withMethod(method: string): string {
  return lines(`${method} /base/x HTTP/1.1`, 'Host: api.test', whole) + smuggled
}
