import { randomBytes } from 'node:crypto'
import type { PosternEvent } from '../../observe/events.ts'

/** An event with its place in the order of this process: `RUN-NUMBER`. */
export interface NumberedEvent {
  readonly number: number
  readonly type: PosternEvent['type']
  /** One event of a stream (WHATWG HTML, section 9.2.5), its blank line included. */
  readonly text: string
}

/** I10. */
const maxEvents = 1000
const maxBytes = 4 * 1024 * 1024

/** The newest events, for whoever comes back after a while. */
export class EventRing {
  /** Another one after each start, so that a number of another run is not taken for one of this. */
  readonly #run = randomBytes(6).toString('hex')
  readonly #events: NumberedEvent[] = []
  #bytes = 0
  #next = 1

  add(event: PosternEvent): NumberedEvent {
    const number = this.#next++
    const { type } = event
    const text = `id: ${this.#run}-${number}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`
    const numbered = { number, type, text }
    this.#events.push(numbered)
    this.#bytes += text.length
    while (this.#events.length > maxEvents || (this.#bytes > maxBytes && this.#events.length > 1)) {
      this.#bytes -= this.#events.shift()?.text.length ?? 0
    }
    return numbered
  }

  /** Those after the one of this id; `missed`: there were more, and they are gone. '' has missed nothing, and gets none. */
  after(id: string): { readonly events: readonly NumberedEvent[]; readonly missed: boolean } {
    if (id === '') return { events: [], missed: false }
    const [, run, text] = /^([0-9a-f]+)-(\d{1,15})$/.exec(id) ?? []
    const number = Number(text)
    if (run !== this.#run || number >= this.#next) return { events: [...this.#events], missed: true }
    const first = this.#events[0]?.number ?? this.#next
    return { events: this.#events.filter((event) => event.number > number), missed: number + 1 < first }
  }
}
