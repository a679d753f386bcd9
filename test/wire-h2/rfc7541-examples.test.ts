import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { integer as lastInteger, readInteger } from '../../src/wire/h2/hpack-strings.ts'
import { type Field, hex, integer } from './blocks.ts'

interface Example {
  readonly name: string
  readonly tableBytes?: number
  readonly steps: readonly {
    readonly block: string
    readonly fields: readonly Field[]
    /** Counted size and entries of the dynamic table afterwards. */
    readonly table: readonly [size: number, count: number]
  }[]
}

const get: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
]
const custom: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
]
const date = 'Mon, 21 Oct 2013 20:13:21 GMT'
const found = (status: string): readonly Field[] => [
  [':status', status],
  ['cache-control', 'private'],
  ['date', date],
  ['location', 'https://www.example.com'],
]
const cookie: readonly Field[] = [
  [':status', '200'],
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  ['location', 'https://www.example.com'],
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
]

const examples: readonly Example[] = [
  {
    name: 'C.2.1 literal with indexing',
    steps: [
      {
        block: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: [['custom-key', 'custom-header']],
        table: [55, 1],
      },
    ],
  },
  {
    name: 'C.2.2 literal without indexing',
    steps: [{ block: '040c 2f73 616d 706c 652f 7061 7468', fields: [[':path', '/sample/path']], table: [0, 0] }],
  },
  {
    name: 'C.2.3 literal never indexed',
    steps: [{ block: '1008 7061 7373 776f 7264 0673 6563 7265 74', fields: [['password', 'secret']], table: [0, 0] }],
  },
  { name: 'C.2.4 indexed', steps: [{ block: '82', fields: [[':method', 'GET']], table: [0, 0] }] },
  {
    name: 'C.3 requests without Huffman',
    steps: [
      { block: '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', fields: get, table: [57, 1] },
      { block: '8286 84be 5808 6e6f 2d63 6163 6865', fields: [...get, ['cache-control', 'no-cache']], table: [110, 2] },
      {
        block: '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
        fields: custom,
        table: [164, 3],
      },
    ],
  },
  {
    name: 'C.4 requests with Huffman',
    steps: [
      { block: '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', fields: get, table: [57, 1] },
      { block: '8286 84be 5886 a8eb 1064 9cbf', fields: [...get, ['cache-control', 'no-cache']], table: [110, 2] },
      { block: '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', fields: custom, table: [164, 3] },
    ],
  },
  {
    name: 'C.5 responses without Huffman, a table of 256 bytes',
    tableBytes: 256,
    steps: [
      {
        block:
          '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120' +
          '474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        fields: found('302'),
        table: [222, 4],
      },
      { block: '4803 3330 37c1 c0bf', fields: found('307'), table: [222, 4] },
      {
        block:
          '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738' +
          '666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33' +
          '3630 303b 2076 6572 7369 6f6e 3d31',
        fields: cookie,
        table: [215, 3],
      },
    ],
  },
  {
    name: 'C.6 responses with Huffman, a table of 256 bytes',
    tableBytes: 256,
    steps: [
      {
        block:
          '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718' +
          '63c7 8f0b 97c8 e9ae 82ae 43d3',
        fields: found('302'),
        table: [222, 4],
      },
      { block: '4883 640e ffc1 c0bf', fields: found('307'), table: [222, 4] },
      {
        block:
          '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7' +
          'b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
        fields: cookie,
        table: [215, 3],
      },
    ],
  },
]

describe('RFC 7541 appendix C', () => {
  for (const [name, bits, value, bytes] of [
    ['C.1.1: 10 in 5 bits', 5, 10, '0a'],
    ['C.1.2: 1337 in 5 bits', 5, 1337, '1f9a0a'],
    ['C.1.3: 42 in 8 bits', 8, 42, '2a'],
  ] as const) {
    it(name, () => {
      const buf = hex(bytes)
      const prefix = 2 ** bits - 1
      assert.equal(readInteger(buf, 1, buf.length, prefix, (buf[0] as number) & prefix), buf.length)
      assert.equal(lastInteger, value)
      assert.deepEqual(integer(0, bits, value), buf, "the tests' own encoder agrees")
    })
  }

  for (const { name, tableBytes = 4096, steps } of examples) {
    it(name, () => {
      const decoder = new HpackDecoder({ tableBytes, listBytes: 65_536, fieldCount: 100 })
      for (const { block, fields, table } of steps) {
        const buf = hex(block)
        assert.deepEqual(decodeFields(decoder, buf, 0, buf.length), fields.flat())
        assert.deepEqual([decoder.table.size, decoder.table.count], table)
      }
    })
  }
})
