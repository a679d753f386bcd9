/**
 * What is said of a receiver: one warning when something begins to fail, one when it works again, however often it is tried
 * in between. `receiver` is the way to it; a kind of telemetry is what it answers to that.
 */
export class Health {
  readonly #warn: (code: string, message: string) => void
  readonly #endpoint: string
  readonly #failing = new Set<string>()

  constructor(endpoint: string, warn: (code: string, message: string) => void) {
    this.#endpoint = endpoint
    this.#warn = warn
  }

  failing(subject: string, reason: string): void {
    if (this.#failing.has(subject)) return
    this.#failing.add(subject)
    this.#warn(
      'otlp-failing',
      subject === receiver
        ? `nothing can be sent to ${this.#endpoint}: ${reason}`
        : `${this.#endpoint} does not take ${subject}: ${reason}`,
    )
  }

  /** @param lost so far, of what this is about */
  works(subject: string, lost: number): void {
    if (!this.#failing.delete(subject)) return
    const losses = lost === 0 ? '' : `; lost since the start: ${lost}`
    this.#warn(
      'otlp-restored',
      subject === receiver
        ? `${this.#endpoint} can be reached again${losses}`
        : `${this.#endpoint} takes ${subject} again${losses}`,
    )
  }

  /** Once for each kind: what is refused in part is refused again and again. */
  partly(subject: string, reason: string): void {
    const key = `partly ${subject}`
    if (this.#failing.has(key)) return
    this.#failing.add(key)
    this.#warn('otlp-partial', `${this.#endpoint} takes only a part of the ${subject}: ${reason}`)
  }
}

/** The subject that is none of the kinds of telemetry. */
export const receiver = 'receiver'
