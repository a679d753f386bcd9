import { fields, type FieldName } from '../../src/wire/h1/fields.ts'
import type { Random } from '../support/random.ts'
import type { limits } from './message.ts'

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const token = `!#$%&'*+-.^_\`|~0123456789${letters}`
const visible = Array.from({ length: 0x5e }, (_, index) => String.fromCharCode(0x21 + index)).join('')
const high = Array.from({ length: 128 }, (_, index) => String.fromCharCode(0x80 + index)).join('')
const targetBytes = visible.replace(/[#\\]/g, '')

/** Room for what the gateway adds to a message that was within its limits. */
export const roomy: typeof limits = { requestLineBytes: 65_536, headerBytes: 262_144, headerCount: 1000 }

export interface RandomRequest {
  /** The head as sent, latin1. */
  readonly text: string
  readonly method: string
  readonly target: string
  readonly minor: number
  readonly host: string
  readonly contentLength: number
  readonly chunked: boolean
  readonly keepAlive: boolean
  /** The header lines that go on. */
  readonly lines: string
}

/** A head that must be taken, and what must be read from it. */
export function randomRequest(random: Random): RandomRequest {
  const minor = random.chance(0.85) ? 1 : 0
  const method = random.chance(0.7) ? random.pick(['GET', 'POST', 'PUT', 'HEAD']) : `M${random.text(token, 0, 20)}`
  const target = `/${random.text(targetBytes, 0, 40)}`
  const framing = random.pick(minor === 1 ? ['none', 'length', 'chunked'] : ['none', 'length'])
  const contentLength = framing === 'length' ? random.below(300) : -1
  const host = random.chance(0.8)
    ? `${random.text(`${letters}0123456789-._~`, 1, 20)}${random.pick(['', ':', ':8080'])}`
    : '[2001:db8::7]:443'

  const other = Array.from({ length: random.below(8) }, () => randomName(random))
  const nominated = random.chance(0.3) ? other.filter(() => random.chance(0.3)) : []
  const close = random.chance(0.2)
  const keep = !close && random.chance(0.3)
  const options = [
    ...nominated.map((name) => anyCase(random, name)),
    ...(close ? ['Close'] : []),
    ...(keep ? ['keep-Alive'] : []),
  ]

  const list: { name: string; value: string }[] = other.map((name) => ({ name, value: randomValue(random) }))
  const add = (name: string, value: string): void => {
    list.splice(random.below(list.length + 1), 0, { name: anyCase(random, name), value })
  }
  add('Host', host)
  if (framing === 'length') add('Content-Length', `${random.pick(['', '0', '00'])}${contentLength}`)
  if (framing === 'chunked') add('Transfer-Encoding', anyCase(random, 'chunked'))
  if (options.length > 0) add('Connection', options.join(random.pick([',', ', ', ' ,\t', ',,'])))
  if (random.chance(0.2)) add('Keep-Alive', 'timeout=5')
  if (random.chance(0.2)) add('X-Forwarded-For', '192.0.2.1')
  if (random.chance(0.2)) add('TE', 'trailers')
  if (random.chance(0.2)) add('User-Agent', randomValue(random))
  if (random.chance(0.1)) add('Upgrade', 'websocket') // without Connection it means nothing

  let text = `${random.chance(0.1) ? '\r\n' : ''}${method} ${target} HTTP/1.${minor}\r\n`
  let lines = ''
  const gone = new Set(nominated.map((name) => name.toLowerCase()))
  for (const { name, value } of list) {
    const written = `${name}:${random.pick(['', ' ', '\t', ' \t'])}${value}${random.pick(['', '', ' ', '\t '])}\r\n`
    text += written
    const lower = name.toLowerCase()
    const treatment = lower in fields ? fields[lower as FieldName].request : 'read'
    if (treatment === 'read' && !gone.has(lower)) lines += written
  }
  return {
    text: `${text}\r\n`,
    method,
    target,
    minor,
    host,
    contentLength,
    chunked: framing === 'chunked',
    keepAlive: !close && (minor === 1 || keep),
    lines,
  }
}

export interface RandomBody {
  readonly text: string
  /** Without extensions: what goes on. */
  readonly reframed: string
  readonly data: string
}

/** A chunked body that must be taken. */
export function randomChunkedBody(random: Random): RandomBody {
  let text = ''
  let reframed = ''
  let data = ''
  const extension = (): string => (random.chance(0.3) ? `;${random.text(`${visible}\t ${high}`, 0, 12)}` : '')
  for (let chunks = random.below(5); chunks > 0; chunks--) {
    const piece = random.text(`\r\n0${visible}${high}`, 1, random.pick([1, 20, 300]))
    const size = `${random.pick(['', '0', '000'])}${anyCase(random, piece.length.toString(16))}`
    text += `${size}${extension()}\r\n${piece}\r\n`
    reframed += `${size}\r\n${piece}\r\n`
    data += piece
  }
  let trailers = ''
  for (let count = random.chance(0.3) ? 1 + random.below(3) : 0; count > 0; count--) {
    trailers += `${randomName(random)}: ${randomValue(random)}\r\n`
  }
  const zero = random.pick(['0', '00'])
  return {
    text: `${text}${zero}${extension()}\r\n${trailers}\r\n`,
    reframed: `${reframed}${zero}\r\n${trailers}\r\n`,
    data,
  }
}

/** Bytes that mean something to one reader or another. */
const interesting = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '1',
  'f',
  '\0',
  '\x7f',
  '\x85',
  '\xa0',
  '\xff',
  '+',
  '-',
  '"',
  '#',
  '\\',
  'HTTP/1.1',
  'Host: b\r\n',
  'Content-Length: 1\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close, x\r\n',
  'Expect: 100-continue\r\n',
] as const

/** A few changes of the kind that find a parser's blind spots. */
export function mutate(random: Random, text: string, corpus: readonly string[]): string {
  let changed = text
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(changed.length + 1)
    const to = Math.min(changed.length, at + random.below(12))
    switch (random.below(6)) {
      case 0:
        changed = changed.slice(0, at) + random.pick(interesting) + changed.slice(at)
        break
      case 1:
        changed = changed.slice(0, at) + random.pick(interesting) + changed.slice(at + 1)
        break
      case 2:
        changed = changed.slice(0, at) + changed.slice(to)
        break
      case 3:
        changed = changed.slice(0, to) + changed.slice(at)
        break
      case 4:
        changed = changed.slice(0, at) + String.fromCharCode(random.below(256)) + changed.slice(at + 1)
        break
      default: {
        const other = random.pick(corpus)
        changed = changed.slice(0, at) + other.slice(random.below(other.length + 1))
      }
    }
  }
  return changed
}

/** Increasing ends that cut `length` bytes into pieces; the last is `length`. */
export function randomCuts(random: Random, length: number): readonly number[] {
  const cuts: number[] = []
  const most = random.pick([1, 3, 40, 1000])
  for (let at = 0; at < length; ) {
    at = Math.min(length, at + 1 + random.below(most))
    cuts.push(at)
  }
  return cuts
}

function randomName(random: Random): string {
  for (;;) {
    const name = random.chance(0.5) ? `X-${random.text(letters, 1, 8)}` : random.text(token, 1, 12)
    // Its own meaning is not this name's purpose; `close` and such would also mean something in Connection.
    if (!(name.toLowerCase() in fields) && !reserved.has(name.toLowerCase())) return name
  }
}

const reserved = new Set(['close', 'te', 'cookie'])

function randomValue(random: Random): string {
  if (random.chance(0.2)) return ''
  const edge = `${visible}${high}`
  return `${random.text(edge, 1, 1)}${random.text(`${edge} \t`, 0, 30)}${random.text(edge, 1, 1)}`
}

function anyCase(random: Random, text: string): string {
  return text.replace(/./g, (char) => (random.chance(0.5) ? char.toUpperCase() : char.toLowerCase()))
}
