import { hiddenAs, isCredentialHeader, isCredentialParameter } from '../observe/credentials.ts'
import { fieldOf } from './shown-body.ts'

/**
 * Values of the members, elements, attributes and parts of a body whose names say that they are credentials: the answer of a
 * token endpoint, the login in a SOAP header. By the text alone, so that it works where the body is cut off or not
 * well-formed; nothing else is touched. Linear in the text.
 */
export function hideFields(text: string, headers: readonly (readonly [string, string])[]): string {
  if (text === '' || fieldOf(headers, 'content-encoding') !== '') return text
  if (/^multipart\//i.test(fieldOf(headers, 'content-type').trim())) return text.replace(part, hiddenPart)
  const first = /\S/.exec(text.slice(0, 256))?.[0] ?? ''
  if (first === '{' || first === '[' || first === '"') return text.replace(member, hiddenMember)
  // With a byte order mark, as Latin-1 has it.
  if (first === '<' || text.startsWith('\u00ef\u00bb\u00bf<')) {
    return text.replace(element, hiddenElement).replace(attribute, hiddenAttribute)
  }
  return text.startsWith('\u00ef\u00bb\u00bf') ? text.replace(member, hiddenMember) : text
}

/** A value may end where the body is cut off. */
const member =
  /"((?:[^"\\]|\\[^]){1,64})"(\s{0,16}:\s{0,16})(?:"((?:[^"\\]|\\[^])*)(?:"|\\?$)|(-?\d[\d.eE+-]*|true|false))/g
const element =
  /<((?:[\w.-]{1,64}:)?([\w.-]{1,64}))((?:\s[^<>]{0,1024})?)>(<!\[CDATA\[[^\]]*(?:\](?!\]>)[^\]]*)*(?:\]\]>)?|[^<]+)/g
const attribute = /(\s(?:[\w.-]{1,64}:)?([\w.-]{1,64})\s{0,8}=\s{0,8})("[^"<]*(?:"|$)|'[^'<]*(?:'|$))/g
const part = /(\bname="([^"\r\n]{1,64})"[^\r\n]{0,512}\r\n(?:[^\r\n]{1,1024}\r\n){0,8}\r\n)((?:[^\r]|\r(?!\n--))+)/g

function hiddenMember(whole: string, name: string, between: string, text?: string): string {
  return text === '' || !isCredentialHeader(name) ? whole : `"${name}"${between}"${hiddenAs}"`
}

function hiddenElement(whole: string, name: string, local: string, attributes: string, value: string): string {
  return value.trim() === '' || !isCredentialHeader(local) ? whole : `<${name}${attributes}>${hiddenAs}`
}

function hiddenAttribute(whole: string, before: string, local: string): string {
  return isCredentialHeader(local) ? `${before}"${hiddenAs}"` : whole
}

function hiddenPart(whole: string, before: string, name: string): string {
  return isCredentialParameter(name) ? `${before}${hiddenAs}` : whole
}
