import type { Socket } from 'node:net'
import { classifyDialFailure } from '../../dial/classify.ts'
import { addressText, type Dialed, type DialHandle, type DialObserver, dial } from '../../dial/dial.ts'
import type { Resolver } from '../../dial/resolver.ts'
import type { TargetTrust } from '../../dial/target-trust.ts'
import { headerValues } from '../header-values.ts'
import type { HealthPlan, HttpCheckPlan, ServerPlan } from '../plan.ts'
import { readBuffer } from '../read-buffer.ts'
import { Http1Question } from './http1-question.ts'
import { Http2Question } from './http2-question.ts'
import { maxBodyBytes, type Question, unanswered } from './question.ts'
import type { CheckFailure } from './server-state.ts'
import { StatusSet } from './status-set.ts'

export interface ServerCheckRequest {
  readonly server: ServerPlan
  readonly plan: HealthPlan
  /** Of the server's pool: checks verify what traffic verifies (I4). */
  readonly trust: TargetTrust | null
  readonly resolver: Resolver
  /** Called once, never before the constructor returns; null: passed. */
  readonly done: (failure: CheckFailure | null) => void
}

/** One check of one server, over a connection of its own. */
export class ServerCheck {
  readonly #request: ServerCheckRequest
  readonly #dial: DialHandle
  readonly #timer: NodeJS.Timeout
  readonly #startedAt = performance.now()
  #dialed: Dialed | null = null
  #question: Question | null = null
  #over = false

  constructor(request: ServerCheckRequest) {
    const { plan, trust, resolver } = request
    const server = checkedServer(request)
    // The dialer knows best what it was waiting for, so connecting gets no more time than the whole check has.
    const connectMs = Math.min(server.timeouts.connectMs, plan.timeoutMs)
    this.#request = { ...request, server }
    this.#dial = dial({
      server: { ...server, timeouts: { ...server.timeouts, connectMs } },
      trust,
      resolver,
      onread: { buffer: readBuffer, callback: (length) => this.#read(length) },
      observer: silent,
      opened: (dialed) => this.#opened(dialed),
      failed: (fault) => this.#end(fault),
    })
    // After the dialer's own, so that one of the same length goes first.
    this.#timer = setTimeout(() => this.#timedOut(), plan.timeoutMs).unref()
  }

  /** Gives up without a result. */
  abandon(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#dial.abandon()
    this.#dialed?.socket.destroy()
  }

  #opened(dialed: Dialed): void {
    const { server, plan } = this.#request
    const { socket } = dialed
    this.#dialed = dialed
    socket.on('error', (error) => this.#broken(error))
    socket.on('end', () => this.#broken(null))
    socket.on('close', () => this.#broken(null))
    if (plan.check.kind === 'tcp') {
      this.#end(null)
      return
    }
    if (Buffer.byteLength(plan.check.body) > maxBodyBytes) {
      this.#failAnswer(`the body of the check is longer than ${maxBodyBytes} bytes`)
      return
    }
    const question = { check: plan.check, scheme: server.scheme, headBytes: server.limits.responseHeaderBytes }
    const h2 = server.h2c || dialed.alpn === 'h2'
    this.#question = h2 ? new Http2Question(question) : new Http1Question(question)
    socket.write(this.#question.text)
  }

  /** @returns false when no more is to be read */
  #read(length: number): boolean {
    const question = this.#question
    const { check } = this.#request.plan
    if (this.#over || question === null || check.kind === 'tcp') return false
    const answer = question.read(readBuffer, length)
    if (question.reply !== null) this.#dialed?.socket.write(question.reply)
    if (answer === unanswered) return true
    if (typeof answer === 'string') this.#failAnswer(`the answer was refused: ${answer}`)
    else if (!new StatusSet(check.statuses).has(answer))
      this.#failAnswer(`answered ${answer}, not ${statusText(check)}`)
    else this.#endByHeaders(check, question.lines)
    return false
  }

  /** The status passes; so must the headers. */
  #endByHeaders({ expectHeaders }: HttpCheckPlan, lines: string): void {
    for (const [name, expected] of expectHeaders) {
      const values = headerValues(lines, name)
      if (values.includes(expected) || values.join(', ') === expected) continue
      const said = values.length === 0 ? 'without it' : `with "${values.join(', ')}"`
      this.#failAnswer(`answered ${said} where the header ${name} must be "${expected}"`)
      return
    }
    this.#end(null)
  }

  #broken(error: Error | null): void {
    if (this.#over) return
    const { server, trust } = this.#request
    const dialed = this.#dialed
    if (dialed !== null && error !== null && trust !== null && /SSL alert number/.test(error.message)) {
      // A TLS 1.3 server refuses our certificate, or the lack of one, after the handshake.
      const fault = classifyDialFailure(error, {
        host: server.host,
        port: server.port,
        phase: 'late',
        timedOut: false,
        path: [],
        clientCertificateSent: server.tls?.clientCertificate != null,
        address: dialed.address,
        localAddress: '',
        connectionAgeMs: performance.now() - this.#startedAt,
      })
      this.#end(fault)
      return
    }
    this.#failAnswer(error === null ? 'the connection was closed' : `the connection broke (${error.message})`)
  }

  #timedOut(): void {
    const { server, plan } = this.#request
    if (this.#dialed !== null) {
      this.#failAnswer(`no answer within ${plan.timeoutMs} ms`)
      return
    }
    this.#dial.abandon()
    // Connecting has no more time than this either and would have ended by itself, so the handshake is what took so long.
    this.#end({
      verdict: 'handshake-timeout',
      party: 'backend',
      summary: `${addressText(server.host, server.port)}: the check was still in its handshake after ${plan.timeoutMs} ms`,
    })
  }

  #failAnswer(what: string): void {
    const { server, plan } = this.#request
    const asked = plan.check.kind === 'http' ? `${plan.check.method} ${plan.check.path}: ` : ''
    const summary = `${addressText(server.host, server.port)}: ${asked}${what}`.slice(0, 1024)
    this.#end({ verdict: null, party: 'backend', summary })
  }

  #end(failure: CheckFailure | null): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    const socket: Socket | undefined = this.#dialed?.socket
    // A passed check, and one that came as far as asking, whatever became of the answer: what is still to be written goes
    // out and the server sees an orderly end, not a reset that it logs every few seconds.
    if (failure === null || this.#question !== null) socket?.destroySoon()
    else socket?.destroy()
    this.#request.done(failure)
  }
}

/** The server as it is checked: at another port where the plan says so, under the same trust (I4). */
function checkedServer({ server, plan }: ServerCheckRequest): ServerPlan {
  return plan.port === null ? server : { ...server, port: plan.port }
}

/** Every check of every server would say the same again and again; what fails is told with its reason. */
const silent: DialObserver = { resolving() {}, offering() {}, presented() {} }

function statusText({ statuses }: HttpCheckPlan): string {
  return statuses.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}
