import type { FaultTableRow } from '../../src/faults/render.ts'

interface CodeFacts {
  readonly stage: string
  readonly party: string
  readonly summary: string
}

const generated = (source: string): string =>
  `<!-- Generated from ${source} by tools/generate-docs.ts. Do not edit. -->`

/** One heading per code, so that every code has an address of its own. */
export function verdictCodesPage(codes: Readonly<Record<string, CodeFacts>>): string {
  const stages = [...new Set(Object.values(codes).map(({ stage }) => stage))]
  const parts = [
    '# Verdict codes',
    '',
    generated('src/verdict/codes.ts'),
    '',
    'The outcome of judging a backend is one of these. A code never changes its meaning and is never used again for another.',
    '"Mends it" is who can usually do so; a verdict names the party of its own case.',
  ]
  for (const stage of stages) {
    parts.push('', `## Stage: ${stage}`)
    for (const [code, facts] of Object.entries(codes)) {
      if (facts.stage !== stage) continue
      parts.push('', `### ${code}`, '', facts.summary, ...(code === 'trusted' ? [] : [`Mends it: ${facts.party}.`]))
    }
  }
  return `${parts.join('\n')}\n`
}

/** What a client gets for each kind of fault, under each profile. */
export function faultsPage(rows: readonly FaultTableRow[]): string {
  const parts = [
    '# Faults',
    '',
    generated('src/faults'),
    '',
    'What a client gets when a request cannot be answered, by fault profile. How sure we are that the imitated product answers',
    'so: `verified` in its documents or output, `seen` in reports, `unconfirmed`, and `ours` where it has no such answer.',
    '',
    '## native',
    '',
    '`application/problem+json` with verdict code and request id, and `Proxy-Status` (RFC 9209).',
    '',
    '| kind | status | title | Proxy-Status error |',
    '|---|---|---|---|',
    ...rows.map(
      (row) => `| \`${row.kind}\` | ${row.nativeStatus} | ${row.nativeTitle} | ${code(row.proxyStatusError)} |`,
    ),
    '',
    '## apigee',
    '',
    '| kind | status | errorcode | fault source | certainty |',
    '|---|---|---|---|---|',
    ...rows.map(
      (row) =>
        `| \`${row.kind}\` | ${row.apigeeStatus} | ${code(row.apigeeCode)} | ${row.apigeeSource} | ${row.apigeeCertainty} |`,
    ),
    '',
    '## apim',
    '',
    '| kind | status | reason | message | certainty |',
    '|---|---|---|---|---|',
    ...rows.map(
      (row) =>
        `| \`${row.kind}\` | ${row.apimStatus} | ${row.apimReason} | ${row.apimMessage} | ${row.apimCertainty} |`,
    ),
  ]
  return `${parts.join('\n')}\n`
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}
