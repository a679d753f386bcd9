import type { HttpCheckPlan } from '../plan.ts'

/** The request of a check, and its answer as far as a check wants to know it. */
export interface Question {
  /** To be written when the connection is open. */
  readonly text: Buffer
  /** To be written now, as an answer to what was read last; null: nothing. */
  readonly reply: Buffer | null
  /** Takes buf[0, end). @returns the final status, `unanswered`, or why the answer is refused */
  read(buf: Buffer, end: number): number | string
}

export interface QuestionPlan {
  readonly check: HttpCheckPlan
  readonly scheme: 'http' | 'https'
  /** Most bytes of the answer's head. */
  readonly headBytes: number
}

/** No final status yet. */
export const unanswered = 0

/** What a check says besides its target: who asks, and that nothing follows where a method lets one expect it (RFC 9110 section 8.6). */
export function headLines(method: string): string {
  const length = method === 'POST' || method === 'PUT' || method === 'PATCH' ? 'Content-Length: 0\r\n' : ''
  return `User-Agent: postern-check\r\n${length}`
}
