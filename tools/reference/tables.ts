import { anyPlace, faultRemedies } from '../../src/faults/remedies.ts'
import type { FaultTableRow } from '../../src/faults/render.ts'

/** Says that a page is not to be edited, and what it is made from. */
export const generated = (source: string): string =>
  `<!-- Generated from ${source} by tools/generate-docs.ts. Do not edit. -->`

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
    '',
    '## What to do',
    '',
    'Where a verdict explains the fault, its [page](verdict-codes.md) says more. `postern why ID --admin URL` and the support bundle say',
    'the same with the names and values of the target.',
    '',
    ...rows.flatMap(({ kind }) => [
      `- \`${kind}\``,
      ...faultRemedies(kind, anyPlace).map(({ party, action }) => `  - ${party}: ${action}`),
    ]),
  ]
  return `${parts.join('\n')}\n`
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}
