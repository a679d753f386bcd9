import type { Config } from '../config/schema.ts'
import type { ManagedView } from '../config/managed-view.ts'
import type { StateStore, StateTransaction } from '../state/types.ts'
import { checkAdminPassword, ensureAdmin, type FirstAdmin, hasUsers } from './access/first-admin.ts'
import { type Seed, seedInto } from './seed.ts'
import type { ManagedObjects } from './services.ts'

/** What a start adds to the state. None of it is there unless the gateway came up: a start that failed leaves nothing behind. */
export interface FirstStart {
  /** The stored objects with what is added. */
  load(config: Config): Promise<ManagedView>
  /** Listeners and the management port are open: what was added stays, and somebody may log in. */
  keep(): Promise<void>
  drop(): Promise<void>
  /** null: there were users already. */
  readonly admin: FirstAdmin | null
}

/** Throws `bad-password` where the first user would need another one. */
export async function firstStart(options: {
  readonly store: StateStore
  readonly objects: ManagedObjects
  readonly seedOf: (config: Config) => Seed
  readonly password: string | undefined
  readonly clock: () => number
}): Promise<FirstStart> {
  const { store, objects, seedOf, password, clock } = options
  if (password !== undefined && !(await hasUsers(store))) checkAdminPassword(password)
  let pending: StateTransaction | null = null
  let isKept = false
  let admin: FirstAdmin | null = null
  const drop = async (): Promise<void> => {
    const tx = pending
    pending = null
    await tx?.rollback()
  }
  return {
    get admin() {
      return admin
    },
    drop,

    async load(config) {
      const tx = await store.begin()
      pending = tx
      await seedInto(tx, seedOf(config), clock)
      const after = await objects.after(tx)
      if (after === null) {
        if (tx.changed.size === 0) await drop()
        return objects.load()
      }
      after.keep()
      return after.view
    },

    async keep() {
      if (isKept) return
      isKept = true
      const tx = pending
      pending = null
      await tx?.commit()
      admin = await ensureAdmin(store, { clock, ...(password === undefined ? {} : { password }) })
    },
  }
}
