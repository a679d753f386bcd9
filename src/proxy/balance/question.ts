import { headerValues } from '../header-values.ts'
import type { HttpCheckPlan } from '../plan.ts'

/** The request of a check, and its answer as far as a check wants to know it. */
export interface Question {
  /** To be written when the connection is open. */
  readonly text: Buffer
  /** To be written now, as an answer to what was read last; null: nothing. */
  readonly reply: Buffer | null
  /** Takes buf[0, end). @returns the final status, `unanswered`, or why the answer is refused */
  read(buf: Buffer, end: number): number | string
  /** Header lines of the final answer, each with its CRLF; those that speak of one hop are not among them. */
  readonly lines: string
}

export interface QuestionPlan {
  readonly check: HttpCheckPlan
  readonly scheme: 'http' | 'https'
  /** Most bytes of the answer's head. */
  readonly headBytes: number
}

/** No final status yet. */
export const unanswered = 0

/** Longest body of a check: as much as a server takes before it has said anything (RFC 9113 section 6.9.2). */
export const maxBodyBytes = 65_535

/** What a check says besides its target: who asks, its own headers, and how much follows where a method lets one expect it (RFC 9110 section 8.6). */
export function headLines({ method, headers, body }: HttpCheckPlan): string {
  const expected = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const length = body !== '' || expected ? `Content-Length: ${Buffer.byteLength(body)}\r\n` : ''
  const agent = headerValues(headers, 'user-agent').length > 0 ? '' : 'User-Agent: postern-check\r\n'
  return `${agent}${headers}${length}`
}
