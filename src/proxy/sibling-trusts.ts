import { TargetTrust } from '../dial/target-trust.ts'
import type { TargetTlsPlan } from './plan.ts'

/**
 * The trust of each server of a generation that is being built. Servers that trust the same share a context, which is dear
 * to make: hundreds of them may hang on one store. Sessions are each server's own (I2).
 */
export class SiblingTrusts {
  /** By list of anchors: what shares a context shares that list, and a plan has few that share it and nothing else. */
  readonly #byAnchors = new Map<readonly string[], TargetTrust[]>()

  /** Throws when the runtime cannot build the context. */
  of(tls: TargetTlsPlan): TargetTrust {
    const siblings = this.#byAnchors.get(tls.anchors) ?? []
    const sibling = siblings.find((each) => each.sharesContextWith(tls))
    if (sibling !== undefined) return new TargetTrust(tls, sibling)
    const trust = new TargetTrust(tls)
    this.#byAnchors.set(tls.anchors, [...siblings, trust])
    return trust
  }
}
