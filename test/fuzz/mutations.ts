import * as fc from 'fast-check'

/** A change to bytes at a place given as a share of their length, so that shrinking the bytes keeps it in range. */
interface Mutation {
  readonly kind: 'insert' | 'replace' | 'delete' | 'repeat' | 'flip' | 'splice' | 'cut'
  /** 0 to 65535: the share of the length. */
  readonly at: number
  readonly length: number
  readonly bytes: Buffer
}

const kinds: readonly Mutation['kind'][] = ['insert', 'replace', 'delete', 'repeat', 'flip', 'splice', 'cut']

/**
 * `base` after up to `most` changes of the kind that find a parser's blind spots; often after none.
 *
 * @param untouched of `untouched` + 3 inputs, how many stay as they are
 * @param tokens bytes that mean something to one reader or another
 */
export function mutated(
  base: fc.Arbitrary<Buffer>,
  tokens: readonly Buffer[],
  corpus: readonly Buffer[],
  most = 3,
  untouched = 2,
): fc.Arbitrary<Buffer> {
  const mutation: fc.Arbitrary<Mutation> = fc.record({
    kind: fc.constantFrom(...kinds),
    at: fc.nat(65_535),
    length: fc.nat(16),
    bytes: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...tokens) },
      { weight: 2, arbitrary: fc.nat(255).map((byte) => Buffer.from([byte])) },
      { weight: 1, arbitrary: fc.constantFrom(...corpus) },
    ),
  })
  const changes = fc.oneof(
    { weight: untouched, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(mutation, { minLength: 1, maxLength: most, size: 'max' }) },
  )
  return fc.tuple(base, changes).map(([bytes, list]) => list.reduce(apply, bytes))
}

function apply(bytes: Buffer, { kind, at: share, length, bytes: other }: Mutation): Buffer {
  const at = Math.floor((share / 65_536) * (bytes.length + 1))
  const to = Math.min(bytes.length, at + length)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (kind) {
    case 'insert':
      return Buffer.concat([before, other, after])
    case 'replace':
      return Buffer.concat([before, other, bytes.subarray(Math.min(bytes.length, at + other.length))])
    case 'delete':
      return Buffer.concat([before, bytes.subarray(to)])
    case 'repeat':
      return Buffer.concat([bytes.subarray(0, to), after])
    case 'flip': {
      const flipped = Buffer.from(bytes)
      if (at < flipped.length) flipped[at] = (flipped[at] as number) ^ (1 << (length & 7))
      return flipped
    }
    case 'splice':
      return Buffer.concat([before, other.subarray(Math.min(other.length, length))])
    default:
      return Buffer.from(before)
  }
}
