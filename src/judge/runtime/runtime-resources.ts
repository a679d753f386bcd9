import {
  type Ber,
  BerError,
  bitsOf,
  contextClass,
  elementsOf,
  explicitOf,
  Fields,
  integerOf,
  sequenceOf,
  stringOf,
} from './ber.ts'

/** From and to, both included. */
type Range = readonly [bigint, bigint]

/** Addresses or autonomous systems (RFC 3779) by family; `issuer`: whatever the issuer has. */
export interface RuntimeResources {
  readonly families: ReadonlyMap<string, readonly Range[] | 'issuer'>
  /** In the one order and form that the standard allows. */
  readonly canonical: boolean
}

/** Of a certificate that has no such extension. */
const noResources: RuntimeResources = { families: new Map(), canonical: true }

// RFC 3779 section 2.2.3.
export function readAddressBlocks(value: Buffer): RuntimeResources {
  const families = new Map<string, readonly Range[] | 'issuer'>()
  let canonical = true
  let before = ''
  for (const element of elementsOf(sequenceOf(value))) {
    const fields = new Fields(element)
    const family = stringOf(ofTag(fields.next(), 0x04)).toString('hex')
    const choice = fields.next()
    fields.finish()
    const octets = family.startsWith('0002') ? 16 : 4
    const ranges = readChoice(choice, (it) => readAddresses(it, octets))
    canonical &&= (before === '' || before < family) && areCanonical(ranges)
    families.set(family, rangesOf(ranges))
    before = family
  }
  return { families, canonical }
}

// RFC 3779 section 3.2.3. The families are the numbers themselves and the routing domain identifiers.
export function readAutonomousSystems(value: Buffer): RuntimeResources {
  const families = new Map<string, readonly Range[] | 'issuer'>()
  let canonical = true
  const fields = new Fields(sequenceOf(value))
  for (const tag of [contextClass, contextClass | 1]) {
    const list = fields.optional(tag)
    if (list === null) continue
    const ranges = readChoice(explicitOf(list), readNumbers)
    canonical &&= areCanonical(ranges)
    families.set(String(tag), rangesOf(ranges))
  }
  fields.finish()
  return { families, canonical }
}

/**
 * Places of a chain where the leaf's resources are not within those of the CA, or are not written as they must be. OpenSSL
 * asks nothing of a leaf that claims none. Ends early where `afford` does not grant the comparisons (I10).
 */
export function resourceErrors(
  chain: readonly (RuntimeResources | null)[],
  afford: (comparisons: number) => boolean,
): { readonly error: 'UNNESTED_RESOURCE' | 'INVALID_EXTENSION'; readonly at: number }[] {
  const [leaf, ...above] = chain
  if (leaf === null || leaf === undefined) return []
  const errors: ReturnType<typeof resourceErrors> = []
  if (!leaf.canonical) errors.push({ error: 'INVALID_EXTENSION', at: 0 })
  const wanted = new Map(leaf.families)
  for (const [index, resources] of above.entries()) {
    const { families, canonical } = resources ?? noResources
    if (!canonical) errors.push({ error: 'INVALID_EXTENSION', at: index + 1 })
    for (const [family, ranges] of wanted) {
      const allowed = families.get(family)
      if (allowed === 'issuer' || (allowed === undefined && ranges === 'issuer')) continue
      if (allowed !== undefined && ranges !== 'issuer' && !afford(ranges.length + allowed.length)) return errors
      if (allowed !== undefined && (ranges === 'issuer' || isWithin(ranges, allowed))) wanted.set(family, allowed)
      else errors.push({ error: 'UNNESTED_RESOURCE', at: index + 1 })
    }
  }
  // There is nobody above the end of the path to inherit from.
  const end = chain.at(-1)?.families ?? noResources.families
  if ([...end].some(([family, ranges]) => ranges === 'issuer' && wanted.has(family))) {
    errors.push({ error: 'UNNESTED_RESOURCE', at: chain.length - 1 })
  }
  return errors
}

interface WrittenRange {
  readonly range: Range
  /** Written as two ends although there is a shorter form. */
  readonly wordy: boolean
}

function readChoice(choice: Ber, read: (element: Ber) => WrittenRange): readonly WrittenRange[] | 'issuer' {
  return choice.tag === 0x05 ? 'issuer' : elementsOf(ofTag(choice, 0x10)).map(read)
}

const rangesOf = (written: readonly WrittenRange[] | 'issuer'): readonly Range[] | 'issuer' =>
  written === 'issuer' ? written : written.map(({ range }) => range)

function readAddresses(element: Ber, octets: number): WrittenRange {
  if (element.tag === 0x03) return { range: [fill(element, octets, 0), fill(element, octets, 0xff)], wordy: false }
  const [least, most] = pairOf(element, 0x03)
  const range: Range = [fill(least, octets, 0), fill(most, octets, 0xff)]
  // A prefix: from all zeros to all ones behind a common beginning.
  const varying = range[0] ^ range[1]
  const prefix = (varying & (varying + 1n)) === 0n && (range[0] & varying) === 0n
  return { range, wordy: prefix }
}

/** The address that the bits are the beginning of. */
function fill(element: Ber, octets: number, byte: 0 | 0xff): bigint {
  const bits = bitsOf(element)
  if (bits.length > octets) throw new BerError('an address too long')
  const unused = stringOf(element)[0] ?? 0
  const filled = Buffer.concat([bits, Buffer.alloc(octets - bits.length, byte)])
  if (byte !== 0 && bits.length > 0) filled[bits.length - 1] = (bits.at(-1) as number) | (0xff >> (8 - unused))
  return BigInt(`0x${filled.toString('hex')}`)
}

function readNumbers(element: Ber): WrittenRange {
  if (element.tag === 0x02) {
    const number = integerOf(element)
    return { range: [number, number], wordy: false }
  }
  const [least, most] = pairOf(element, 0x02)
  return { range: [integerOf(least), integerOf(most)], wordy: false }
}

function pairOf(element: Ber, tag: number): [Ber, Ber] {
  const fields = new Fields(ofTag(element, 0x10))
  const pair: [Ber, Ber] = [ofTag(fields.next(), tag), ofTag(fields.next(), tag)]
  fields.finish()
  return pair
}

/** Rising, neither touching nor overlapping, each in its shortest form, and not none at all. */
function areCanonical(written: readonly WrittenRange[] | 'issuer'): boolean {
  if (written === 'issuer') return true
  return (
    written.length > 0 &&
    written.every(({ range: [from, to], wordy }, index) => {
      const next = written[index + 1]?.range
      return !wordy && from <= to && (next === undefined || to + 1n < next[0])
    })
  )
}

/** Whether each range is within one of the others. Neither need be in order: what is not canonical is looked at all the same. */
function isWithin(inner: readonly Range[], outer: readonly Range[]): boolean {
  const rising = inOrder(outer)
  let next = 0
  // Of all that begin no later than the range in question, the one that ends last holds it if any does.
  let end: bigint | null = null
  return inOrder(inner).every(([from, to]) => {
    for (let range = rising[next]; range !== undefined && range[0] <= from; range = rising[++next]) {
      if (end === null || end < range[1]) end = range[1]
    }
    return end !== null && to <= end
  })
}

const inOrder = (ranges: readonly Range[]): readonly Range[] =>
  ranges.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))

function ofTag(element: Ber, tag: number): Ber {
  if (element.tag !== tag) throw new BerError(`tag ${element.tag} instead of ${tag}`)
  return element
}
