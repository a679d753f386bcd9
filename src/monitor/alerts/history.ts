/** One time that a rule held, for one thing. */
export interface AlertInstance {
  readonly id: string
  readonly alertId: string
  readonly name: string
  readonly organization: string
  readonly environment: string
  /** What it held for: by dimension that is ANY. */
  readonly values: Readonly<Record<string, string>>
  readonly firedAt: number
  /** null: it holds still. */
  readonly resolvedAt: number | null
  /** Of each condition, when it fired. */
  readonly measured: readonly number[]
  readonly summary: string
  readonly verdict: string
  /** Message ids, newest first. */
  readonly requests: readonly string[]
  /** What became of the notice: it was handed over, or held back because another was sent shortly before. */
  readonly notice: 'sent' | 'throttled' | 'undeliverable' | 'none'
}

/** I10: of one organization, and of all. */
const maxOfOne = 200
const maxOfAll = 5000

/** Instances, the newest last. Those that hold still are not forgotten before those that are over. */
export class AlertHistory {
  #instances: AlertInstance[] = []

  /** The newest last. */
  get all(): readonly AlertInstance[] {
    return this.#instances
  }

  restore(instances: readonly AlertInstance[]): void {
    this.#instances = instances.slice(-maxOfAll)
  }

  add(instance: AlertInstance): void {
    this.#instances.push(instance)
    const ours = this.#instances.filter(({ organization }) => organization === instance.organization)
    if (ours.length > maxOfOne) this.#forget(ours)
    else if (this.#instances.length > maxOfAll) this.#forget(this.#instances)
  }

  resolve(id: string, at: number): AlertInstance | null {
    const index = this.#instances.findIndex((each) => each.id === id)
    const found = this.#instances[index]
    if (found === undefined) return null
    const resolved = { ...found, resolvedAt: at }
    this.#instances[index] = resolved
    return resolved
  }

  get(organization: string, id: string): AlertInstance | null {
    return this.#instances.find((each) => each.id === id && each.organization === organization) ?? null
  }

  /** Newest first; that held at any time of the range. */
  list(organization: string, from: number, to: number, alertId: string | null): readonly AlertInstance[] {
    return this.#instances
      .filter((each) => {
        const during = each.firedAt < to && (each.resolvedAt === null || each.resolvedAt >= from)
        return each.organization === organization && during && (alertId === null || alertId === each.alertId)
      })
      .reverse()
  }

  #forget(among: readonly AlertInstance[]): void {
    const oldest = among.find(({ resolvedAt }) => resolvedAt !== null) ?? among[0]
    this.#instances = this.#instances.filter((each) => each !== oldest)
  }
}
