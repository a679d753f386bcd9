/** Who can mend a fault. `client` is the caller of the gateway; the others are the parties of a verdict. */
export type Party = 'gateway' | 'backend' | 'network' | 'client-identity' | 'client'

export interface PosternErrorOptions extends ErrorOptions {
  readonly party?: Party
  readonly evidence?: Readonly<Record<string, unknown>>
}

/**
 * The one base of every error this project throws on purpose: a stable `code`, the party at fault, evidence as plain
 * data, and the cause. Anything else that reaches a top level is a bug and is reported as one.
 */
export class PosternError extends Error {
  override readonly name: string = 'PosternError'
  readonly code: string
  readonly party: Party
  readonly evidence: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, options: PosternErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.party = options.party ?? 'gateway'
    this.evidence = options.evidence ?? {}
  }
}

/** The text of anything that was thrown; for evidence, never for a decision. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The `code` that Node and this project put on errors, or '' where there is none. */
export function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return ''
  return typeof thrown.code === 'string' ? thrown.code : ''
}
