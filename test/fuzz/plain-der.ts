export interface PlainElement {
  readonly tag: number
  readonly content: Buffer
  /** With its header. */
  readonly whole: Buffer
}

/**
 * The elements that the bytes are a row of; null where they are not DER to the last byte. An oracle's reader: it stands on
 * nothing of what is tested.
 */
export function elementsIn(bytes: Buffer): PlainElement[] | null {
  const found: PlainElement[] = []
  for (let at = 0; at < bytes.length; ) {
    const [tag, first] = [bytes[at] as number, bytes[at + 1]]
    if (first === undefined || (tag & 0x1f) === 0x1f || first === 0x80 || first > 0x84) return null
    const size = first < 0x80 ? 0 : first & 0x7f
    const body = at + 2 + size
    if (body > bytes.length) return null
    const length = size === 0 ? first : bytes.readUIntBE(at + 2, size)
    // The shortest form only.
    if (size > 0 && (length < 0x80 || length < 256 ** (size - 1))) return null
    const end = body + length
    if (end > bytes.length) return null
    found.push({ tag, content: bytes.subarray(body, end), whole: bytes.subarray(at, end) })
    at = end
  }
  return found
}

/** What the one element of these bytes holds; null where that is no row of elements. */
export function partsOf(whole: Buffer): PlainElement[] | null {
  const list = elementsIn(whole)
  return list?.length === 1 ? elementsIn((list[0] as PlainElement).content) : null
}

interface PlainExtension {
  /** OID in DER. */
  readonly id: Buffer
  readonly value: Buffer
  readonly whole: Buffer
}

/** Extensions of the signed part of a certificate; null where that is not DER. */
export function extensionsOf(tbs: Buffer): PlainExtension[] | null {
  const list = partsOf(tbs)?.find(({ tag }) => tag === 0xa3)
  if (list === undefined) return []
  const found = partsOf(list.content)?.map(({ whole }) => {
    const parts = partsOf(whole)
    const [id, value] = [parts?.[0], parts?.at(-1)]
    return id === undefined || value === undefined ? null : { id: id.whole, value: value.content, whole }
  })
  return found === undefined || found.includes(null) ? null : (found as PlainExtension[])
}
