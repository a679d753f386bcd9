import { z } from 'zod'

/* Parts of answers that more than one route gives. */

export const Time = z.iso.datetime().meta({ description: 'ISO 8601, UTC.' })

export const CertificateFacts = z
  .object({
    subject: z.string(),
    issuer: z.string(),
    serial: z.string(),
    sha256: z.string(),
    subjectKeyId: z.string().nullable(),
    authorityKeyId: z.string().nullable(),
    notBefore: z.string(),
    notAfter: z.string(),
  })
  .meta({ id: 'Certificate' })

export const Use = z
  .object({
    kind: z.enum(['reference', 'target-server', 'virtual-host', 'api-deployment', 'config-store', 'config-target']),
    name: z.string().meta({ description: 'Of a deployment: `orders/1`.' }),
    endpoint: z.string().meta({ description: 'Which endpoint of a deployment; empty elsewhere.' }),
    as: z.enum(['trust store', 'key store', 'either']),
    alias: z.string().meta({ description: 'The alias it shows; empty where it names none.' }),
    via: z
      .string()
      .meta({ description: 'The reference by which it comes here; empty where it names the store itself.' }),
  })
  .meta({ id: 'StoreUse' })

export const LintFinding = z
  .object({ code: z.string(), severity: z.enum(['error', 'warning', 'info']), message: z.string() })
  .meta({ id: 'StoreFinding' })

const Code = z.string().meta({ description: 'A code of the reference: docs/reference/verdict-codes.md.' })

export const Remedy = z
  .object({
    party: z.string(),
    kind: z.string(),
    action: z.string(),
    commands: z.array(z.string()),
    look: z.array(z.string()),
    risk: z.string(),
    weakens: z.boolean(),
    message: z.string(),
  })
  .meta({ id: 'Remedy' })

const Finding = z
  .object({
    code: Code,
    severity: z.enum(['fault', 'warning', 'info']),
    at: z.number().nullable(),
    certificate: CertificateFacts.nullable(),
    summary: z.string(),
    evidence: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Finding' })

const Verdict = z
  .object({
    code: Code,
    party: z.string(),
    stage: z.string(),
    summary: z.string(),
    at: z.number().nullable(),
    certificate: CertificateFacts.nullable(),
    evidence: z.record(z.string(), z.unknown()),
    hides: z.array(Code),
  })
  .meta({ id: 'Verdict' })

/** The contract of `tls check --json`. */
export const Report = z
  .object({
    verdict: Verdict,
    findings: z.array(Finding),
    chain: z.object({
      served: z.array(z.looseObject({ index: z.number(), sha256: z.string() })),
      path: z.array(CertificateFacts.extend({ origin: z.enum(['served', 'anchor', 'stored', 'fetched']) })),
      brokenAt: z.number().nullable(),
    }),
    remedy: z.array(Remedy),
    endpoint: z.object({
      entry: z.string(),
      target: z.string().nullable(),
      server: z.string(),
      host: z.string(),
      port: z.number(),
      serverName: z.string().nullable(),
      verifyNames: z.array(z.string()).optional(),
    }),
    snapshot: z.string().optional(),
    mode: z.string(),
    at: Time,
    asOf: Time.nullable(),
    probe: z.looseObject({ address: z.string(), connections: z.number() }),
    disagreement: z.string().optional(),
  })
  .meta({ id: 'Report', description: 'What `postern tls check --json` prints for one server.' })

export const ClientAuthenticationFacts = z
  .object({
    asked: z.boolean(),
    acceptableIssuers: z.array(z.string()),
    signatureAlgorithms: z.array(z.string()),
    held: z
      .object({
        subject: z.string(),
        issuers: z.array(z.string()),
        key: z.string(),
        notBefore: z.string(),
        notAfter: z.string(),
      })
      .nullable(),
    matches: z.boolean().nullable(),
    why: z.string(),
  })
  .meta({ id: 'ClientAuthentication', description: 'What the server asked for against what the gateway holds.' })
