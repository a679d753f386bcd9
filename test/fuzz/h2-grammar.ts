import * as fc from 'fast-check'
import { type Field, hex, indexed, integer, literal } from '../wire-h2/blocks.ts'
import { type Form, ReferenceEncoder } from './hpack-reference.ts'
import { mutated } from './mutations.ts'

/** Field blocks as an encoder with every form of RFC 7541 writes them, and what is near to them. */

const forms: fc.Arbitrary<Form> = fc.record({
  kind: fc.constantFrom('indexed', 'incremental', 'incremental', 'without', 'never'),
  namedByIndex: fc.boolean(),
  coded: fc.boolean(),
})

const anyText = (most: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: most }).map((bytes) => Buffer.from(bytes).toString('latin1'))

const names = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.constantFrom(
      ...['accept', 'user-agent', 'cookie', 'x-a', 'x-b', 'content-type', 'te', 'host', 'expect', 'x-forwarded-for'],
      ...['set-cookie', 'etag', 'via', 'content-length', 'x-request-id'],
    ),
  },
  { weight: 4, arbitrary: fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,10}$/) },
  { weight: 1, arbitrary: anyText(6) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'proxy-connection', 'X-A', 'te ', ''],
      ...[':path', ':method', ':status', ':protocol', ':authority', ':scheme', ':unknown', ':'],
    ),
  },
)
const values = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[!-~]([ -~]{0,14}[!-~])?$/) },
  { weight: 3, arbitrary: fc.constantFrom('', 'trailers', '1', '5', 'a.test', '100-continue', 'gzip', '200') },
  { weight: 1, arbitrary: anyText(8) },
  { weight: 1, arbitrary: fc.nat(400).map((length) => 'v'.repeat(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 400, max: 2500 }).map((length) => 'u'.repeat(length)) },
  // With `x-a`, entries of 64, 128 and 256: they fill a table to the last byte.
  { weight: 2, arbitrary: fc.constantFrom(29, 93, 221).map((length) => 'w'.repeat(length)) },
)
const field: fc.Arbitrary<Field> = fc.tuple(names, values)

const usual = <T>(right: readonly T[], odd: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...odd) })

/** The pseudo-header fields of a request, mostly right. */
const requestStart: fc.Arbitrary<readonly Field[]> = fc
  .tuple(
    usual(['GET', 'POST', 'HEAD', 'OPTIONS'], ['CONNECT', '', 'G ET', 'get', 'M\x80']),
    usual(['https', 'http'], ['HTTP', 'ftp', '']),
    usual(['/', '/a?b=c', '/index.html'], ['', '*', 'a', '/a b', '/\x80', '//x', '/#f', 'http://a.test/']),
    usual(['a.test', 'a.test:443', '[::1]'], ['', 'u@a.test', 'a,b', 'a b', 'a/b']),
  )
  .map(([method, scheme, path, authority]) => [
    [':method', method],
    [':scheme', scheme],
    [':path', path],
    [':authority', authority],
  ])
const responseStart: fc.Arbitrary<readonly Field[]> = usual(
  ['200', '204', '304', '103', '404'],
  ['101', '099', '600', '20', '2000', ''],
).map((status) => [[':status', status]])

interface Part {
  readonly field: Field
  readonly form: Form
  readonly times: number
  /** Which entries of the dynamic table come next, by their index. */
  readonly recalled: readonly number[]
}

const parts = fc.array(
  fc.record<Part>({
    field,
    form: forms,
    times: fc.oneof({ weight: 30, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(3000) }),
    recalled: fc.array(fc.nat(200), { maxLength: 2 }),
  }),
  { maxLength: 12, size: 'max' },
)

const tableSizes = [0, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1024, 4095, 4096]

interface BlockPlan {
  readonly start: readonly Field[]
  readonly startForm: Form
  readonly parts: readonly Part[]
  /** -1: no size update. */
  readonly resize: number
  readonly last: Buffer
}

const blockPlan = (start: fc.Arbitrary<readonly Field[]>): fc.Arbitrary<BlockPlan> =>
  fc.record({
    start,
    startForm: forms,
    parts,
    resize: fc.oneof(
      { weight: 8, arbitrary: fc.constant(-1) },
      { weight: 1, arbitrary: fc.nat(5000) },
      { weight: 1, arbitrary: fc.constantFrom(...tableSizes) },
    ),
    last: fc.oneof(
      { weight: 60, arbitrary: fc.constant(Buffer.alloc(0)) },
      { weight: 2, arbitrary: fc.nat(90).map((index) => indexed(index)) },
      { weight: 2, arbitrary: fc.nat(90).map((index) => literal(['', 'v'], { index, form: 'incremental' })) },
      { weight: 1, arbitrary: fc.nat(6000).map((size) => integer(0x20, 5, size)) },
    ),
  })

/** Blocks of one connection, from one encoder, each mutated on its own. */
export function blocks(kind: 'request' | 'response'): fc.Arbitrary<readonly Buffer[]> {
  return fc
    .tuple(
      fc.array(blockPlan(kind === 'request' ? requestStart : responseStart), {
        minLength: 1,
        maxLength: 8,
        size: 'max',
      }),
      fc.constantFrom(4096, 4096, 200, 0),
    )
    .chain(([plans, tableBytes]) => {
      const encoder = new ReferenceEncoder(4096)
      const written = plans.map((plan, index) => encoded(encoder, plan, index === 0 ? tableBytes : -1))
      return fc.tuple(...written.map((bytes) => mutated(fc.constant(bytes), blockTokens, written, 2, 30)))
    })
}

/** Bytes that mean something in a field block. */
const blockTokens: readonly Buffer[] = [
  ...['00', '0f', '10', '1f', '20', '3f', '3fe11f', '40', '7f', '80', '82', '88', 'be', 'bf', 'ff', 'ffffffff0f'],
  ...[
    'ffffffffff7f',
    'ff808080808000',
    '7f808000',
    '40016101620a',
    '0001610162',
    '4001610a',
    '00013a0161',
    '87ffffffff',
  ],
  ...['0085ffffffffff0161', '0a', '0d', '00824141', '20', '3f00', 'c0', 'bebebebe', '508585', '0f0d0135'],
].map(hex)

function encoded(encoder: ReferenceEncoder, plan: BlockPlan, firstSize: number): Buffer {
  const { start, startForm, parts: list, resize, last } = plan
  const pieces: Buffer[] = []
  if (firstSize >= 0 && firstSize < 4096) pieces.push(encoder.resize(firstSize))
  if (resize >= 0) pieces.push(encoder.resize(Math.min(resize, 4096)))
  for (const each of start) pieces.push(encoder.field(each, startForm))
  for (const { field: each, form, times, recalled } of list) {
    // Said again and again by its index: a header bomb.
    pieces.push(encoder.field(each, form))
    for (let count = 1; count < times; count++) {
      const again = encoder.field(each, { ...form, kind: 'indexed' })
      if (again.length > 2) break
      pieces.push(again)
    }
    for (const choice of recalled) pieces.push(encoder.recalled(choice))
  }
  return Buffer.concat([...pieces, last])
}
