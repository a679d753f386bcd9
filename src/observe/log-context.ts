import type { AccessRecord, PosternEvent } from './events.ts'

/** What a log line says of the process that wrote it. */
export interface LogContext {
  readonly organization: string
  readonly environment: string
  readonly region: string
  readonly hostName: string
  readonly pid: number
  /** `apim-text` only: print an exception over several lines, as the original does. Default: one line each. */
  readonly multiline?: boolean
}

/** Complete lines, each ending in '\n'; '' where the format has no line for it. */
export type AccessFormatter = (record: AccessRecord) => string
export type EventFormatter = (event: PosternEvent) => string
