import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { badHuffman, decodeHuffman, huffmanCodes, huffmanOverflow } from '../../src/wire/h2/huffman.ts'
import { seededRandom } from '../support/random.ts'
import { bitsOf, hex, huffman } from './blocks.ts'

const out = Buffer.alloc(70_000)

function decoded(bytes: Buffer, limit = out.length): string | number {
  // Bytes on both sides that must not matter.
  const within = Buffer.concat([Buffer.from([0x55]), bytes, Buffer.from([0x55])])
  const end = decodeHuffman(within, 1, within.length - 1, out, 0, limit)
  return end < 0 ? end : out.toString('latin1', 0, end)
}

function codeOf(symbol: number): string {
  const [code, bits] = huffmanCodes()[symbol] as readonly [number, number]
  return code.toString(2).padStart(bits, '0')
}

describe('Huffman', () => {
  it('the code is complete, free of prefixes, and has the codes that RFC 7541 appendix B shows', () => {
    const codes = Array.from({ length: 257 }, (_, symbol) => codeOf(symbol))
    assert.equal(new Set(codes).size, 257)
    assert.equal(
      codes.reduce((sum, code) => sum + 2 ** (30 - code.length), 0),
      2 ** 30,
    )
    const shown: readonly (readonly [number, string])[] = [
      [0, '1111111111000'],
      [10, '111111111111111111111111111100'],
      [48, '00000'],
      [97, '00011'],
      [90, '11111101'],
      [92, '1111111111111110000'],
      [249, '1111111111111111111111111110'],
      [255, '11111111111111111111101110'],
      [256, '111111111111111111111111111111'],
    ]
    for (const [symbol, code] of shown) assert.equal(codeOf(symbol), code)
  })

  it('takes every symbol, alone and after each of a few others', () => {
    for (let symbol = 0; symbol < 256; symbol++) {
      const char = String.fromCharCode(symbol)
      for (const before of ['', '0', 'a-', 'Zz', '\\', '\n\x16']) {
        assert.equal(decoded(huffman(before + char)), before + char, `${symbol}`)
      }
    }
  })

  it('takes random strings of any bytes', () => {
    const random = seededRandom(7541)
    for (let round = 0; round < 2000; round++) {
      const text = Array.from({ length: random.below(60) }, () => String.fromCharCode(random.below(256))).join('')
      assert.equal(decoded(huffman(text)), text)
    }
  })

  it('takes padding of 0 to 7 ones', () => {
    for (const text of ['&', 'aaaaaaaa', 'a', '0 ', 'a0a', 'aA', 'a:a', '::']) {
      assert.equal(decoded(huffman(text)), text)
    }
    assert.equal(decoded(Buffer.alloc(0)), '')
  })

  it('refuses padding of more than 7 bits', () => {
    assert.equal(decoded(hex('ff')), badHuffman)
    assert.equal(decoded(Buffer.concat([huffman('a'), hex('ff')])), badHuffman)
    assert.equal(decoded(Buffer.concat([huffman('&'), hex('ff')])), badHuffman)
    assert.equal(decoded(hex('ffff')), badHuffman)
  })

  it('refuses padding that is not all ones', () => {
    const a = codeOf(0x61)
    for (const padding of ['000', '110', '011', '101']) assert.equal(decoded(bitsOf(a + padding)), badHuffman, padding)
    assert.equal(decoded(bitsOf(`${a}111`)), 'a')
  })

  it('refuses EOS, at the end and in the middle', () => {
    const eos = codeOf(256)
    assert.equal(decoded(bitsOf(`${eos}11`)), badHuffman)
    assert.equal(decoded(bitsOf(`${codeOf(0x61)}${eos}11111`)), badHuffman)
    assert.equal(decoded(bitsOf(`${eos}${codeOf(0x61)}11111`)), badHuffman)
  })

  it('says when the text does not fit, to the byte', () => {
    assert.equal(decoded(huffman('abcd'), 4), 'abcd')
    assert.equal(decoded(huffman('abcd'), 3), huffmanOverflow)
    assert.equal(decoded(huffman('a'), 0), huffmanOverflow)
    assert.equal(decoded(huffman(''), 0), '')
  })
})
