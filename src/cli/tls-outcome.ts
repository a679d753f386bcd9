import { z } from 'zod'
import type { Party } from '../core/errors.ts'
import { verdictCodes } from '../verdict/codes.ts'
import type { CertificateRef, Report } from '../verdict/model.ts'
import { resultKey } from './tls-check-json.ts'
import { usage } from './tls-endpoint.ts'

/** What is kept of a report once it has been written: enough for the summary and a test case. */
export interface CheckOutcome {
  readonly code: string
  /** Whose side it is on; of a trusted one it says nothing. */
  readonly party: string
  readonly summary: string
  /** Of a trusted path the certificate that ends first. */
  readonly ends: Pick<CertificateRef, 'subject' | 'sha256' | 'notAfter'> | null
  readonly seconds: number
}

export function outcomeOf({ verdict, chain }: Pick<Report, 'verdict' | 'chain'>, seconds: number): CheckOutcome {
  const { code, party, summary } = verdict
  return { code, party, summary, ends: code === 'trusted' ? firstToEnd(chain.path) : null, seconds }
}

/** Reads a line of an earlier run. Throws `usage` for what is no result. */
export function storedOutcome(line: unknown, path: string): { readonly key: string; readonly outcome: CheckOutcome } {
  const read = StoredReport.safeParse(line)
  if (!read.success) throw usage(`--out ${path}: holds lines that are no results of this command; name another file`)
  const { endpoint, snapshot, mode, asOf, verdict, chain } = read.data
  const { code, party, summary } = verdict
  return {
    key: resultKey(endpoint.entry, endpoint.server, snapshot, mode, asOf),
    outcome: { code, party, summary, ends: code === 'trusted' ? firstToEnd(chain.path) : null, seconds: 0 },
  }
}

const StoredReport = z.object({
  verdict: z.object({
    code: z.string().refine((code) => Object.hasOwn(verdictCodes, code)),
    party: z.enum(['gateway', 'backend', 'network', 'client-identity', 'client'] satisfies Party[]),
    summary: z.string(),
  }),
  chain: z.object({ path: z.array(z.object({ subject: z.string(), sha256: z.string(), notAfter: z.string() })) }),
  endpoint: z.object({ entry: z.string(), server: z.string() }),
  snapshot: z.string(),
  mode: z.string(),
  asOf: z.string().nullable(),
})

type Ending = NonNullable<CheckOutcome['ends']>

function firstToEnd(path: readonly Ending[]): Ending | null {
  // ISO 8601 in UTC: text order is time order.
  const first = path.reduce<Ending | null>(
    (found, each) => (found === null || each.notAfter < found.notAfter ? each : found),
    null,
  )
  return first === null ? null : { subject: first.subject, sha256: first.sha256, notAfter: first.notAfter }
}
