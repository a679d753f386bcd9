import type { ReadRequest } from './backend-readers.ts'
import type { Seen } from './counting-backend.ts'
import type { OtherPeer } from './peers.ts'

/** What a proxy made of one message: what its backend saw, and what its client saw. */
export interface Reading {
  readonly seen: Seen
  /** Everything that the client got. */
  readonly received: string
  /** Final responses that the client got. */
  readonly answers: readonly Answer[]
  /** Another client's request right after the message: what it was answered, '' for nothing. */
  readonly victim: string
  /** The proxy ended neither on its own nor when the client had ended. */
  readonly hung: boolean
}

export interface Answer {
  readonly status: number
  /** The request that the backend meant it for; '' where it was not the backend that answered. */
  readonly to: string
}

/** A difference that is not ambiguity. States exactly what the peer does, so that it hides no other difference. */
export interface Exception {
  readonly message: string
  readonly peer: OtherPeer
  /** What the peer forwards instead, as `comparable` says it; `[]`: it refuses the message. */
  readonly forwards: readonly string[]
  readonly why: string
}

/**
 * The rule (I8): what two readers read differently is never forwarded. Compared is what reached the backends: methods,
 * targets, hosts, bodies. That a reader ends the connection behind a message is no other reading of it, so a marker that
 * was read as itself does not count.
 *
 * @param lead requests before the message that is tried
 * @returns what is wrong, or null
 */
export function broken(
  message: string,
  lead: number,
  gateway: readonly string[],
  others: ReadonlyMap<OtherPeer, readonly string[]>,
  exceptions: readonly Exception[],
): string | null {
  // It was refused: whatever the others do, nobody gets to see two readings.
  if (gateway.length <= lead) return null
  for (const [peer, forwards] of others) {
    if (same(forwards, gateway)) continue
    const exception = exceptions.find((each) => each.message === message && each.peer === peer)
    if (exception !== undefined && same(exception.forwards, forwards)) continue
    return `forwarded as ${JSON.stringify(gateway)}, but ${peer} reads ${JSON.stringify(forwards)}`
  }
  return null
}

/** What a reading comes to: `METHOD target host body` of each request, without a marker that was read as one. */
export function forwardedBy(reading: Reading): readonly string[] {
  const texts = reading.seen.requests.map(describe)
  return markerRead(reading) ? texts.slice(0, -1) : texts
}

/** The same with host names as they compare with others': NGINX's `$host` has neither their case nor their port. */
export function comparable(reading: Reading): readonly string[] {
  const { seen } = reading
  const requests = seen.requests.map((each) => ({ ...each, host: each.host.toLowerCase().replace(/:\d*$/, '') }))
  return forwardedBy({ ...reading, seen: { ...seen, requests } })
}

export function markerRead(reading: Reading): boolean {
  const final = reading.seen.requests.at(-1)
  return final !== undefined && describe(final) === 'GET /base/marker api.test'
}

function describe({ method, target, host, body }: ReadRequest): string {
  return `${method} ${target} ${host}${body === '' ? '' : ` ${body}`}`
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}

/** Final responses in what a client got. A head whose answer has no body is known by the request it names. */
export function answersIn(received: string): readonly Answer[] {
  const answers: Answer[] = []
  for (let at = received.indexOf('HTTP/1.'); at !== -1; at = received.indexOf('HTTP/1.', at)) {
    const bodyStart = received.indexOf('\r\n\r\n', at) + 4
    if (bodyStart === 3) break
    const head = received.slice(at, bodyStart)
    const status = Number(head.slice(9, 12))
    const to = /\r\nx-answer: \d+ ([^\r]*)/i.exec(head)?.[1] ?? ''
    at = bodyStart
    if (status < 200) continue
    answers.push({ status, to })
    if (!to.startsWith('HEAD ')) at += Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
  }
  return answers
}
