/** Sets of code points as functions: small to write down, and no table of Unicode is needed to negate one. */
export type CharSet = (codePoint: number) => boolean

/** Letter case counts for ASCII alone unless `u` is set, as in java.util.regex.Pattern. */
export interface CaseFlags {
  readonly i: boolean
  readonly u: boolean
}

export function range(from: number, to: number, flags: CaseFlags): CharSet {
  const plain: CharSet = from === to ? (cp) => cp === from : (cp) => cp >= from && cp <= to
  if (!flags.i) return plain
  return flags.u
    ? (cp) => plain(cp) || plain(folded(cp, 'toLowerCase')) || plain(folded(cp, 'toUpperCase'))
    : (cp) => plain(cp) || (isLower(cp) && plain(cp - 32)) || (isUpper(cp) && plain(cp + 32))
}

export const union = (sets: readonly CharSet[]): CharSet => {
  const [only] = sets
  return sets.length === 1 && only !== undefined ? only : (cp) => sets.some((has) => has(cp))
}
export const intersection =
  (sets: readonly CharSet[]): CharSet =>
  (cp) =>
    sets.every((has) => has(cp))
export const not =
  (set: CharSet): CharSet =>
  (cp) =>
    !set(cp)

const isLower: CharSet = (cp) => cp >= 0x61 && cp <= 0x7a
const isUpper: CharSet = (cp) => cp >= 0x41 && cp <= 0x5a
const isDigit: CharSet = (cp) => cp >= 0x30 && cp <= 0x39
export const isWord: CharSet = (cp) => isLower(cp) || isUpper(cp) || isDigit(cp) || cp === 0x5f
const isSpace: CharSet = (cp) => cp === 0x20 || (cp >= 0x09 && cp <= 0x0d)
const isHorizontal = oneOf(0x09, 0x20, 0xa0, 0x1680, 0x180e, 0x202f, 0x205f, 0x3000)
const isVertical: CharSet = (cp) => (cp >= 0x0a && cp <= 0x0d) || cp === 0x85 || cp === 0x2028 || cp === 0x2029

/** What `.` leaves out, and `$` stands before. */
export const isLineEnd = oneOf(0x0a, 0x0d, 0x85, 0x2028, 0x2029)

export const anything: CharSet = () => true

/** `\d` and its like, by letter. */
export const escapeSets: ReadonlyMap<string, CharSet> = new Map<string, CharSet>([
  ['d', isDigit],
  ['s', isSpace],
  ['w', isWord],
  ['h', (cp) => isHorizontal(cp) || (cp >= 0x2000 && cp <= 0x200a)],
  ['v', isVertical],
])

const isGraph: CharSet = (cp) => cp >= 0x21 && cp <= 0x7e

/** POSIX classes, ASCII alone. */
const posix: ReadonlyMap<string, CharSet> = new Map<string, CharSet>([
  ['Lower', isLower],
  ['Upper', isUpper],
  ['ASCII', (cp) => cp < 0x80],
  ['Alpha', (cp) => isLower(cp) || isUpper(cp)],
  ['Digit', isDigit],
  ['Alnum', (cp) => isLower(cp) || isUpper(cp) || isDigit(cp)],
  ['Punct', (cp) => isGraph(cp) && (!isWord(cp) || cp === 0x5f)],
  ['Graph', isGraph],
  ['Print', (cp) => isGraph(cp) || cp === 0x20],
  ['Blank', oneOf(0x20, 0x09)],
  ['Cntrl', (cp) => cp < 0x20 || cp === 0x7f],
  ['XDigit', (cp) => isDigit(cp) || (cp >= 0x41 && cp <= 0x46) || (cp >= 0x61 && cp <= 0x66)],
  ['Space', isSpace],
])

/** `\p{NAME}`: POSIX classes and Unicode's general categories; null for any other. */
export function propertySet(name: string): CharSet | null {
  const set = posix.get(name)
  if (set !== undefined) return set
  const category = /^(?:Is)?(L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfson]?)$/.exec(name)?.[1]
  const property = category ?? (name === 'IsAlphabetic' ? 'Alphabetic' : undefined)
  if (property === undefined) return null
  const regex = new RegExp(`^\\p{${property}}$`, 'u')
  return (cp) => regex.test(String.fromCodePoint(cp))
}

function oneOf(...members: readonly number[]): CharSet {
  return (cp) => members.includes(cp)
}

/** A code point that has a one-character counterpart; otherwise itself. */
function folded(cp: number, how: 'toLowerCase' | 'toUpperCase'): number {
  const other = String.fromCodePoint(cp)[how]()
  const point = other.codePointAt(0) ?? cp
  return other.length === (point > 0xffff ? 2 : 1) ? point : cp
}
