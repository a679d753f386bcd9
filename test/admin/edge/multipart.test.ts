import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ApiError } from '../../../src/admin/api.ts'
import { readMultipart } from '../../../src/admin/edge/multipart.ts'

const quoted = 'multipart/form-data; boundary="YYYjm3dwxmx0rm"'
const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const certFile = [
  '--YYYjm3dwxmx0rm',
  'Content-Disposition: form-data; name="certFile"; filename="file.cert"',
  'Content-Type: application/octet-stream',
  '',
  pem,
]
const passwordPart = ['--YYYjm3dwxmx0rm', 'Content-Disposition: form-data; name="password"', 's3cret']
const ending = ['--YYYjm3dwxmx0rm', '']

const readings: readonly {
  readonly title: string
  readonly body: string
  readonly type?: string
  readonly parts: readonly (readonly [name: string, fileName: string | null, content: string])[]
}[] = [
  {
    title: 'what apigee-edge-js sends, which never ends',
    body: [...certFile, ...ending].join('\r\n'),
    parts: [['certFile', 'file.cert', pem]],
  },
  {
    title: 'what it sends with a password, which has no blank line',
    body: [...certFile, ...passwordPart, ...ending].join('\r\n'),
    parts: [
      ['certFile', 'file.cert', pem],
      ['password', null, 's3cret'],
    ],
  },
  {
    title: 'its parts in another order',
    body: [...passwordPart, ...certFile, ...ending].join('\r\n'),
    parts: [
      ['password', null, 's3cret'],
      ['certFile', 'file.cert', pem],
    ],
  },
  {
    title: 'a form that is as it should be',
    body: `--b\r\nContent-Disposition: form-data; name="a"; filename="x.pem"\r\nContent-Type: text/plain\r\n\r\n1\r\n2\r\n--b\r\nContent-Disposition: form-data; name=password\r\n\r\np w\r\n--b--\r\n`,
    type: 'multipart/form-data; boundary=b',
    parts: [
      ['a', 'x.pem', '1\r\n2'],
      ['password', null, 'p w'],
    ],
  },
  {
    title: 'a preamble, an epilogue, and spaces behind a boundary',
    body: `hello\r\n--b \t\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b-- \r\n--b\r\nContent-Disposition: form-data; name="c"\r\n\r\n2\r\n`,
    type: 'multipart/form-data;charset=utf-8;boundary=b',
    parts: [['a', null, '1']],
  },
  {
    title: 'line feeds alone',
    body: '--b\ncontent-disposition: form-data; name="a"\n\n1\n--b--\n',
    type: 'multipart/form-data; boundary=b',
    parts: [['a', null, '1']],
  },
  {
    title: 'text like a boundary in a line, and longer than it',
    body: '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx--b\r\n--bc\r\n --b\r\n--b--\r\n',
    type: 'multipart/form-data; boundary=b',
    parts: [['a', null, 'x--b\r\n--bc\r\n --b']],
  },
  {
    title: 'a part without content',
    body: '--b\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n\r\n--b--\r\n',
    type: 'multipart/form-data; boundary=b',
    parts: [['a', '', '']],
  },
  {
    title: 'other header lines, where the blank line tells them from the value',
    body: '--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: 1\r\nContent-Transfer-Encoding: BINARY\r\n\r\n1\r\n--b--',
    type: 'multipart/form-data; boundary=b',
    parts: [['a', null, '1']],
  },
  {
    title: 'a value without a blank line that has several lines',
    body: '--b\r\nContent-Disposition: form-data; name="a"\r\none: 1\r\n\r\ntwo\r\n--b--',
    type: 'multipart/form-data; boundary=b',
    parts: [['a', null, 'one: 1\r\n\r\ntwo']],
  },
  {
    title: 'a name with quotes in it',
    body: '--b\r\nContent-Disposition: form-data; filename="a\\"; name=\\"x"; name="n\\\\"\r\n\r\n1\r\n--b--',
    type: 'multipart/form-data; boundary=b',
    parts: [['n\\', 'a"; name="x', '1']],
  },
  {
    title: 'a form that is cut off inside a part',
    body: '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf',
    type: 'multipart/form-data; boundary=b',
    parts: [['a', null, 'half']],
  },
]

describe('a form is read', () => {
  for (const { title, body, type, parts } of readings) {
    it(title, () => {
      const read = readMultipart(Buffer.from(body), type ?? quoted)
      assert.deepEqual(
        read.map(({ name, fileName, content }) => [name, fileName, content.toString()]),
        parts,
      )
    })
  }

  it('with every byte of a file', async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index * 7)
    const made = new FormData()
    made.append('file', new Blob([bytes]), 'a.p12')
    made.append('password', 'ü€')
    const sent = new Response(made)
    const type = sent.headers.get('content-type') ?? ''
    const [file, password] = readMultipart(Buffer.from(await sent.arrayBuffer()), type)
    assert.ok(file?.content.equals(bytes))
    assert.equal(password?.content.toString(), 'ü€')
  })
})

const refusals: readonly {
  readonly title: string
  readonly body: string
  readonly type?: string
  readonly says: RegExp
}[] = [
  { title: 'no boundary', body: 'x', type: 'multipart/form-data', says: /no boundary/ },
  { title: 'an empty boundary', body: 'x', type: 'multipart/form-data; boundary=""', says: /no boundary/ },
  {
    title: 'a boundary that is too long',
    body: 'x',
    type: `multipart/form-data; boundary=${'b'.repeat(201)}`,
    says: /no/,
  },
  { title: 'no part', body: 'x', says: /does not occur/ },
  { title: 'nothing', body: '', says: /does not occur/ },
  { title: 'too many parts', body: '--b\r\n\r\nx\r\n'.repeat(65), type: 'm/f; boundary=b', says: /more than 64 parts/ },
  {
    title: 'too many header lines',
    body: `--b\r\n${'Content-Type: a\r\n'.repeat(9)}\r\nx`,
    type: 'm/f; boundary=b',
    says: /too many header lines/,
  },
  {
    title: 'an encoding',
    body: '--b\r\nContent-Transfer-Encoding: base64\r\n\r\nTUlJ\r\n--b--',
    type: 'm/f; boundary=b',
    says: /"base64"/,
  },
]

describe('a form is refused with', () => {
  for (const { title, body, type, says } of refusals) {
    it(title, () => {
      assert.throws(
        () => readMultipart(Buffer.from(body), type ?? quoted),
        (error: unknown) => error instanceof ApiError && error.code === 'bad-multipart' && says.test(error.message),
      )
    })
  }

  it('a great many boundaries that are none, in little time', () => {
    const body = Buffer.from('--b\r\n\r\n' + '\n--bx'.repeat(400_000))
    const started = performance.now()
    assert.equal(readMultipart(body, 'm/f; boundary=b').length, 1)
    assert.ok(performance.now() - started < 2_000)
  })
})
