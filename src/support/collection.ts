import { messageOf, PosternError } from '../core/errors.ts'
import type { BundleFile, MissingPart } from './types.ts'

/** Gathers a bundle: one part that cannot be had keeps no other away. */
export interface Collection {
  readonly files: readonly BundleFile[]
  readonly missing: readonly MissingPart[]
  add(file: BundleFile): void
  lack(what: string, why: string): void
  /** Does it unless the time is up; what fails is noted, a bug of this program is thrown. null: it was not done. */
  attempt<T>(what: string, work: () => Promise<T> | T): Promise<T | null>
}

export function openCollection(signal: AbortSignal): Collection {
  const files: BundleFile[] = []
  const missing: MissingPart[] = []
  return {
    files,
    missing,
    add: (file) => void files.push(file),
    lack: (what, why) => void missing.push({ what, why }),
    async attempt(what, work) {
      if (signal.aborted) {
        missing.push({ what, why: timeIsUp })
        return null
      }
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) {
          missing.push({ what, why: timeIsUp })
          return null
        }
        // Of the system too: a file that cannot be read is no reason to have no bundle.
        if (!(error instanceof PosternError) && !isSystemError(error)) throw error
        missing.push({ what, why: messageOf(error) })
        return null
      }
    },
  }
}

const timeIsUp = 'the time for a bundle was up'

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && 'syscall' in error
}
