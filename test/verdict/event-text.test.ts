import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { apimTextEvent } from '../../src/observe/apim-text.ts'
import { edgeSystemEvent } from '../../src/observe/edge-system.ts'
import { describeEvent } from '../../src/observe/event-text.ts'
import type { PosternEvent } from '../../src/observe/events.ts'
import type { LogContext } from '../../src/observe/log-context.ts'
import { remediesFor, remediesForLog } from '../../src/verdict/remedies.ts'
import { context, now, usualCase } from './cases.ts'

/* What a log says of a verdict: the fault as one sentence, what mends it as the next. */

const { verdict, ...rest } = usualCase('expired')
const remedy = remediesForLog(remediesFor({ verdict, ...rest }, context()))
const event = (summary: string): PosternEvent => ({
  at: now,
  worker: 0,
  type: 'diagnosed',
  target: 'billing',
  server: 'billing',
  verdict: verdict.code,
  party: verdict.party,
  summary,
  guilty: null,
  hides: [],
  remedy,
  look: 'postern tls check billing',
  connections: 1,
  ms: 1,
})

describe('the line of a diagnosis', () => {
  it('ends the summary before it says what to do, whether or not the summary ends itself', () => {
    for (const summary of ['It expired at 2026-05-01T00:00:00Z', 'It expired at 2026-05-01T00:00:00Z.']) {
      const wanted = 'to be mended by backend: It expired at 2026-05-01T00:00:00Z. On billing (10.0.0.7:8443): renew '
      assert.ok(describeEvent(event(summary)).message.includes(wanted))
      const place: LogContext = { organization: 'o', environment: 'e', region: 'r', hostName: 'h', pid: 1 }
      for (const format of [apimTextEvent, edgeSystemEvent]) {
        const line = format(place)(event(summary))
        assert.ok(line.includes('2026-05-01T00:00:00Z. On billing '), line)
      }
    }
  })
})
