import { TargetTrust } from '../dial/target-trust.ts'
import type { TargetTlsPlan } from '../proxy/plan.ts'

/** Many servers differ in the names to verify and seldom in what they trust: contexts are made for the latter alone. */
export class SharedTrusts {
  readonly #siblings: TargetTrust[] = []

  of(tls: TargetTlsPlan): TargetTrust {
    // A probe neither takes nor gives a session (I2).
    const plan = { ...tls, resumption: false }
    for (const sibling of this.#siblings) {
      if (sibling.sharesContextWith(plan)) return new TargetTrust(plan, sibling)
    }
    const trust = new TargetTrust(plan)
    this.#siblings.unshift(trust)
    if (this.#siblings.length > maxContexts) this.#siblings.pop()
    return trust
  }
}

/** I10: with the public roots a context takes about 2 MiB. */
const maxContexts = 64
