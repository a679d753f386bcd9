import { loadRuntimeState } from '../compat/apigee/load-runtime-state.ts'
import { managedView } from '../compat/apigee/compile-managed.ts'
import type { RuntimeState } from '../compat/apigee/runtime-state.ts'
import type { ManagedView } from '../config/managed-view.ts'
import type { ManagedChange } from '../control/gateway.ts'
import { PosternError } from '../core/errors.ts'
import type { Kind } from '../state/kinds.ts'
import type { StateStore, StateTransaction } from '../state/types.ts'
import type { Environment } from '../trust/source.ts'
import { type AdminServices, ApiError, type GatewayView } from './api.ts'

/** What changes of stored objects need of the gateway. */
export interface ManagedGateway extends GatewayView {
  applyManaged<T>(work: () => Promise<ManagedChange<T>>): Promise<T>
}

/** The stored objects as they run: what was loaded last, and the view made of it. */
export class ManagedObjects {
  readonly #store: StateStore
  #state: RuntimeState | null = null
  #view: ManagedView | null = null

  readonly #environment: Environment

  /** @param environment for `SSL_CERT_FILE` and `SSL_CERT_DIR` */
  constructor(store: StateStore, environment: Environment) {
    this.#store = store
    this.#environment = environment
  }

  /** What runs. */
  get state(): RuntimeState {
    if (this.#state === null) throw new TypeError('the stored objects have not been loaded')
    return this.#state
  }

  /** For the start of the gateway. */
  async load(): Promise<ManagedView> {
    const state = await this.#store.read((view) => loadRuntimeState(view, null))
    return this.#keep(state, managedView(state, { environment: this.#environment }))
  }

  /** What a transaction has made of them; null where nothing that runs depends on it. */
  async after(tx: StateTransaction): Promise<{ view: ManagedView; keep(): void } | null> {
    if (![...tx.changed].some((kind) => runs.has(kind))) return null
    const state = await loadRuntimeState(tx, this.#state)
    const view = managedView(
      state,
      this.#view === null ? { environment: this.#environment } : { previousView: this.#view },
    )
    return { view, keep: () => void this.#keep(state, view) }
  }

  #keep(state: RuntimeState, view: ManagedView): ManagedView {
    this.#state = state
    this.#view = view
    return view
  }
}

/** The kinds that decide how requests run; see RuntimeState. */
const runs: ReadonlySet<Kind> = new Set<Kind>([
  'environment',
  'keystore',
  'alias',
  'reference',
  'target-server',
  'virtual-host',
  'api-deployment',
  'shared-flow-deployment',
  'flow-hook',
])

export function adminServices(options: {
  readonly store: StateStore
  readonly objects: ManagedObjects
  readonly gateway: ManagedGateway
  readonly clock: () => number
}): AdminServices {
  const { store, objects, gateway, clock } = options
  return {
    store,
    gateway,
    clock,
    read: (work) => store.read(work),
    async change(_call, work) {
      try {
        return await gateway.applyManaged(async () => {
          const tx = await store.begin()
          try {
            const result = await work(tx)
            const after = await objects.after(tx)
            return {
              result,
              view: after?.view ?? null,
              persist: async () => {
                await tx.commit()
                after?.keep()
              },
              abandon: () => tx.rollback(),
            }
          } catch (error) {
            await tx.rollback()
            throw error
          }
        })
      } catch (error) {
        throw refusedChange(error) ?? error
      }
    },
  }
}

/** The stored objects would not run: what was asked for is at fault. null: anything else is what it is. */
function refusedChange(error: unknown): ApiError | null {
  if (!(error instanceof PosternError) || error instanceof ApiError) return null
  const { code, message, evidence } = error
  if (code === 'change-refused') return new ApiError(400, code, message, evidence, error)
  if (evidence['refusedBy'] !== 'worker') return null
  // The system would not have it: a port that somebody else has, a key that OpenSSL does not take.
  const remedy = code === 'listener-failed' ? '; free the port, or give the virtual host another one' : ''
  return new ApiError(400, 'change-refused', `${message}${remedy}`, { code }, error)
}
