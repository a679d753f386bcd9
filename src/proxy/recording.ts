import { performance } from 'node:perf_hooks'
import type { ConnectionStory } from '../dial/story.ts'
import type { Fault } from '../faults/fault.ts'
import type { RecordedFault, RecordedMessage, RecordedStep, VariableRead } from '../observe/recording.ts'
import { latin1 } from '../wire/bytes.ts'
import { BodyCapture } from './recorded-body.ts'
import { recordedFault } from './recorded-fault.ts'
import type { AnyResponseHead } from './downstream.ts'
import { inLowerCase, recordedRequest, recordedResponse, requestMessage, responseMessage } from './recorded-messages.ts'
import { shortStory, withoutChain } from './recorded-story.ts'
import type { Upstream } from './upstream.ts'

export interface RecordingLimits {
  /** Of each body that are kept. */
  readonly bodyBytes: number
  /** Of everything that is kept. */
  readonly bytes: number
}

/** What is kept for spans alone. */
export const spanLimits: RecordingLimits = { bodyBytes: 0, bytes: 65_536 }

const maxSteps = 512
/** The end of a request is told however much there was before. */
const reservedSteps = 8
const stepBytes = 48
const pairBytes = 16

/** One request as it happens, step by step. Bounded in steps and bytes; what does not fit is counted. (I10) */
export class Recording {
  readonly steps: RecordedStep[] = []
  droppedSteps = 0
  droppedBytes = 0
  /** With messages, bodies and conditions; false: what spans are made of. */
  readonly whole: boolean
  readonly #start: number
  readonly #bodyBytes: number
  #left: number
  #attempts = 0
  #route = ''
  readonly #requestBody = new BodyCapture()
  readonly #responseBody = new BodyCapture()
  /** Framing of the body that comes. */
  #framed = false
  #responseHead = ''
  #code = ''
  #source = ''

  /** @param start of the request, in the time of `performance.now` */
  constructor(start: number, whole: boolean, limits: RecordingLimits) {
    this.#start = start
    this.whole = whole
    this.#bodyBytes = limits.bodyBytes
    this.#left = limits.bytes
  }

  // -- the client's request -------------------------------------------------------------------------------------------

  /** @param text of the head, as it came */
  requestReceived(text: string): void {
    if (!this.whole) return
    this.#add({ at: 0, type: 'request-received', message: this.#fitting(recordedRequest(text)) })
  }

  /** Fields of a head that came as fields. */
  requestFields(verb: string, uri: string, lines: string): void {
    if (!this.whole) return
    this.#add({ at: 0, type: 'request-received', message: this.#fitting(requestMessage(verb, uri, lines)) })
  }

  routed(listener: string, basePath: string, pathSuffix: string): void {
    if (!this.whole) return
    this.#add({ at: this.#now(), type: 'routed', listener, basePath, pathSuffix }, pathSuffix.length)
  }

