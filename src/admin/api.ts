import { PosternError } from '../core/errors.ts'
import type { StateStore, StateTransaction, StateView } from '../state/types.ts'
import type { Role } from '../state/kinds.ts'

/** One operation of the management API. The table of these is what is routed, documented, and tested for access. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/v1/organizations/:org/environments/:env/keystores/:keystore`; Edge's short spellings are brought to this one. */
  readonly path: string
  /**
   * The least role that may, in the organization of `:org` (of every organization where the path has none). `user`: whoever
   * is logged in; what he sees is the route's to choose. `anyone`: nobody is asked who he is.
   */
  readonly role: Role | 'user' | 'anyone'
  /** The organization is the query's `org` and not a part of the path; its role counts, and it is in `params`. */
  readonly organization?: 'query'
  /** Bytes of a request body; more get 413. Default 1 MiB. */
  readonly maxBody?: number
  /** Entry in the audit trail; default by the method: CREATE, UPDATE, DELETE. GETs have none, nor has ''. */
  readonly operation?: string
  /** Status in the entry that is written with a change, before the answer is known: default 201 for CREATE, else 200. */
  readonly success?: number
  /** For the OpenAPI document; operations of the Edge-compatible API have none. */
  readonly doc?: ApiDoc
  handle(call: ApiCall): Promise<ApiAnswer>
}

export interface ApiDoc {
  readonly summary: string
  /** Default: made of method and path, which is another's already where only the environment makes the difference. */
  readonly operationId?: string
  /** Zod schemas; see native/openapi.ts. */
  readonly body?: unknown
  readonly answer?: unknown
  readonly query?: unknown
  /** Media types of the body; default `application/json`. */
  readonly bodyTypes?: readonly string[]
  /** Other forms of the answer: schemas by media type. */
  readonly answerTypes?: Readonly<Record<string, unknown>>
  /** Fields of the request that it needs, and what they say. */
  readonly headers?: Readonly<Record<string, string>>
  /** Status of the answer; default by the method: 201 for POST that creates (`operation` left out), 200 else. */
  readonly status?: number
  /** Statuses of its own, beside those that every operation may answer with. */
  readonly errors?: Readonly<Record<number, string>>
}

export interface ApiCall {
  readonly method: string
  /** Decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** Content-Type without its parameters, lower case; '' for none. */
  readonly contentType: string
  readonly principal: Principal
  /** Whole, at most `maxBody`. */
  body(): Promise<Buffer>
  /** Parsed; throws 400 `bad-json`. `{}` for an empty body. */
  json(): Promise<unknown>
  /** Of the query and of a form body together (apigee-edge.md 1.3, rule 9). */
  form(): Promise<URLSearchParams>
  /** For the audit trail, before the change ends: what becomes what, without secrets. */
  note(detail: string): void
  readonly services: AdminServices
}

export interface Principal {
  readonly user: string
  /** By organization, `*` for all. */
  readonly roles: Readonly<Record<string, Role>>
  readonly via: 'password' | 'token' | 'oauth' | 'anyone'
  readonly from: string
}

export type ApiAnswer =
  | { readonly status: number; readonly json: unknown; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly status: number
      readonly bytes: Uint8Array | string
      readonly type: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** Server-sent events and the like; ends when the client goes or the server closes. */
  | {
      readonly status: number
      readonly stream: ReadableStream<Uint8Array>
      readonly type: string
      readonly headers?: Readonly<Record<string, string>>
    }

export interface AdminServices {
  readonly store: StateStore
  /**
   * Changes stored objects. What the change does to running traffic is compiled and built on every worker before anything
   * is kept; then it is on disk; then it is in force everywhere; then this returns. Throws what `work` throws, and
   * ApiError 400 `change-refused` with the problems where it cannot run: then nothing has changed (I3).
   */
  change<T>(call: Pick<ApiCall, 'principal'>, work: (tx: StateTransaction) => Promise<T>): Promise<T>
  read<T>(work: (view: StateView) => Promise<T>): Promise<T>
  readonly clock: () => number
  /** The running gateway as the native API shows it. */
  readonly gateway: GatewayView
}

/** What the management API may ask of the gateway. */
export interface GatewayView {
  readonly generation: number
  readonly organization: string
  status(): Readonly<Record<string, unknown>>
  /** Findings of the stored objects in force. */
  findings(): readonly {
    readonly code: string
    readonly severity: string
    readonly object: string
    readonly message: string
  }[]
}

/**
 * An error that the API answers with. `body` decides its shape: Edge's `{code, message, contexts}` under /v1, and
 * `{error: {code, message, ...evidence}}` under /api; whoever throws need not know which.
 */
export class ApiError extends PosternError {
  override readonly name: string = 'ApiError'
  readonly status: number

  constructor(
    status: number,
    code: string,
    message: string,
    evidence: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super(code, message, { party: 'client', evidence, ...(cause === undefined ? {} : { cause }) })
    this.status = status
  }
}

export const json = (status: number, value: unknown): ApiAnswer => ({ status, json: value })
