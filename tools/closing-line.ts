// A reporter for node:test that says one thing, at the end: how many passed, failed and were skipped.
import type { TestEvent } from 'node:test/reporters'

// oxlint-disable-next-line import/no-default-export -- node:test takes a reporter from the default export
export default async function* closingLine(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0
  let failed = 0
  let skipped = 0
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    if (event.data.details.type === 'suite') continue
    if (event.type === 'test:fail') failed++
    else if (event.data.skip !== undefined) skipped++
    else passed++
  }
  yield `\n${passed} passed, ${failed} failed, ${skipped} skipped\n`
}
