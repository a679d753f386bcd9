import { AuditTrail } from '../config/schema.ts'
import type { Config } from '../config/schema.ts'
import { messageOf } from '../core/errors.ts'
import type { StateStore } from '../state/types.ts'

const hour = 3_600_000

/** What the configuration in force keeps of the audit trail is kept, and no more: now, and once an hour. @returns ends it */
export function keepAuditTrail(options: {
  readonly store: Pick<StateStore, 'pruneAudits'>
  /** As it is then. */
  readonly config: () => Pick<Config, 'management'>
  readonly clock: () => number
  readonly onError: (message: string) => void
  readonly every?: number
}): () => Promise<void> {
  const { store, config, clock, onError, every = hour } = options
  let running: Promise<void> | null = null
  const prune = async (): Promise<void> => {
    try {
      await store.pruneAudits(config().management?.audit ?? AuditTrail.parse({}), clock())
    } catch (error) {
      onError(messageOf(error))
    }
  }
  const begin = (): void => {
    running ??= prune().finally(() => (running = null))
  }
  begin()
  const timer = setInterval(begin, every)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
