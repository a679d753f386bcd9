import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { readLine, readList } from '../../src/cli/tls-list.ts'

const entry = (change: object) => ({ line: 1, name: null, ca: [], stores: [], ...change })

describe('a line of a list', () => {
  const accepted: readonly [text: string, read: object | null][] = [
    ['', null],
    ['   # only a comment', null],
    ['a:443', entry({ entry: 'a:443', endpoint: 'a:443' })],
    ['  a:443   # why  ', entry({ entry: 'a:443', endpoint: 'a:443' })],
    ['https://a/x#y', entry({ entry: 'https://a/x#y', endpoint: 'https://a/x#y' })],
    ['a:443 name=b.internal', entry({ entry: 'a:443 name=b.internal', endpoint: 'a:443', name: 'b.internal' })],
    [
      'a:443,name=b.internal,ca=x.pem',
      entry({ entry: 'a:443 name=b.internal ca=x.pem', endpoint: 'a:443', name: 'b.internal', ca: ['x.pem'] }),
    ],
    [
      'a:443 ca="my, own #1.pem"\tca=y.pem store=corp',
      entry({
        entry: 'a:443 "ca=my, own #1.pem" ca=y.pem store=corp',
        endpoint: 'a:443',
        ca: ['my, own #1.pem', 'y.pem'],
        stores: ['corp'],
      }),
    ],
  ]
  for (const [text, read] of accepted)
    it(`is read: ${JSON.stringify(text)}`, () => assert.deepEqual(readLine(text, 1), read))

  const refused: readonly [text: string, why: RegExp][] = [
    ['a:443 b:443', /"b:443" is not understood/],
    ['a:443 sni=b', /"sni=b" is not understood/],
    ['a:443 name=', /name= has no value/],
    ['a:443 name=b name=c', /twice/],
    ['a:443 ca="x.pem', /not closed/],
    ['a'.repeat(5000), /longer than 4096/],
  ]
  for (const [text, why] of refused)
    it(`is refused: ${text.slice(0, 30)}`, () => {
      const fault = readLine(text, 1)
      assert.match(typeof fault === 'string' ? fault : 'it was read', why)
    })
})

describe('a list', () => {
  it('comes from standard input, whatever ends its lines', async () => {
    const list = await readList('-', Readable.from(['\ufeffa:443\r\n# no\r\nb:443 na', 'me=c\n']))
    assert.deepEqual(
      list.map(({ endpoint, name, line }) => [endpoint, name, line]),
      [
        ['a:443', null, 1],
        ['b:443', 'c', 3],
      ],
    )
  })

  it('is refused with every faulty line and its number', async () => {
    await assert.rejects(readList('-', Readable.from(['a:443 x\nb:443\nc:443 y=1\n'])), {
      code: 'usage',
      message: /^-:1: "x" is not understood.*\n-:3: "y=1" is not/,
    })
  })

  it('is refused when it names nothing, or is not there', async () => {
    await assert.rejects(readList('-', Readable.from(['# nothing\n'])), /names no endpoint/)
    await assert.rejects(readList('/nonexistent/list', Readable.from([])), {
      code: 'usage',
      message: /list cannot be read: there is no such file$/,
    })
  })
})
