import type { X509Certificate } from 'node:crypto'
import type { ControlPort } from './control-port.ts'
import type { ServerPlan } from './plan.ts'

/** I10. */
const maxSeen = 4096
/** A chain that is still in use is told again after this long. */
const againMs = 60_000

/** Tells the main thread which chains the targets show, each once in a while. */
export class SeenChains {
  readonly #port: ControlPort | null
  /** When it was told last, oldest first. */
  readonly #told = new Map<string, number>()
  /** Servers that have failed since: that they are verified again is news. */
  readonly #failed = new Set<string>()

  constructor(port: ControlPort | null) {
    this.#port = port
  }

  /** A dial failed, whatever of. */
  failed({ target, name, tls }: ServerPlan): void {
    if (this.#port === null || tls === null) return
    if (this.#failed.size >= maxSeen) this.#failed.clear()
    this.#failed.add(`${target} ${name}`)
  }

  /** A full handshake was verified; `path` is asked for only where it is to be told. */
  verified(server: ServerPlan, leafSha256: string, path: () => readonly X509Certificate[]): void {
    if (this.#port === null || server.tls === null) return
    const { target, name, tls } = server
    const key = `${target} ${name} ${tls.snapshotId} ${leafSha256}`
    const now = performance.now()
    const told = this.#told.get(key)
    const again = this.#failed.delete(`${target} ${name}`)
    if (told !== undefined && now - told < againMs && !again) return
    this.#told.delete(key)
    this.#told.set(key, now)
    if (this.#told.size > maxSeen)
      for (const oldest of this.#told.keys()) {
        this.#told.delete(oldest)
        break
      }
    const chain = path().map(({ raw }) => raw)
    this.#port.chainSeen({ target, server: name, snapshot: tls.snapshotId, chain })
  }
}
