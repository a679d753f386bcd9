import { huffmanLengths } from './hpack-tables.ts'

/** Returned by `decodeHuffman`: EOS, or padding that is over 7 bits or not all ones (RFC 7541 section 5.2). */
export const badHuffman = -1
/** Returned by `decodeHuffman`: the text does not fit. */
export const huffmanOverflow = -2

const emits = 0x1_0000
const fails = 0x2_0000

/**
 * The state table: a state is an inner node of the code tree, the input four bits. An entry is the symbol (bits 0-7), the
 * next state (8-15), and whether a symbol was completed or EOS met. 16 KiB, so it stays in the first-level cache, which
 * the table for whole bytes would not. No code is shorter than five bits: a step completes one symbol at most.
 */
const { steps, accepts } = compiled()

/**
 * Decodes buf[start, end) to out[at, limit).
 *
 * @returns the offset after the text, `badHuffman` or `huffmanOverflow`
 */
export function decodeHuffman(
  buf: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  limit: number,
): number {
  let state = 0
  let write = at
  for (let read = start; read < end; read++) {
    const byte = buf[read] as number
    const high = steps[(state << 4) | (byte >> 4)] as number
    if (high >= emits) {
      if (high >= fails) return badHuffman
      if (write === limit) return huffmanOverflow
      out[write++] = high & 0xff
    }
    const low = steps[((high >> 4) & 0xff0) | (byte & 0xf)] as number
    if (low >= emits) {
      if (low >= fails) return badHuffman
      if (write === limit) return huffmanOverflow
      out[write++] = low & 0xff
    }
    state = (low >> 8) & 0xff
  }
  return accepts[state] === 1 ? write : badHuffman
}

/** The code of each symbol, EOS (256) included, as [code, bits]. */
export function huffmanCodes(): readonly (readonly [code: number, bits: number])[] {
  const lengths = [...huffmanLengths, 30]
  const order = lengths.map((bits, symbol) => ({ bits, symbol })).sort((a, b) => a.bits - b.bits || a.symbol - b.symbol)
  const codes: [number, number][] = []
  let code = 0
  let previous = 5
  for (const { bits, symbol } of order) {
    code <<= bits - previous
    previous = bits
    codes[symbol] = [code++, bits]
  }
  return codes
}

function compiled(): { readonly steps: Uint32Array; readonly accepts: Uint8Array } {
  // children[2 * node + bit]: a node, or a leaf as -1 - symbol. 257 leaves make 256 inner nodes: a state fits in a byte.
  const children: number[] = [0, 0]
  const depths: number[] = [0]
  huffmanCodes().forEach(([code, bits], symbol) => {
    let node = 0
    for (let bit = bits - 1; bit > 0; bit--) {
      const branch = 2 * node + ((code >> bit) & 1)
      if (children[branch] === 0) {
        children[branch] = depths.length
        depths.push((depths[node] as number) + 1)
        children.push(0, 0)
      }
      node = children[branch] as number
    }
    children[2 * node + (code & 1)] = -1 - symbol
  })

  const steps = new Uint32Array(depths.length * 16)
  for (let state = 0; state < depths.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state
      let flags = 0
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[2 * node + ((nibble >> bit) & 1)] as number
        if (child < 0) {
          const symbol = -1 - child
          flags |= symbol === 256 ? fails : emits | symbol
          node = 0
        } else {
          node = child
        }
      }
      steps[state * 16 + nibble] = flags | (node << 8)
    }
  }

  // A string may end where fewer than 8 bits, all of them ones, follow the last symbol: the first of EOS's own path.
  const accepts = new Uint8Array(depths.length)
  for (let node = 0, depth = 0; depth <= 7; depth++) {
    accepts[node] = 1
    node = children[2 * node + 1] as number
  }
  return { steps, accepts }
}
