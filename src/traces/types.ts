import type { RecordedTransaction } from '../observe/recording.ts'
import type { EdgeSession } from './edge-model.ts'
import type { MaskSet } from './mask.ts'

/** What somebody asks for when a debug session begins. */
export interface SessionRequest {
  /** Unique for the proxy and revision; made up where it is ''. */
  readonly name: string
  readonly organization: string
  readonly environment: string
  readonly proxy: string
  /** null: whichever runs. */
  readonly revision: string | null
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly statuses: readonly (readonly [number, number])[]
  readonly failuresOnly: boolean
  /** Default 600; at most 3600. */
  readonly timeoutSeconds: number
  /** Default 20; at most 200. */
  readonly maxTransactions: number
  readonly bodyBytes: number
  readonly masks: MaskSet
  /** Credentials that are hidden otherwise (credentials.ts) are kept as they came. */
  readonly showCredentials: boolean
  readonly user: string
}

export interface TraceSession {
  readonly id: string
  readonly request: SessionRequest
  readonly startedAt: number
  /** When it ends by itself, or has ended. */
  readonly until: number
  readonly active: boolean
  /** Why it ended; '' while it runs. */
  readonly ended: '' | 'timeout' | 'full' | 'deleted' | 'gone' | 'imported'
  /** Masked. In the order they ended. */
  readonly transactions: readonly RecordedTransaction[]
  /** null: it was recorded here. Else what a file held; there are no transactions then. */
  readonly imported: EdgeSession | null
  readonly bytes: number
}

/** Where an imported session is shown, whatever its file says. */
export interface ImportPlace {
  readonly organization: string
  readonly environment: string
  readonly bytes: number
  readonly user: string
}

/** Debug sessions of this gateway. All in memory and bounded (I10). */
export interface Traces {
  /** Throws `trace-exists`, `trace-limit` (sessions at once). Whether the proxy runs is the caller's to know. */
  start(request: SessionRequest): TraceSession
  list(organization: string, environment: string, proxy: string, revision: string | null): readonly TraceSession[]
  all(): readonly TraceSession[]
  get(id: string): TraceSession | null
  /** Keeps what a file held, read-only. Throws `trace-limit`. `bytes`: of the file. */
  importSession(session: EdgeSession, place: ImportPlace): TraceSession
  /** The transaction of a request in any session that hides credentials. */
  find(id: string): { readonly session: TraceSession; readonly transaction: RecordedTransaction } | null
  /** Its data goes with it. @returns whether it was there */
  delete(id: string): boolean
}
