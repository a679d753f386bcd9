import * as fc from 'fast-check'
import { ApiError } from '../../src/admin/api.ts'
import { readMultipart } from '../../src/admin/edge/multipart.ts'
import { codeOf, messageOf } from '../../src/core/errors.ts'
import { readZip, writeZip } from '../../src/core/zip.ts'
import { readMaterial } from '../../src/trust/material.ts'
import { fixture } from '../trust/material-support.ts'
import { mutated } from './mutations.ts'
import { checker, Disagreement, type Target } from './target.ts'

const password = 'changeit'
const stores = ['openssl-legacy.p12', 'trust-java.p12', 'open.p12', 'key.jks', 'trust.jks'].map(fixture)
const whole = await Promise.all(stores.map((bytes) => readMaterial(bytes, { label: 'f', password })))
const known = new Set(whole.flatMap(({ certificates }) => certificates.map(({ sha256 }) => sha256)))
const keys = new Set(whole.map(({ key }) => key))
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const tags = [
  '3080',
  '2480',
  '0000',
  '30820000',
  '0480',
  'a080',
  'feedfeed',
  'cececece',
  '00000003',
  '7fffffff',
  '0201ff',
]

/** Key stores: every failure has a name, and nothing is read that the store did not hold, where its sum was checked. */
export const materialStores: Target = {
  name: 'material-stores',
  inputs: fc.record({
    parts: fc.tuple(mutated(fc.constantFrom(...stores), tags.map(hex), stores, 3, 1)),
    knob: fc.nat(1),
  }),
  start: () =>
    checker(async ({ parts: [bytes = Buffer.alloc(0)], knob }) => {
      const checked = knob === 1
      try {
        const { certificates, key } = await readMaterial(bytes, { label: 'f', ...(checked ? { password } : {}) })
        const sealed = checked && bytes.subarray(0, 4).equals(hex('feedfeed'))
        if (sealed && !certificates.every(({ sha256 }) => known.has(sha256)))
          throw new Disagreement('a certificate that was not in the store')
        if (!keys.has(key)) throw new Disagreement('a key that was not in the store')
        return key === null ? 'certificates' : 'certificates and a key'
      } catch (error) {
        const code = codeOf(error)
        if (!/^(?:material|zip)-/.test(code)) throw error
        if (messageOf(error).includes(password)) throw new Disagreement('the password is told')
        return code
      }
    }),
}

const zips = await Promise.all([
  writeZip([
    ['META-INF/descriptor.properties', Buffer.from('certFile=c\n')],
    ['c', Buffer.from('x'.repeat(300))],
  ]),
  writeZip([['a/b/c.xml', Buffer.from('<a/>')]]),
])
const zipTokens = ['504b0304', '504b0102', '504b0506', '504b0607', 'ffffffff', '2e2e2f', '5c', '0000', '01000800'].map(
  hex,
)

/** Zips: a named refusal, or files with names that stay below the root. */
export const zipFiles: Target = {
  name: 'zip-files',
  inputs: fc.record({
    parts: fc.tuple(mutated(fc.constantFrom(...zips), zipTokens, zips, 4, 1)),
    knob: fc.constant(0),
  }),
  start: () =>
    checker(async ({ parts: [bytes = Buffer.alloc(0)] }) => {
      try {
        const files = await readZip(bytes, { total: 10_000 })
        let total = 0
        for (const [name, content] of files) {
          total += content.length
          if (/^\/|^[A-Za-z]:|\\|(?:^|\/)\.{0,2}(?:\/|$)|\p{Cc}/u.test(name))
            throw new Disagreement('an unsafe name', name)
        }
        if (total > 10_000) throw new Disagreement('more than was allowed')
        return 'read'
      } catch (error) {
        const code = codeOf(error)
        if (!code.startsWith('zip-')) throw error
        return code
      }
    }),
}

const boundary = 'YYYb'
const type = `multipart/form-data; boundary="${boundary}"`
const clean = (bytes: Buffer): boolean => !bytes.includes(`--${boundary}`)
const formTokens = [
  '\r\n',
  '\n',
  '--',
  `--${boundary}`,
  `\r\n--${boundary}\r\n`,
  'Content-Disposition:',
  '; name="',
  ': ',
].map((token) => Buffer.from(token))
const names = ['certFile', 'keyFile', 'password', 'a"b']

/** Forms: what was written well comes back; what was not is refused by name, or is some of its bytes. */
export const forms: Target = {
  name: 'multipart-forms',
  inputs: fc.record({
    parts: fc.array(mutated(fc.constantFrom(...formTokens, fixture('open.p12')), formTokens, formTokens), {
      minLength: 1,
      maxLength: 5,
    }),
    knob: fc.nat(255),
  }),
  start: () =>
    checker(({ parts, knob }) => {
      const isClosed = (knob & 1) === 0
      const body = Buffer.concat([
        ...parts.flatMap((content, index) => [
          Buffer.from(
            `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(names[index % 4] as string)}"\r\n\r\n`,
          ),
          content,
          Buffer.from('\r\n'),
        ]),
        Buffer.from(`--${boundary}${isClosed ? '--' : ''}\r\n`),
      ])
      let read: ReturnType<typeof readMultipart>
      try {
        read = readMultipart(body, type)
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'bad-multipart') throw error
        if (parts.every(clean)) throw new Disagreement('a good form is refused')
        return 'refused'
      }
      if (!read.every(({ content }) => body.includes(content))) throw new Disagreement('bytes that were not sent')
      if (!parts.every(clean)) return 'read, with boundaries inside'
      const same =
        read.length === parts.length && read.every(({ content }, index) => content.equals(parts[index] as Buffer))
      if (!same) throw new Disagreement('another content')
      if (read.some(({ name }, index) => name !== names[index % 4])) throw new Disagreement('another name')
      return 'read'
    }),
}

const escaped = (name: string): string => name.replaceAll('"', '\\"')
