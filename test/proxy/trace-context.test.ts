import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { parseTraceParent, parseTraceState, traceParentText } from '../../src/proxy/trace-context.ts'
import { TraceIds } from '../../src/proxy/trace-ids.ts'

/* traceparent and tracestate by W3C Trace Context, Level 1 and Level 2. */

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const good = `00-${traceId}-${spanId}-01`

describe('a traceparent', () => {
  const table: readonly (readonly [what: string, value: string, flags: number | null])[] = [
    ['of version 00', good, 1],
    ['without the sampled flag', `00-${traceId}-${spanId}-00`, 0],
    ['with the random flag of Level 2', `00-${traceId}-${spanId}-03`, 3],
    ['with flags that nobody knows', `00-${traceId}-${spanId}-fd`, 1],
    ['of a later version, no longer', `cc-${traceId}-${spanId}-01`, 1],
    ['of a later version, with more behind a dash', `cc-${traceId}-${spanId}-01-what-the-future-holds`, 1],
    ['of a later version, with a dash alone', `01-${traceId}-${spanId}-01-`, 1],
    ['of a later version, with more and no dash', `cc-${traceId}-${spanId}-01.more`, null],
    ['of version 00, with more', `${good}-more`, null],
    ['of version 00, with a dash alone', `${good}-`, null],
    ['of version ff', `ff-${traceId}-${spanId}-01`, null],
    ['with a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`, null],
    ['with a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`, null],
    ['with a capital letter', `00-${traceId.toUpperCase()}-${spanId}-01`, null],
    ['with a capital in its version', `CC-${traceId}-${spanId}-01`, null],
    ['with a capital in its flags', `00-${traceId}-${spanId}-0A`, null],
    ['with a short trace', `00-${traceId.slice(1)}-${spanId}-01`, null],
    ['with a long span', `00-${traceId}-${spanId}0-01`, null],
    ['with one digit of flags', `00-${traceId}-${spanId}-1`, null],
    ['with one digit of version', `0-${traceId}-${spanId}-01`, null],
    ['with what is no digit', `00-${traceId.replace('4', 'g')}-${spanId}-01`, null],
    ['with other separators', good.replaceAll('-', '_'), null],
    ['with two of them', `${good},${good}`, null],
    ['with space inside', good.replace('-', ' -'), null],
    ['of nothing', '', null],
  ]
  for (const [what, value, flags] of table) {
    it(`${what} is ${flags === null ? 'none' : 'one'}`, () => {
      assert.deepEqual(parseTraceParent(value), flags === null ? null : { traceId, parentId: spanId, flags })
    })
  }

  const hexOf = (length: number): fc.Arbitrary<string> =>
    fc
      .array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: length, maxLength: length })
      .map((digits) => digits.join(''))

  it('that was written can be read', () => {
    fc.assert(
      fc.property(hexOf(32), hexOf(16), fc.integer({ min: 0, max: 3 }), (trace, span, flags) => {
        const parent = { traceId: trace, parentId: span, flags }
        const zero = /^0+$/.test(trace) || /^0+$/.test(span)
        assert.deepEqual(parseTraceParent(traceParentText(parent)), zero ? null : parent)
      }),
    )
  })

  it('is read from nothing but its own form, whatever comes', () => {
    const near = fc
      .tuple(fc.constant(good), fc.nat(good.length), fc.nat(3), fc.string({ maxLength: 3 }))
      .map(([text, at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          near,
          fc.tuple(near, near).map((both) => both.join(',')),
        ),
        (text) => {
          const parsed = parseTraceParent(text)
          // Said another way than the parser says it.
          const parts = text.split('-')
          const [version = '', trace = '', span = '', flags = ''] = parts
          const isHex = (part: string, length: number): boolean => part.length === length && /^[0-9a-f]*$/.test(part)
          const valid =
            isHex(version, 2) &&
            version !== 'ff' &&
            isHex(trace, 32) &&
            isHex(span, 16) &&
            isHex(flags, 2) &&
            Number.parseInt(trace, 16) > 0 &&
            Number.parseInt(span, 16) > 0 &&
            (version !== '00' || parts.length === 4)
          assert.equal(parsed !== null, valid, text)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('a tracestate', () => {
  const table: readonly (readonly [what: string, lines: readonly string[], kept: string])[] = [
    ['is kept as it is', ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'], 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    ['of several lines is one, in their order', ['a=1', 'b=2,c=3'], 'a=1,b=2,c=3'],
    ['may have space around its members', ['a=1 , \tb=2\t,c=3'], 'a=1,b=2,c=3'],
    ['may have empty members', ['a=1,,b=2,', ' '], 'a=1,b=2'],
    ['has tenants and what else a key may hold', ['t1@sys=1,a_-*/b=2,0num=3'], 't1@sys=1,a_-*/b=2,0num=3'],
    ['has values of all that is visible', ['a=!"#$%&()*+-./:;<>?@[]^_`{|}~ x'], 'a=!"#$%&()*+-./:;<>?@[]^_`{|}~ x'],
    ['loses members whose key is none', ['A=1,b=2,=3,_c=4,d e=5'], 'b=2'],
    ['loses members whose value is none', ['a=,b,c==,d=x=y,e=ü,f=1'], 'f=1'],
    ['loses what comes a second time', ['a=1,b=2,a=3'], 'a=1,b=2'],
    ['loses long keys and long values', [`${'k'.repeat(257)}=1,v=${'x'.repeat(257)},ok=1`], 'ok=1'],
    ['of nothing is none', ['', ' ,, '], ''],
  ]
  for (const [what, lines, kept] of table) it(what, () => assert.equal(parseTraceState(lines), kept))

  it('keeps 32 members', () => {
    const members = Array.from({ length: 40 }, (_, n) => `k${n}=${n}`)
    assert.equal(parseTraceState([members.join(',')]), members.slice(0, 32).join(','))
  })

  it('of more than 512 characters loses the long members first, and then the last', () => {
    const long = `long=${'x'.repeat(150)}`
    const short = Array.from({ length: 10 }, (_, n) => `s${n}=${'y'.repeat(50)}`)
    assert.equal(parseTraceState([[short[0], long, ...short.slice(1)].join(',')]), short.slice(0, 9).join(','))
    assert.equal(parseTraceState([[long, ...short.slice(0, 5)].join(',')]), [long, ...short.slice(0, 5)].join(','))
  })

  it('that was kept stays as it is, and within its bounds, whatever comes', () => {
    const key = fc.stringMatching(/^[a-z0-9][a-z0-9_\-*/@]{0,20}$/)
    const value = fc.stringMatching(/^[!-+\--<>-~]{1,200}$/)
    const member = fc.oneof(
      fc.tuple(key, value).map(([name, text]) => `${name}=${text}`),
      fc.string(),
    )
    fc.assert(
      fc.property(
        fc.array(
          fc.array(member, { maxLength: 20 }).map((all) => all.join(',')),
          { maxLength: 4 },
        ),
        (lines) => {
          const kept = parseTraceState(lines)
          assert.ok(kept.length <= 512)
          assert.ok(kept.split(',').length <= 32)
          assert.equal(parseTraceState([kept]), kept)
        },
      ),
    )
  })
})

describe('ids', () => {
  it('have their lengths, and do not come again', () => {
    const ids = new TraceIds()
    const spans = Array.from({ length: 20_000 }, () => ids.spanId())
    assert.ok(spans.every((id) => /^[0-9a-f]{16}$/.test(id) && !/^0+$/.test(id)))
    assert.equal(new Set(spans).size, spans.length)
    assert.match(ids.traceId(), /^[0-9a-f]{32}$/)
  })

  it('of two workers are not the same, and are spread over all digits', () => {
    const [one, two] = [new TraceIds(), new TraceIds()]
    const all = Array.from({ length: 2000 }, () => [one.traceId(), two.traceId()]).flat()
    assert.equal(new Set(all).size, all.length)
    for (let at = 0; at < 32; at++) assert.equal(new Set(all.map((id) => id[at])).size, 16)
  })

  it('are never all zero, whatever the seed', () => {
    const ids = new TraceIds(Buffer.alloc(12))
    for (let n = 0; n < 1000; n++) assert.doesNotMatch(ids.spanId(), /^0+$/)
  })
})