  condition(name: string, expression: string, result: boolean, reads: readonly VariableRead[]): void {
    let size = expression.length + name.length
    for (const { name: read, value } of reads) size += read.length + (value?.length ?? 0)
    if (this.#fits(size)) this.#add({ at: this.#now(), type: 'condition', name, expression, result, reads }, size)
    else this.#drop(size)
  }

  /** Said again when a further try is sent the same way; told once. */
  routeChosen(rule: string, target: string, none: boolean): void {
    const route = `${rule}\n${target}`
    if (route === this.#route) return
    this.#route = route
    this.#add({ at: this.#now(), type: 'route-chosen', rule, target, none })
  }

  variable(name: string, value: string): void {
    if (!this.whole) return
    if (this.#fits(value.length)) this.#add({ at: this.#now(), type: 'variable', name, value }, value.length)
    else this.#drop(value.length)
  }

  /** Body bytes of the request are to come. `framed`: with the chunked framing that they came with. */
  requestData(buf: Buffer, start: number, end: number, framed: boolean): void {
    if (this.whole) this.#body(this.#requestBody, buf, start, end, framed)
  }

  requestEnd(): void {
    if (!this.#requestBody.begun) return
    this.#add({ at: this.#now(), type: 'request-body', body: this.#requestBody.body })
    this.#requestBody.begun = false
  }

  // -- the backend ----------------------------------------------------------------------------------------------------

  serverChosen(target: string, server: string): void {
    this.#add({ at: this.#now(), type: 'server-chosen', target, server, attempt: ++this.#attempts })
  }

  waiting(target: string, server: string): void {
    this.#add({ at: this.#now(), type: 'waiting', target, server })
  }

  /** Before it is given the request. */
  connected(upstream: Upstream): void {
    const reused = upstream.uses > 0
    const story = this.whole || !reused ? this.#fittingStory(upstream.story()) : shortStory(upstream)
    this.#add({ at: this.#now(), type: 'connected', reused, uses: upstream.uses + 1, story })
  }

  connectFailed(fault: Fault, story: ConnectionStory | null): void {
    const kept = story === null ? null : this.#fittingStory(story)
    this.#add({ at: this.#now(), type: 'connect-failed', story: kept, fault: this.#fault(fault) })
  }

  /** @param text of the head, as it goes to the backend */
  requestSent(text: string): void {
    this.#add({ at: this.#now(), type: 'request-sent', message: this.#message(() => recordedRequest(text)) })
  }

  /** Fields of a head that goes as fields. `id`: of x-request-id, where it is added; ''. */
  requestFieldsSent(verb: string, uri: string, lines: string, id: string): void {
    const all = id === '' ? lines : `${lines}x-request-id: ${id}\r\n`
    const message = this.#message(() => inLowerCase(requestMessage(verb, uri, all)))
    this.#add({ at: this.#now(), type: 'request-sent', message })
  }

  informational(status: number): void {
    this.#responseHead = ''
    this.#add({ at: this.#now(), type: 'informational', status })
  }

  /** The head that is told next, as it came; a side without it tells the fields that were read. */
  responseRead(buf: Buffer, start: number, end: number): void {
    if (this.whole) this.#responseHead = latin1(buf, start, end)
  }

  /** `framed` as in `requestData`. */
  responseReceived({ status, reason, lines }: AnyResponseHead, protocol: string, framed: boolean): void {
    this.#framed = framed
    const read = this.#responseHead
    this.#responseHead = ''
    const message = this.#message(() =>
      read === '' ? responseMessage(status, protocol === 'HTTP/2.0' ? '' : reason, lines) : recordedResponse(read),
    )
    this.#add({ at: this.#now(), type: 'response-received', message, protocol })
  }

  responseData(buf: Buffer, start: number, end: number): void {
    if (this.whole) this.#body(this.#responseBody, buf, start, end, this.#framed)
  }

  responseEnd(): void {
    if (!this.#responseBody.begun) return
    this.#add({ at: this.#now(), type: 'response-body', body: this.#responseBody.body })
    this.#responseBody.begun = false
  }

  tryFailed(fault: Fault): void {
    this.#add({ at: this.#now(), type: 'try-failed', fault: this.#fault(fault) })
  }

  tunnel(): void {
    this.#add({ at: this.#now(), type: 'tunnel' })
  }

  // -- the answer -----------------------------------------------------------------------------------------------------

  /** `code` and `source`: as the profile renders the fault; '' where it is not rendered. */
  fault(fault: Fault, code: string, source: string): void {
    this.#code = code
    this.#source = source
    this.#last({ at: this.#now(), type: 'fault', fault: this.#fault(fault) })
  }

  /** @param text of the head, as it goes to the client */
  responseSent(text: string): void {
    this.#responseSent(this.#message(() => recordedResponse(text)))
  }

  responseFieldsSent(status: number, lines: string): void {
    this.#responseSent(this.#message(() => inLowerCase(responseMessage(status, '', lines))))
  }

  /** A body of the gateway's own. */
  answerBody(text: string): void {
    if (text === '' || !this.whole) return
    const bytes = Buffer.from(text, 'latin1')
    this.#framed = false
    this.responseData(bytes, 0, bytes.length)
    this.responseEnd()
  }

  ended(): void {
    this.requestEnd()
    this.responseEnd()
    this.#last({ at: this.#now(), type: 'ended' })
  }

  // -------------------------------------------------------------------------------------------------------------------

  #responseSent(message: RecordedMessage | null): void {
    this.#last({ at: this.#now(), type: 'response-sent', message, code: this.#code, source: this.#source })
  }

  #now(): number {
    return performance.now() - this.#start
  }

  #add(step: RecordedStep, bytes = 0): void {
    if (this.steps.length >= maxSteps - reservedSteps) {
      this.droppedSteps++
      return
    }
    this.#left -= stepBytes + bytes
    this.steps.push(step)
  }

  #last(step: RecordedStep): void {
    if (this.steps.length >= maxSteps) this.droppedSteps++
    else this.steps.push(step)
  }

  #fits(bytes: number): boolean {
    return bytes <= this.#left
  }

  #drop(bytes: number): void {
    this.droppedSteps++
    this.droppedBytes += bytes
  }

  #message(read: () => RecordedMessage): RecordedMessage | null {
    return this.whole ? this.#fitting(read()) : null
  }

  /** With as many of its headers as there is room for. */
  #fitting(message: RecordedMessage): RecordedMessage {
    let kept = 0
    this.#left -= message.uri.length
    for (const [name, value] of message.headers) {
      const bytes = name.length + value.length + pairBytes
      if (!this.#fits(bytes)) break
      this.#left -= bytes
      kept++
    }
    if (kept === message.headers.length) return message
    for (const [name, value] of message.headers.slice(kept)) this.droppedBytes += name.length + value.length
    return { ...message, headers: message.headers.slice(0, kept) }
  }

  #fittingStory(story: ConnectionStory): ConnectionStory {
    const bytes = JSON.stringify(story).length
    if (this.#fits(bytes)) {
      this.#left -= bytes
      return story
    }
    this.droppedBytes += bytes
    return withoutChain(story)
  }

  #fault(fault: Fault): RecordedFault {
    const recorded = recordedFault(fault)
    const bytes = JSON.stringify(recorded.evidence).length
    if (this.#fits(bytes)) {
      this.#left -= bytes
      return recorded
    }
    this.droppedBytes += bytes
    return { ...recorded, evidence: {} }
  }

  #body(body: BodyCapture, buf: Buffer, start: number, end: number, framed: boolean): void {
    if (!body.begun) body.begin(framed)
    const most = Math.min(this.#bodyBytes - body.keptBytes, this.#left)
    this.#left -= body.add(buf, start, end, most)
  }
}
