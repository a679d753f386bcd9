/*
 * A transaction as Edge shows it: a list of points, each with what was seen at it (apigee-edge.md 4). XML, JSON and files
 * are written of it, and read to it.
 */

export interface EdgeTransaction {
  /** Message id. */
  readonly id: string
  readonly completed: boolean
  readonly points: readonly EdgePoint[]
}

export interface EdgePoint {
  /** `StateChange`, `Condition`, `FlowInfo`, `Error`, ... */
  readonly id: string
  /** Readers go by position: DebugInfo, then a message, then variables. */
  readonly results: readonly EdgeResult[]
}

export type EdgeResult =
  | {
      readonly kind: 'DebugInfo'
      /** Ms since the epoch; null: the file has none. */
      readonly at: number | null
      readonly properties: readonly EdgePair[]
    }
  | {
      readonly kind: 'RequestMessage'
      readonly headers: readonly EdgePair[]
      readonly uri: string
      readonly verb: string
      readonly content: string
    }
  | {
      readonly kind: 'ResponseMessage'
      readonly headers: readonly EdgePair[]
      readonly reason: string
      readonly status: string
      readonly content: string
    }
  | { readonly kind: 'VariableAccess'; readonly accesses: readonly EdgeAccess[] }

export type EdgePair = readonly [name: string, value: string]

export interface EdgeAccess {
  readonly kind: 'get' | 'set' | 'remove'
  readonly name: string
  /** null: there is no such variable. */
  readonly value: string | null
  /** Of a `set`. */
  readonly success: boolean
}

/** What an offline file holds. */
export interface EdgeSession {
  /** Ms since the epoch. */
  readonly retrieved: number
  readonly organization: string
  readonly environment: string
  readonly api: string
  readonly revision: string
  readonly sessionId: string
  readonly transactions: readonly EdgeTransaction[]
}
