import type { AuditRetention } from './audit-pruning.ts'
import type { Kind, Kinds } from './kinds.ts'

/** One stored object without its bytes. */
export interface StoredObject<K extends Kind = Kind> {
  readonly kind: K
  /** Segments joined by '/'; '' at the top. */
  readonly scope: string
  readonly name: string
  readonly body: Kinds[K]
  /** Rises with every change of any object; equal versions are equal content, bytes and secret included. */
  readonly version: number
  readonly hasSecret: boolean
}

/** What an object becomes. Leaving out `blob` or `secret` keeps what there is; null removes it. */
export interface ObjectContent<K extends Kind> {
  readonly body: Kinds[K]
  readonly blob?: Uint8Array | null
  /** Encrypted at rest (I7). */
  readonly secret?: Uint8Array | null
}

/** Reading at one moment: a view sees no change that is made beside it. Lists are in order of scope, then name. */
export interface StateView {
  get<K extends Kind>(kind: K, scope: string, name: string): Promise<StoredObject<K> | null>
  list<K extends Kind>(kind: K, scope: string, page?: Page): Promise<readonly StoredObject<K>[]>
  /** Everything of the kind whose scope is `scope` or lies below it; '' is everything. */
  below<K extends Kind>(kind: K, scope: string): Promise<readonly StoredObject<K>[]>
  names(kind: Kind, scope: string, page?: Page): Promise<readonly string[]>
  blob(kind: Kind, scope: string, name: string): Promise<Buffer | null>
  /** Decrypted. Whoever asks must not let it out of the process (I7). */
  secret(kind: Kind, scope: string, name: string): Promise<Buffer | null>
}

export interface Page {
  /** Names after this one. */
  readonly after?: string
  /** From this one on. */
  readonly from?: string
  readonly limit?: number
}

/** The one writer. Nothing of it is seen by others before `commit`; whoever awaited that, has it on disk. */
export interface StateTransaction extends StateView {
  put<K extends Kind>(kind: K, scope: string, name: string, content: ObjectContent<K>): Promise<void>
  /** @returns whether it was there */
  delete(kind: Kind, scope: string, name: string): Promise<boolean>
  /** Objects of the kind in `scope` or below it. @returns how many */
  deleteBelow(kind: Kind, scope: string): Promise<number>
  /** In the same transaction as the change it tells of. */
  audit(entry: AuditEntry): Promise<void>
  /** Kinds that were changed so far. */
  readonly changed: ReadonlySet<Kind>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** Append-only. No body of a request is kept: it may hold keys and passwords (I7). */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly user: string
  /** Peer address. */
  readonly from: string
  /** `CREATE`, `UPDATE`, `DELETE`, `DEPLOY`, `UNDEPLOY`, `LOGIN`, ... as Edge writes it. */
  readonly operation: string
  readonly method: string
  /** Path and query, secrets left out. */
  readonly uri: string
  readonly status: number
  /** '' where it belongs to none. */
  readonly organization: string
  /** What became what: `refers partners-2026 -> partners-2027`. Never a secret. */
  readonly detail?: string
}

export interface AuditQuery {
  readonly organization?: string
  /** Milliseconds since the epoch, inclusive. */
  readonly start?: number
  readonly end?: number
  readonly user?: string
  /** Newest first; default 100, at most 10,000. */
  readonly rows?: number
}

/**
 * Where managed objects are kept. Small on purpose: SQLite implements it in this process, a server such as PostgreSQL can.
 * Throws PosternError `state-*`.
 */
export interface StateStore extends AsyncDisposable {
  read<T>(work: (view: StateView) => Promise<T>): Promise<T>
  /** Waits for the writer before it. Must end with `commit` or `rollback`. */
  begin(): Promise<StateTransaction>
  /** Of what changes nothing: refused logins, refused requests. */
  audit(entry: AuditEntry): Promise<void>
  audits(query: AuditQuery): Promise<readonly AuditEntry[]>
  /** Removes the oldest entries that need not be kept, a few in each turn of the writer. @returns how many */
  pruneAudits(retention: AuditRetention, now: number): Promise<number>
  /** A complete copy, consistent while others read and write. */
  backup(file: string): Promise<void>
  close(): Promise<void>
}
