import { setImmediate as breath } from 'node:timers/promises'
import { aliasCertificates, storeRead } from '../../compat/apigee/store-trust.ts'
import { PosternError } from '../../core/errors.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { storeUses } from './store-uses.ts'

/** Milliseconds after which others have their turn. */
const slice = 8

/**
 * Reads the stores that nothing uses, beside whatever else is to be done: those that run were read when they were compiled,
 * and the first who asks for a list should not wait for thousands of others.
 */
export async function warmStores(
  gateway: Pick<NativeGateway, 'stored' | 'resolved'>,
  ended: AbortSignal,
): Promise<void> {
  const { keystores } = gateway.stored
  let began = performance.now()
  for (const store of keystores.values()) {
    if (performance.now() - began > slice) {
      await breath()
      began = performance.now()
    }
    if (ended.aborted) return
    storeRead(store, gateway.resolved.config.apigee.partialChain)
    for (const alias of store.aliases.values()) readable(() => aliasCertificates(alias))
  }
  await breath()
  if (!ended.aborted) storeUses(gateway)
}

/** One that cannot be read is the matter of whoever asks for it. */
function readable(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
  }
}
