import { incomplete } from '../../wire/h1/request-head.ts'
import { ResponseHead } from '../../wire/h1/response-head.ts'
import { headLines, type Question, type QuestionPlan, unanswered } from './question.ts'

/** Asks in HTTP/1.1. The body of the answer is nobody's: the connection ends with its head. */
export class Http1Question implements Question {
  readonly text: Buffer
  readonly reply = null
  readonly #head = new ResponseHead()
  readonly #limit: number
  #held: Buffer = Buffer.alloc(0)

  constructor(plan: QuestionPlan) {
    const { method, path, host, body } = plan.check
    this.#limit = plan.headBytes
    const lines = `Host: ${host}\r\n${headLines(plan.check)}Connection: close\r\n`
    const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`, 'latin1')
    this.text = body === '' ? head : Buffer.concat([head, Buffer.from(body)])
  }

  get lines(): string {
    return this.#head.lines
  }

  read(buf: Buffer, end: number): number | string {
    // The buffer belongs to all connections; heads of answers to checks are small and few.
    this.#held = Buffer.concat([this.#held, buf.subarray(0, end)])
    let at = 0
    while (at < this.#held.length) {
      const read = this.#head.read(this.#held, at, this.#held.length, this.#limit)
      if (read === incomplete) return unanswered
      if (typeof read !== 'number') return read.summary
      if (this.#head.status >= 200) return this.#head.status
      at = read
      // All of them together stay within the limit of one. (I10)
      if (at > this.#limit) return 'informational responses without end'
    }
    this.#held = Buffer.alloc(0)
    return unanswered
  }
}
