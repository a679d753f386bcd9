import type { GenerationPlan, ServerPlan } from '../proxy/plan.ts'
import { type ClientAuthentication, clientAuthentication } from './client-authentication.ts'
import type { Diagnosis } from './diagnose.ts'
import { type ReportJson, reportJson } from './report-json.ts'

/** The newest diagnosis of a server. */
export interface LastReport {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** `traffic`: a request failed, and its cause was looked for. `check`: somebody asked. */
  readonly source: 'traffic' | 'check'
  readonly report: ReportJson
  readonly clientAuthentication: ClientAuthentication
}

/** I10. */
const maxReports = 1024

/** What was last found out of the servers of the running generation. */
export class LastReports {
  /** By target and server, the oldest first. */
  readonly #reports = new Map<string, LastReport>()

  record(server: ServerPlan, seen: Diagnosis, source: LastReport['source'], at = Date.now()): LastReport {
    const checked = { entry: server.target, server, target: server.target }
    const last: LastReport = {
      at,
      source,
      report: reportJson(checked, seen, { mode: 'runtime', time: null, at }),
      clientAuthentication: clientAuthentication(server, seen.probe.handshake, at),
    }
    const key = keyOf(server.target, server.name)
    this.#reports.delete(key)
    this.#reports.set(key, last)
    if (this.#reports.size > maxReports) {
      for (const oldest of this.#reports.keys()) {
        this.#reports.delete(oldest)
        break
      }
    }
    return last
  }

  of(target: string, server: string): LastReport | null {
    return this.#reports.get(keyOf(target, server)) ?? null
  }

  /** Servers that the generation no longer has are forgotten. */
  follow(plan: GenerationPlan): void {
    const there = new Set(plan.targets.flatMap(({ name, servers }) => servers.map((each) => keyOf(name, each.name))))
    for (const key of this.#reports.keys()) if (!there.has(key)) this.#reports.delete(key)
  }
}

const keyOf = (target: string, server: string): string => JSON.stringify([target, server])
