/** One server's outcome as a test case. */
export interface JunitCase {
  readonly name: string
  /** Target, or `endpoint`. */
  readonly group: string
  readonly seconds: number
  /** null: it is trusted. */
  readonly failure: { readonly code: string; readonly summary: string; readonly text: string } | null
}

/** JUnit XML as CI systems read it: one suite, a case for each server, the whole report as the text of a failure. */
export function junitXml(cases: readonly JunitCase[]): string {
  const failures = cases.filter(({ failure }) => failure !== null).length
  const seconds = cases.reduce((sum, each) => sum + each.seconds, 0)
  const counts = `tests="${cases.length}" failures="${failures}" errors="0" skipped="0" time="${seconds.toFixed(3)}"`
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="postern tls check" ${counts}>
  <testsuite name="postern tls check" ${counts}>
${cases.map(caseXml).join('')}  </testsuite>
</testsuites>
`
}

function caseXml({ name, group, seconds, failure }: JunitCase): string {
  const head = `    <testcase classname="${escaped(group)}" name="${escaped(name)}" time="${seconds.toFixed(3)}"`
  if (failure === null) return `${head}/>\n`
  const { code, summary, text } = failure
  return `${head}>
      <failure type="${escaped(code)}" message="${escaped(`${code}: ${summary}`)}">${escaped(text)}</failure>
    </testcase>
`
}

/**
 * Text for XML 1.0. A backend chooses the names in its certificates: markup is escaped, and what XML cannot carry at all
 * (section 2.2: most control characters, lone surrogates) is shown as U+FFFD.
 */
function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // oxlint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  )
}
