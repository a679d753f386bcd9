import type { RecordedBody } from '../observe/recording.ts'
import { noXmlCharacter } from './edge-xml.ts'

/**
 * What was kept of a body, as text. Bytes that are no text (another charset, a compressed or binary body) are a `data:` URL in
 * base64 of the type that the message named: neither XML nor JSON can hold them as they are.
 */
export function shownBody(body: RecordedBody | null, headers: readonly (readonly [string, string])[]): string {
  if (body === null || body.text === '') return ''
  const bytes = Buffer.from(body.text, 'latin1')
  const encoded = fieldOf(headers, 'content-encoding').trim().toLowerCase()
  const text = encoded === '' || encoded === 'identity' ? utf8(bytes, bytes.length < body.bytes) : null
  if (text !== null && text.search(noXmlCharacter) === -1) return text
  const [type = ''] = fieldOf(headers, 'content-type').split(';', 1)
  const media = /^[\w.+-]+\/[\w.+-]+$/.test(type.trim()) ? type.trim() : 'application/octet-stream'
  return `data:${media};base64,${bytes.toString('base64')}`
}

/** Value of the first field of that name, lower case. */
export function fieldOf(headers: readonly (readonly [string, string])[], name: string): string {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1] ?? ''
}

/** A cut may have gone through a character: its first bytes are left out. */
function utf8(bytes: Buffer, cut: boolean): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut })
  } catch {
    return null
  }
}
