import type {
  RecordedBody,
  RecordedMessage,
  RecordedStep,
  RecordedTransaction,
  VariableRead,
} from '../observe/recording.ts'
import { hideParameters, isCredentialHeader, isCredentialParameter } from '../observe/credentials.ts'
import { hiddenAs, hidesVariable } from './hidden-variables.ts'
import { hideFields } from './hide-fields.ts'
import type { MaskSet } from './mask.ts'
import { hiddenBody, maskBody } from './mask-body.ts'
import { fieldOf } from './shown-body.ts'

export interface Masking {
  readonly masks: MaskSet
  /** Credentials stay; what is configured is hidden all the same. */
  readonly showCredentials: boolean
}

/** What may be kept of a transaction. */
export function maskTransaction(transaction: RecordedTransaction, masking: Masking): RecordedTransaction {
  const mask = new Mask(transaction, masking)
  const { backend, client } = transaction
  return {
    ...transaction,
    uri: mask.uri('request', transaction.uri),
    client: mask.hides('client.ip', 'proxy.client.ip') ? { ...client, address: hiddenAs } : client,
    backend: backend === null ? null : { ...backend, url: mask.uri('request', backend.url) },
    steps: transaction.steps.map((step) => mask.step(step)),
  }
}

type Side = 'request' | 'response'
type Headers = RecordedMessage['headers']

class Mask {
  readonly #masks: MaskSet
  readonly #show: boolean
  readonly #failed: boolean
  readonly #headers: Readonly<Record<Side, Headers>>

  constructor({ steps, fault, backend }: RecordedTransaction, { masks, showCredentials }: Masking) {
    this.#masks = masks
    this.#show = showCredentials
    this.#failed = fault !== null || (backend?.status ?? 0) >= 400
    this.#headers = { request: headersIn(steps, 'request-received'), response: headersIn(steps, 'response-received') }
  }

