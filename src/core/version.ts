import { readFileSync } from 'node:fs'

/** Of this program, as its package says. */
export const version: string = versionOf(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

function versionOf(text: string): string {
  const description: unknown = JSON.parse(text)
  const isRecord = typeof description === 'object' && description !== null && 'version' in description
  return isRecord && typeof description.version === 'string' ? description.version : '0.0.0'
}
