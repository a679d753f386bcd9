import type { RecordedTransaction } from '../observe/recording.ts'
import { edgeTransaction } from '../traces/edge-points.ts'
import { transactionXml } from '../traces/edge-xml.ts'
import type { MaskSet } from '../traces/mask.ts'
import { jsonText } from './bundle.ts'
import type { Collection } from './collection.ts'
import { curlCommand, curlScript, type RequestToRepeat } from './curl.ts'
import { slugOf } from './target-files.ts'
import type { FoundRequest } from './types.ts'

export interface MaskedTransaction {
  readonly session: string
  /** Masked. */
  readonly transaction: RecordedTransaction
  readonly masks: MaskSet
}

export interface RequestParts {
  /** Masked. */
  readonly request: FoundRequest
  readonly transactions: readonly MaskedTransaction[]
  readonly listener: RequestToRepeat['listener'] | null
  /** How to start a debug session; null: no proxy took the request, so there is none to start. */
  readonly startTrace: string | null
}

/** Phase A of the playbook (apigee-edge.md 6.1), and the request once more. @returns the command that repeats it; null: none */
export function addRequestFiles(into: Collection, parts: RequestParts): string | null {
  const { request, transactions, startTrace } = parts
  into.add({
    name: 'request.json',
    what: 'The request with its fault, its verdict, and where it was counted.',
    source: request.from,
    content: jsonText(request),
  })
  if (transactions.length === 0) {
    into.lack(
      'trace/',
      startTrace === null
        ? 'no proxy took the request, and debug sessions are of proxies'
        : `no debug session recorded the request; start one and send it again: ${startTrace}`,
    )
  }
  for (const [index, { session, transaction, masks }] of transactions.entries()) {
    const name = `trace/${index + 1}-${slugOf(session)}`
    const source = `debug session ${session}`
    into.add({
      name: `${name}.json`,
      what: 'Every step of the request, with the story of its connection.',
      source,
      content: jsonText(transaction),
    })
    into.add({
      name: `${name}.xml`,
      what: "The same as Edge's states and points.",
      source,
      content: transactionXml(edgeTransaction(transaction, masks.variables)),
    })
  }
  return addCurl(into, parts)
}

function addCurl(into: Collection, { request, transactions, listener, startTrace }: RequestParts): string | null {
  const name = 'curl.sh'
  if (listener === null) {
    into.lack(name, `listener ${request.listener} is no more`)
    return null
  }
  const recorded = transactions.find(({ transaction }) => messageOf(transaction) !== null)?.transaction ?? null
  const [method = '', uri = '', protocol = ''] = request.request.split(' ')
  const notes = [`Received ${request.at}, answered with ${request.status === 0 ? 'nothing' : request.status}.`]
  if (recorded === null)
    notes.push(
      `Its headers and body are not known: no debug session recorded it.${startTrace === null ? '' : ` Start one: ${startTrace}`}`,
    )
  if (uri.length >= maxUri) notes.push('The target of the request was longer; what was kept of it is here.')
  if (listener.tls)
    notes.push('The certificate of the listener is verified; --cacert FILE names a CA that curl does not know.')
  const repeat: RequestToRepeat = {
    id: request.id,
    method: method === '' ? 'GET' : method,
    uri: recorded?.uri ?? uri,
    host: request.host,
    listener,
    protocol,
    headers: recorded === null ? null : (messageOf(recorded)?.headers ?? null),
    bodyFile: recorded === null ? null : addBody(into, recorded, notes),
    notes,
  }
  into.add({
    name,
    what: 'Sends the request again, to the gateway itself; credentials are variables.',
    source: recorded === null ? request.from : 'a debug session',
    content: curlScript(repeat),
  })
  return curlCommand(repeat)
}

/** Monitoring keeps so much of a request line. */
const maxUri = 2000

function messageOf({ steps }: RecordedTransaction) {
  const step = steps.find((each) => each.type === 'request-received')
  return step?.type === 'request-received' ? step.message : null
}

/** @returns the file's name; null: there was no body, or it is not whole */
function addBody(into: Collection, recorded: RecordedTransaction, notes: string[]): string | null {
  const { steps } = recorded
  const step = steps.find((each) => each.type === 'request-body')
  const { text, bytes } = step?.type === 'request-body' ? step.body : { text: '', bytes: 0 }
  if (bytes === 0) {
    if (!announcesBody(recorded)) return null
    const why = 'the request failed before its body was read'
    into.lack('request-body.txt', why)
    notes.push(`The body is missing: ${why}.`)
    return null
  }
  const decoded = utf8(Buffer.from(text, 'latin1'))
  const why =
    text.length < bytes
      ? `the debug session kept ${text.length} of its ${bytes} bytes; start one with a larger bodyBytes`
      : decoded === null
        ? 'it is no text, so it could not be searched for secrets'
        : ''
  if (decoded === null || why !== '') {
    into.lack('request-body.txt', why)
    notes.push(`The body is missing: ${why}.`)
    return null
  }
  const what = 'Body of the request, which curl.sh sends; masked values are not those of the request.'
  into.add({ name: 'request-body.txt', what, source: 'a debug session', content: decoded })
  return 'request-body.txt'
}

/** RFC 9112 section 6.3. */
function announcesBody(recorded: RecordedTransaction): boolean {
  return (messageOf(recorded)?.headers ?? []).some(([name, value]) => {
    const field = name.toLowerCase()
    return field === 'transfer-encoding' || (field === 'content-length' && value.trim() !== '0')
  })
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}