  hides(...names: readonly string[]): boolean {
    return names.some((name) => hidesVariable(this.#masks.variables, name))
  }

  step(step: RecordedStep): RecordedStep {
    switch (step.type) {
      case 'request-received':
        return { ...step, message: this.#message('request', step.message) }
      case 'request-sent':
        return { ...step, message: step.message === null ? null : this.#message('request', step.message) }
      case 'response-received':
      case 'response-sent':
        return { ...step, message: step.message === null ? null : this.#message('response', step.message) }
      case 'request-body':
        return { ...step, body: this.#body('request', step.body) }
      case 'response-body':
        return { ...step, body: this.#body('response', step.body) }
      case 'routed':
        return { ...step, pathSuffix: this.uri('request', step.pathSuffix) }
      case 'condition':
        return { ...step, reads: step.reads.map((read) => this.#read(read)) }
      case 'variable':
        return { ...step, value: this.#value(step.name, step.value) }
      case 'route-chosen':
      case 'server-chosen':
      case 'waiting':
      case 'connected':
      case 'connect-failed':
      case 'informational':
      case 'try-failed':
      case 'tunnel':
      case 'fault':
      case 'ended':
        return step
      default:
        return step satisfies never
    }
  }

  uri(side: Side, uri: string): string {
    if (this.#named(side, 'uri') || (side === 'request' && this.hides('proxy.url'))) return hiddenAs
    const question = uri.indexOf('?')
    if (question !== -1 && this.#named(side, 'querystring')) return `${uri.slice(0, question)}?${hiddenAs}`
    return hideParameters(uri, (name) => this.#hidesParameter(side, 'queryparam', name))
  }

  #message(side: Side, message: RecordedMessage): RecordedMessage {
    return {
      ...message,
      uri: side === 'request' ? this.uri(side, message.uri) : message.uri,
      headers: message.headers.map(([name, value]) => [name, this.#header(side, name, value)] as const),
    }
  }

  #header(side: Side, name: string, value: string): string {
    if ((!this.#show && isCredentialHeader(name)) || this.#hidesPart(side, 'header', name)) return hiddenAs
    return withUri.has(name.toLowerCase()) ? this.uri(side, value) : value
  }

  #body(side: Side, body: RecordedBody): RecordedBody {
    if (this.#named(side, 'content') || (side === 'response' && this.#failed && this.hides('error.content')))
      return hiddenBody(body)
    const headers = this.#headers[side]
    const masked = maskBody(body, headers, this.#paths(side))
    if (isForm(headers) && masked === body) return this.#form(side, body, headers)
    return this.#show ? masked : { text: hideFields(masked.text, headers), bytes: masked.bytes }
  }

  /** Its pairs can be told apart even where it is cut off: a name without its value says nothing. */
  #form(side: Side, body: RecordedBody, headers: Headers): RecordedBody {
    if (fieldOf(headers, 'content-encoding') !== '') return this.#show ? body : hiddenBody(body)
    return {
      text: hideParameters(body.text, (name) => this.#hidesParameter(side, 'formparam', name), { form: true }),
      bytes: body.bytes,
    }
  }

  #paths(side: Side) {
    const { masks: all, failed } = { masks: this.#masks, failed: this.#failed }
    if (side === 'request') {
      return { jsonPaths: all.jsonPathsRequest, xPaths: all.xPathsRequest, namespaces: all.namespaces }
    }
    // An answer of 400 and above is a fault to Edge.
    return {
      jsonPaths: [...all.jsonPathsResponse, ...(failed ? all.jsonPathsFault : [])],
      xPaths: [...all.xPathsResponse, ...(failed ? all.xPathsFault : [])],
      namespaces: all.namespaces,
    }
  }

  #read(read: VariableRead): VariableRead {
    return read.value === null ? read : { ...read, value: this.#value(read.name, read.value) }
  }

  #value(name: string, value: string): string {
    if (this.hides(name) || /^private\./i.test(name)) return hiddenAs
    const [, message = '', part = '', rest = ''] = /^(request|response|message)\.([a-z]+)(?:\.(.*))?$/i.exec(name) ?? []
    const side: Side = message.toLowerCase() === 'response' ? 'response' : 'request'
    switch (part.toLowerCase()) {
      case 'header':
        return this.#header(side, rest.replace(/\.(?:values(?:\.\w+)?|\d+)$/, ''), value)
      case 'queryparam':
      case 'formparam':
        return this.#hidesParameter(
          side,
          part.toLowerCase() as 'queryparam',
          rest.replace(/\.(?:values(?:\.\w+)?|\d+)$/, ''),
        )
          ? hiddenAs
          : value
      case 'uri':
        return this.uri(side, value)
      case 'querystring':
        return this.uri(side, `?${value}`).slice(1)
      case 'content':
      case 'formstring':
        return this.#content(side, value)
      default:
        if (/(?:^|\.)(?:url|uri|pathsuffix)$/i.test(name)) return this.uri('request', value)
        return !this.#show && isCredentialParameter(name) ? hiddenAs : value
    }
  }

  /** A copy of a body is the body. */
  #content(side: Side, value: string): string {
    const text = Buffer.from(value, 'utf8').toString('latin1')
    const masked = this.#body(side, { text, bytes: text.length }).text
    return Buffer.from(masked, 'latin1').toString('utf8')
  }

  #hidesParameter(side: Side, part: 'queryparam' | 'formparam', name: string): boolean {
    return (!this.#show && isCredentialParameter(name)) || this.#hidesPart(side, part, name)
  }

  /** `request.header.NAME`, `message.header.NAME`, and with `.values` or a number behind it. */
  #hidesPart(side: Side, part: string, name: string): boolean {
    const asked = [`${side}.${part}.${name}`, `message.${part}.${name}`].map((each) => each.toLowerCase())
    return this.#masks.variables.some((each) =>
      asked.includes(each.toLowerCase().replace(/\.(?:values(?:\.\w+)?|\d+)$/, '')),
    )
  }

  #named(side: Side, part: string): boolean {
    return this.hides(`${side}.${part}`, `message.${part}`)
  }
}

/** Fields that hold references, which have queries. */
const withUri: ReadonlySet<string> = new Set([
  'location',
  'content-location',
  'referer',
  'link',
  'refresh',
  'x-original-url',
  'x-rewrite-url',
  'x-forwarded-uri',
  'x-envoy-original-path',
])

function headersIn(steps: readonly RecordedStep[], type: 'request-received' | 'response-received'): Headers {
  const step = steps.findLast((each): each is Extract<RecordedStep, { type: typeof type }> => each.type === type)
  return step?.message?.headers ?? []
}

const isForm = (headers: Headers): boolean =>
  /^application\/x-www-(?:form-urlencoded|url-form-encoded)/i.test(fieldOf(headers, 'content-type').trim())
