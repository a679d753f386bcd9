import { checkAnyValue } from './any-value.ts'
import type { Complain } from './defects.ts'
import { childrenOf, contentOf, contextTag, type DerElement, DerError, DerReader, readElement, tags } from './der.ts'
import { readOid } from './der-values.ts'
import { ipText } from './ip-address.ts'
import { escapeControls, hasBrokenValue, type Name, readName, renderName } from './name.ts'

/** GeneralName, RFC 5280 section 4.2.1.6. */
export type GeneralName =
  | {
      readonly kind: 'dns' | 'ip' | 'email' | 'uri'
      /** As presented; bytes that could forge a log line are escaped, so such a value matches no host. */
      readonly value: string
    }
  | { readonly kind: 'directory'; readonly value: string; readonly name: Name }
  | {
      readonly kind: 'other'
      /** For people. */
      readonly value: string
      /** Number of the choice: 0 otherName, 3 x400Address, 5 ediPartyName, 7 an address of an impossible length, 8 registeredID. */
      readonly tag: number
    }

export function readGeneralNames(list: DerElement, what: string, complain: Complain, tag?: number): GeneralName[] {
  const names = childrenOf(list, what, tag).map((element) => readGeneralName(element, what, complain))
  if (names.length === 0) complain(list.start, `${what}: names nothing`, 'profile')
  return names
}

function readGeneralName(element: DerElement, what: string, complain: Complain): GeneralName {
  switch (element.tag) {
    case contextTag(1, false):
      return { kind: 'email', value: asciiOf(element, what, complain) }
    case contextTag(2, false):
      return { kind: 'dns', value: asciiOf(element, what, complain) }
    case contextTag(6, false):
      return { kind: 'uri', value: asciiOf(element, what, complain) }
    case contextTag(7, false): {
      const ip = ipText(contentOf(element))
      if (ip !== null) return { kind: 'ip', value: ip }
      complain(element.start, `${what}: an address of ${element.end - element.body} bytes`, 'profile')
      return { kind: 'other', value: `IP:#${hexOf(element)}`, tag: 7 }
    }
    case contextTag(4, true): {
      const name = directoryName(element)
      return { kind: 'directory', value: renderName(name, 'edge'), name }
    }
    case contextTag(8, false):
      return { kind: 'other', value: `RID:${readOid(element, 'registered ID', contextTag(8, false))}`, tag: 8 }
    case contextTag(0, true):
      // Not understood, and looked at all the same: OpenSSL reads no name of a list in which one is broken, nor may we.
      checkOtherName(element, what)
      return { kind: 'other', value: `#${hexOf(element)}`, tag: 0 }
    case contextTag(5, true):
      checkEdiPartyName(element)
      return { kind: 'other', value: `#${hexOf(element)}`, tag: 5 }
    case contextTag(3, true):
      return { kind: 'other', value: `#${hexOf(element)}`, tag: 3 }
    default:
      throw new DerError(element.start, `${what}: not a GeneralName`)
  }
}

/** `OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }`, under an implicit tag. */
function checkOtherName(element: DerElement, what: string): void {
  const reader = new DerReader(element, what)
  readOid(reader.next('other name'), 'other name')
  const value = new DerReader(reader.next('other name', contextTag(0, true)), 'other name')
  reader.finish('other name')
  checkAnyValue(value.next('value of another name'), 'value of another name')
  value.finish('value of another name')
}

/** `EDIPartyName ::= SEQUENCE { nameAssigner [0] DirectoryString OPTIONAL, partyName [1] DirectoryString }`, likewise. */
function checkEdiPartyName(element: DerElement): void {
  const reader = new DerReader(element, 'EDI party name')
  const assigner = reader.optional('name assigner', contextTag(0, true))
  const party = reader.next('party name', contextTag(1, true))
  reader.finish('EDI party name')
  for (const wrapper of assigner === null ? [party] : [assigner, party]) {
    const inner = new DerReader(wrapper, 'EDI party name')
    const text = inner.next('EDI party name')
    inner.finish('EDI party name')
    if (!directoryStrings.has(text.tag)) throw new DerError(text.start, 'EDI party name: not a text')
    checkAnyValue(text, 'EDI party name')
  }
}

const directoryStrings: ReadonlySet<number> = new Set([
  tags.utf8String,
  tags.printableString,
  tags.t61String,
  tags.bmpString,
  tags.universalString,
])

/** The names of a list that are distinguished names. */
export const directoryNames = (names: readonly GeneralName[]): Name[] =>
  names.flatMap((each) => (each.kind === 'directory' ? [each.name] : []))

/** Name inside of a GeneralName; the tag is explicit there because Name is a CHOICE. */
export function directoryName(wrapper: DerElement): Name {
  const inner = readElement(wrapper.bytes, wrapper.body, wrapper.end, wrapper.depth + 1)
  if (inner.end !== wrapper.end) throw new DerError(inner.end, 'directory name: unexpected data at the end')
  const name = readName(inner, 'directory name')
  if (hasBrokenValue(name)) throw new DerError(inner.start, 'directory name: a value of a wrong type')
  return name
}

/**
 * IA5String by definition. Latin-1 keeps every byte visible; nothing outside of ASCII can match a host, and what is escaped
 * holds a backslash, which no host has.
 */
const textOf = (element: DerElement): string => escapeControls(contentOf(element).toString('latin1'))

export const hexOf = (element: DerElement): string => contentOf(element).toString('hex').toUpperCase()

/** An IA5String; other bytes are read and noted. */
export function asciiOf(element: DerElement, what: string, complain: Complain): string {
  const bytes = contentOf(element)
  const at = bytes.findIndex((byte) => byte < 0x20 || byte > 0x7e)
  if (at !== -1) {
    const hex = (bytes[at] as number).toString(16).padStart(2, '0').toUpperCase()
    complain(element.body + at, `${what}: the byte ${hex} in a name`, 'profile')
  }
  return textOf(element)
}
