import { scenarios } from '../../src/lab/scenarios.ts'
import { type VerdictCode, verdictCodes } from '../../src/verdict/codes.ts'
import { type FindingCode, findingCodes } from '../../src/verdict/findings.ts'
import { findingTexts, isVerdictCode, verdictTexts } from '../../src/verdict/texts.ts'
import { generated } from './tables.ts'

/* One page a code, and an index of them: the address in a log line or a report leads to what it means. */

/** Path below docs/reference, and what stands there. */
export function verdictPages(): Readonly<Record<string, () => string>> {
  return {
    'verdict-codes.md': index,
    ...Object.fromEntries(codes().map((code) => [`verdicts/${code}.md`, () => verdictPage(code)])),
    ...Object.fromEntries(findings().map((code) => [`findings/${code}.md`, () => findingPage(code)])),
  }
}

function index(): string {
  const parts = [
    '# Verdict codes',
    '',
    generated('src/verdict'),
    '',
    'The outcome of judging a backend is one of these. A code never changes its meaning and is never used again for another.',
    '"Mends it" is who can usually do so; a verdict names the party of its own case.',
  ]
  for (const stage of new Set(codes().map((code) => verdictCodes[code].stage))) {
    parts.push('', `## Stage: ${stage}`, '', '| code | what it means | mends it |', '|---|---|---|')
    for (const code of codes().filter((code) => verdictCodes[code].stage === stage)) {
      const { summary, party } = verdictCodes[code]
      parts.push(`| [${code}](verdicts/${code}.md) | ${summary} | ${code === 'trusted' ? '' : party} |`)
    }
  }
  parts.push(
    '',
    '## Findings',
    '',
    'Beside the verdict; none of them refuses a backend. Further faults are reported as findings under their verdict code.',
    '',
    '| code | what it means |',
    '|---|---|',
    ...findings().map((code) => `| [${code}](findings/${code}.md) | ${findingCodes[code].summary} |`),
  )
  return page(parts)
}

function verdictPage(code: VerdictCode): string {
  const { stage, party, summary } = verdictCodes[code]
  const { meaning, elsewhere, evidence, fix, see, notInLab } = verdictTexts[code]
  const fixes = Object.entries(fix).map(([who, what]) => `- **${who}**: ${what}`)
  const inLab = Object.entries(scenarios).filter(([, { expect }]) => expect.verdict === code)
  const lab = inLab.map(([name, { summary }]) => `- \`${name}\`: ${summary}`)
  return page([
    `# ${code}`,
    '',
    generated('src/verdict'),
    '',
    summary,
    '',
    `Stage ${stage}.${code === 'trusted' ? '' : ` Usually mended by: ${party}.`}`,
    '',
    '## What happened',
    '',
    meaning,
    '',
    '## What decides',
    '',
    evidence,
    ...(fixes.length === 0 ? [] : ['', '## Who mends it', '', ...fixes]),
    '',
    '## What others call it',
    '',
    elsewhere,
    '',
    '## In the lab',
    '',
    ...(lab.length === 0 ? [notInLab ?? ''] : lab),
    '',
    `See also ${see.map(link('verdicts')).join(', ')}.`,
  ])
}

function findingPage(code: FindingCode): string {
  const { meaning, evidence, act, see } = findingTexts[code]
  return page([
    `# ${code}`,
    '',
    generated('src/verdict'),
    '',
    findingCodes[code].summary,
    '',
    'A finding: it stands beside the verdict and refuses nothing by itself.',
    '',
    '## What it is about',
    '',
    meaning,
    '',
    '## What decides',
    '',
    evidence,
    '',
    '## What to do',
    '',
    act,
    '',
    `See also ${see.map(link('findings')).join(', ')}.`,
  ])
}

function link(from: 'verdicts' | 'findings'): (code: VerdictCode | FindingCode) => string {
  return (code) => {
    const folder = isVerdictCode(code) ? 'verdicts' : 'findings'
    return `[${code}](${folder === from ? '' : `../${folder}/`}${code}.md)`
  }
}

const codes = (): readonly VerdictCode[] => Object.keys(verdictCodes).filter(isVerdictCode)
const findings = (): readonly FindingCode[] => Object.keys(findingCodes) as FindingCode[]
const page = (lines: readonly string[]): string => `${lines.join('\n')}\n`
