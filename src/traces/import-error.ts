import { PosternError } from '../core/errors.ts'

/** A file of a debug session that cannot be read, and where. */
export class TraceFileError extends PosternError {
  override readonly name = 'TraceFileError'

  constructor(place: string, why: string, cause?: unknown) {
    super('trace-file', place === '' ? why : `${place}: ${why}`, {
      party: 'client',
      evidence: { place },
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

/** I10: of one file. */
export const importLimits = {
  bytes: 16 * 1024 * 1024,
  transactions: 200,
  points: 10_000,
  /** Properties, headers and accesses of one point. */
  items: 2000,
}
