import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { DnsName } from '../config/addresses.ts'
import { codeOf } from '../core/errors.ts'
import { fileProblem } from './file-problem.ts'
import { usage } from './tls-endpoint.ts'

/** One endpoint of a list, and what the line says about it alone. */
export interface ListEntry {
  /** The line without comment and surplus space: what reports and results call it. */
  readonly entry: string
  /** From 1; 0 for an argument of the command. */
  readonly line: number
  readonly endpoint: string
  /** Name to ask for (SNI) and to verify. */
  readonly name: string | null
  /** Files or directories to trust in place of what the command says. */
  readonly ca: readonly string[]
  /** Trust stores of the configuration, likewise. */
  readonly stores: readonly string[]
}

/**
 * Reads a list: one endpoint a line, then `name=`, `ca=` and `store=` (the last two may come more than once), separated by
 * white space or commas; values with either in double quotes; `#` begins a comment. Every faulty line is reported, up to
 * twenty of them.
 */
export async function readList(path: string, stdin: Readable): Promise<readonly ListEntry[]> {
  const entries: ListEntry[] = []
  const faults: string[] = []
  let number = 0
  for await (const text of linesOf(path, stdin)) {
    number += 1
    if (number > maxLines) throw usage(`${path}: more than ${maxLines} lines; split the list`)
    const read = readLine(text.replace(/^\ufeff/, ''), number)
    if (typeof read === 'string') faults.push(`${path}:${number}: ${read}`)
    else if (read !== null) entries.push(read)
    if (faults.length === 20) break
  }
  if (faults.length > 0) throw usage(faults.join('\n'))
  if (entries.length === 0) throw usage(`${path} names no endpoint`)
  return entries
}

/** The entry of a line, null for a line without one, or what is wrong with it. */
export function readLine(text: string, line: number): ListEntry | string | null {
  if (text.length > maxLineLength) return `the line is longer than ${maxLineLength} characters`
  const words = wordsOf(text)
  if (typeof words === 'string') return words
  const [endpoint, ...rest] = words
  if (endpoint === undefined) return null
  const given = { name: [] as string[], ca: [] as string[], store: [] as string[] }
  for (const word of rest) {
    const [, key = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(word) ?? []
    if (!isKey(key) || !word.includes('=')) return `"${word}" is not understood; after the endpoint: name=, ca=, store=`
    if (value === '') return `${key}= has no value`
    given[key].push(value)
  }
  if (given.name.length > 1) return 'name= stands there twice'
  if (given.name.some((name) => !DnsName.safeParse(name).success)) return `name=${given.name[0]} is not a DNS name`
  const entry = words.map((word) => (/^#|[\s,]/.test(word) ? `"${word}"` : word)).join(' ')
  return { entry, line, endpoint, name: given.name[0] ?? null, ca: given.ca, stores: given.store }
}

function isKey(text: string): text is 'name' | 'ca' | 'store' {
  return text === 'name' || text === 'ca' || text === 'store'
}

/** Words of a line up to its comment; a text where the quotes are wrong. */
function wordsOf(line: string): string[] | string {
  const words: string[] = []
  let word: string | null = null
  let quoted = false
  for (const character of line) {
    if (quoted) {
      if (character === '"') quoted = false
      else word += character
    } else if (character === '"') {
      quoted = true
      word ??= ''
    } else if (character === '#' && word === null) break
    else if (/[\s,]/.test(character)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + character
  }
  if (quoted) return 'a double quote is not closed'
  if (word !== null) words.push(word)
  return words
}

/** I10: a list is held in memory while it is worked off. */
const maxLines = 1_000_000
const maxLineLength = 4096

async function* linesOf(path: string, stdin: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let pending = ''
  try {
    for await (const chunk of path === '-' ? stdin : createReadStream(path)) {
      const lines = (pending + decoder.write(chunk as Buffer)).split(/\r?\n/)
      pending = lines.pop() ?? ''
      yield* lines
      // A file need not have lines at all, nor an end. (I10)
      if (pending.length > maxLineLength) break
    }
  } catch (error) {
    if (codeOf(error) === '' || codeOf(error) === 'usage') throw error
    throw usage(`--from ${path}: the list cannot be read: ${fileProblem(error)}`)
  }
  pending += decoder.end()
  if (pending !== '') yield pending
}
