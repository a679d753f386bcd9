import { fieldKind } from './field-kinds.ts'
import { staticFields } from './hpack-tables.ts'

/** An entry of the static table, ready to be copied to header lines. */
export interface StaticEntry {
  /** `name: value CRLF` */
  readonly line: Buffer
  readonly nameEnd: number
  readonly kind: number
}

export const staticCount = staticFields.length

/** By index; 0 is none. */
export const staticEntries: readonly (StaticEntry | null)[] = [
  null,
  ...staticFields.map(([name, value]) => ({
    line: Buffer.from(`${name}: ${value}\r\n`, 'latin1'),
    nameEnd: name.length,
    kind: fieldKind(Buffer.from(name, 'latin1'), 0, name.length),
  })),
]
