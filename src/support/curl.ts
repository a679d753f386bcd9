import type { RecordedMessage } from '../observe/recording.ts'
import { isCredentialHeader, isCredentialParameter } from '../observe/credentials.ts'
import { hiddenAs } from '../traces/hidden-variables.ts'
import { onOneLine, shellWord } from '../verdict/shell.ts'

export interface RequestToRepeat {
  readonly id: string
  readonly method: string
  /** As the client sent it. */
  readonly uri: string
  readonly host: string
  /** Where the gateway listens; `*` made an address. */
  readonly listener: { readonly address: string; readonly port: number; readonly tls: boolean }
  /** `HTTP/2.0` or another version. */
  readonly protocol: string
  /** null: no debug session has them. */
  readonly headers: RecordedMessage['headers'] | null
  /** File beside the script that holds the body; null: there was none, or it is not known. */
  readonly bodyFile: string | null
  /** What whoever runs it should know. */
  readonly notes: readonly string[]
}

/** A script that sends the request again. Whatever was hidden is a variable, to be set by whoever runs it. */
export function curlScript(request: RequestToRepeat): string {
  const { id, notes, bodyFile } = request
  const variables = variablesOf(request)
  const lines = [
    '#!/bin/sh',
    `# Request ${onOneLine(id)} once more, to the gateway itself.`,
    ...notes.map((note) => `# ${onOneLine(note, 500)}`),
    ...(variables.length === 0 ? [] : [`# Set before: ${variables.join(', ')}. Their values are not in this bundle.`]),
    ...(bodyFile === null ? [] : ['cd "$(dirname "$0")" || exit']),
    curlCommand(request),
  ]
  return `${lines.join('\n')}\n`
}

/** One line, for a shell. */
export function curlCommand(request: RequestToRepeat): string {
  const { method, uri, host, listener, protocol, bodyFile } = request
  const scheme = listener.tls ? 'https' : 'http'
  const place = `${listener.address.includes(':') ? `[${listener.address}]` : listener.address}:${listener.port}`
  const isAuthority = /^[A-Za-z0-9._-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/.test(host)
  const isPath = uri.startsWith('/')
  const shown = headersOf(request).flatMap(([name, value]) => ['-H', headerWord(name, value)])
  const words = [
    'curl',
    '-sS',
    ...(method === 'HEAD'
      ? ['-I']
      : ['-i', ...(method === 'GET' && bodyFile === null ? [] : ['-X', shellWord(method)])]),
    ...versionOf(protocol, listener.tls),
    '--globoff',
    '--path-as-is',
    // Name and port as the client said them, which decide about host, SNI and the check of the certificate.
    ...(isAuthority ? ['--connect-to', shellWord(`::${place}`)] : []),
    ...shown,
    ...(isAuthority || host === '' ? [] : ['-H', quoted([`Host: ${host}`])]),
    ...(bodyFile === null ? [] : ['--data-binary', shellWord(`@${bodyFile}`)]),
    ...(isPath ? [] : ['--request-target', uriWord('', uri)]),
    uriWord(`${scheme}://${isAuthority ? host : place}`, isPath ? uri : '/'),
  ]
  return words.join(' ')
}

function versionOf(protocol: string, tls: boolean): readonly string[] {
  if (protocol.startsWith('HTTP/2')) return [tls ? '--http2' : '--http2-prior-knowledge']
  return protocol === 'HTTP/1.0' ? ['--http1.0'] : ['--http1.1']
}

/** Of the connection, or made by curl itself; trace headers would put the copy into the trace of the first one. */
const left: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'traceparent',
  'tracestate',
])

const headersOf = ({ headers }: RequestToRepeat): RecordedMessage['headers'] =>
  (headers ?? []).filter(([name]) => !left.has(name.toLowerCase()) && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))

/** A variable stands for what was hidden. */
interface Variable {
  readonly variable: string
}
type Part = string | Variable

function headerWord(name: string, value: string): string {
  if (value === hiddenAs || isCredentialHeader(name)) {
    const { variable } = variableFor(name)
    return /^[A-Za-z0-9-]+$/.test(name) ? `"${name}: $${variable}"` : quoted([`${name}: `, { variable }])
  }
  // Without a value curl leaves the field out.
  return quoted([value === '' ? `${name};` : `${name}: ${value}`])
}

function uriWord(before: string, uri: string): string {
  return quoted([before, ...partsOf(uri)])
}

function partsOf(uri: string): readonly Part[] {
  const parts: Part[] = []
  let from = 0
  for (const match of uri.matchAll(/([?&;#])([^=&;#]*)=([^&;#]*)/g)) {
    const [whole, mark = '', name = '', value = ''] = match
    if (value === '' || (value !== hiddenAs && !isCredentialParameter(name))) continue
    parts.push(uri.slice(from, match.index), `${mark}${name}=`, variableFor(name))
    from = match.index + whole.length
  }
  return [...parts, uri.slice(from)]
}

function variablesOf(request: RequestToRepeat): readonly string[] {
  const ofHeaders = headersOf(request).flatMap(([name, value]) =>
    value === hiddenAs || isCredentialHeader(name) ? [variableFor(name)] : [],
  )
  const ofUri = partsOf(request.uri).filter((part) => typeof part !== 'string')
  return [...new Set([...ofHeaders, ...ofUri].map(({ variable }) => variable))]
}

function variableFor(name: string): Variable {
  const variable = name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
  // Nobody's PATH is to be sent away.
  return { variable: /^[A-Z]/.test(variable) && !shellVariables.has(variable) ? variable : `VALUE_${variable}` }
}

const shellVariables: ReadonlySet<string> = new Set(['PATH', 'HOME', 'IFS', 'PWD', 'ENV', 'USER', 'SHELL', 'HOST'])

/** Text of a peer that cannot be shown on one line is shown as what it is, and says so by its form: `\u{A}`. */
function quoted(parts: readonly Part[]): string {
  const words: string[] = []
  let text = ''
  const end = (): void => {
    if (text !== '') words.push(shellWord(onOneLine(text, 16_384)))
    text = ''
  }
  for (const part of parts) {
    if (typeof part === 'string') text += part
    else {
      end()
      words.push(`"$${part.variable}"`)
    }
  }
  end()
  return words.length === 0 ? "''" : words.join('')
}
