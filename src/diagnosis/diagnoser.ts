import { Resolver } from '../dial/resolver.ts'
import type { KnownCertificate, Mode } from '../judge/types.ts'
import type { ServerPlan, TargetTlsPlan } from '../proxy/plan.ts'
import { type Diagnosis, diagnose, type RemedyBase } from './diagnose.ts'
import { issuerFetcher } from './fetch-issuers.ts'
import { judgedOtherwise } from './judged-otherwise.ts'
import { SharedTrusts } from './shared-trusts.ts'
import { trustMaterial } from './trust-material.ts'

/** What holds for every server of a run. */
export interface DiagnoserSettings {
  readonly known: readonly KnownCertificate[]
  /** Pointers of certificates to their issuers are followed. */
  readonly fetchIssuers: boolean
  /** The verdict is this mode's. Under `runtime` findings say where the standard differs. */
  readonly mode: Mode
  /** Milliseconds since the epoch to judge at; null: when it happens. */
  readonly time: number | null
  /** The bytes of each handshake are kept. */
  readonly transcript?: boolean
  readonly signal: AbortSignal
}

/** Diagnoses one server after the other, or many at once: what they can share they share. */
export interface Diagnoser {
  /** `https` only. Throws only when the signal is aborted. */
  diagnose(server: ServerPlan, context: RemedyBase): Promise<Diagnosis>
  close(): void
}

export function openDiagnoser(settings: DiagnoserSettings): Diagnoser {
  const { known, mode, time, transcript = false, signal } = settings
  const resolver = new Resolver()
  const fetchIssuers = settings.fetchIssuers ? issuerFetcher(signal) : null
  const trusts = new SharedTrusts()
  return {
    async diagnose(server, context) {
      const tls = server.tls as TargetTlsPlan
      const request = {
        server,
        trust: trusts.of(tls),
        material: trustMaterial(tls),
        resolver,
        known,
        fetchIssuers,
        settle: true,
        compare: mode === 'runtime' ? (['rfc5280'] as const) : [],
        context,
        time,
        transcript,
        signal,
      }
      const seen = await diagnose(request)
      return mode === 'runtime' && time === null ? seen : judgedOtherwise(seen, request, mode, time ?? Date.now())
    },
    close: () => resolver.close(),
  }
}
