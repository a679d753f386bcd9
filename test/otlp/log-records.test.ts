import type { KeyValue, LogRecord } from '../../src/otlp/messages.ts'

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAccessFormatter, createEventFormatter } from '../../src/observe/log-format.ts'
import { nativeAccess, nativeEvent } from '../../src/observe/native-log.ts'
import { describeEvent } from '../../src/observe/event-text.ts'
import { logRecordOf } from '../../src/otlp/log-records.ts'
import { context, events, record, refused, requestId } from '../observe/log-samples.ts'

const now = Date.UTC(2026, 0, 23, 8)
const access = nativeAccess()

describe('log lines as LogRecords', () => {
  it('an access line is the body, whole, with what one looks for beside it', () => {
    const line = access(record()).trimEnd()
    assert.deepEqual(logRecordOf(line, now), {
      observedTimeUnixNano: `${now}000000`,
      timeUnixNano: `${record().startedAt}000000`,
      severityNumber: 9,
      severityText: 'INFO',
      eventName: 'postern.access',
      body: { stringValue: line },
      attributes: [
        { key: 'postern.event', value: { stringValue: 'access' } },
        { key: 'postern.request.id', value: { stringValue: requestId } },
        { key: 'postern.proxy', value: { stringValue: 'billing' } },
        { key: 'postern.target', value: { stringValue: 'billing-backend' } },
        { key: 'http.request.method', value: { stringValue: 'GET' } },
        { key: 'http.response.status_code', value: { intValue: '200' } },
      ],
    })
  })

  it('a line with a trace belongs to it', () => {
    const ids = ',"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7"}'
    const { traceId, spanId } = logRecordOf(access(record()).trimEnd().replace(/\}$/, ids), now)
    assert.equal(traceId, '4bf92f3577b34da6a3ce929d0e0e4736')
    assert.equal(spanId, '00f067aa0ba902b7')
  })

  it('one that a client made up in its path does not', () => {
    const target = '/billing?"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"'
    assert.equal(logRecordOf(access(record({ target })).trimEnd(), now).traceId, undefined)
  })

  it('a failed request is an error with its verdict', () => {
    const refusedLine = logRecordOf(access(refused).trimEnd(), now)
    assert.equal(refusedLine.severityText, 'ERROR')
    assert.equal(attribute(refusedLine, 'postern.verdict'), refused.fault?.verdict)
    assert.equal(attribute(refusedLine, 'postern.party'), refused.fault?.party)
  })

  it("a 4xx is a warning: the client's, not the gateway's", () => {
    assert.equal(logRecordOf(access(record({ status: 404 })).trimEnd(), now).severityText, 'WARN')
  })

  it('every kind of event has its name, its time and the id of its request', () => {
    const format = nativeEvent()
    for (const event of events) {
      const made = logRecordOf(format(event).trimEnd(), now)
      assert.equal(made.eventName, `postern.${event.type}`)
      assert.equal(made.timeUnixNano, `${event.at}000000`)
      const request = 'request' in event ? event.request : null
      assert.equal(attribute(made, 'postern.request.id'), request?.id)
      const refusedHandshake = event.type === 'handshake' && event.verdict !== 'trusted'
      const words = { error: 'ERROR', warn: 'WARN', info: 'INFO', verbose: 'DEBUG' } as const
      const failed = severe.has(event.type) || refusedHandshake
      assert.equal(made.severityText, failed ? 'ERROR' : words[describeEvent(event).level], event.type)
    }
    assert.ok(events.length >= 10)
  })

  it('a line of any other format is its body alone', () => {
    for (const format of ['apim-text', 'apim-json', 'edge-access', 'edge-system'] as const) {
      const lines = [
        createAccessFormatter(format, context)(record()),
        ...events.map((event) => createEventFormatter(format, context)(event)),
      ].filter((line) => line !== '')
      assert.ok(lines.length > 0)
      for (const line of lines) {
        const stringValue = line.trimEnd()
        assert.deepEqual(logRecordOf(stringValue, now), {
          observedTimeUnixNano: `${now}000000`,
          body: { stringValue },
        })
      }
    }
  })

  for (const line of ['', '{"time":"', '{"time":"x","type":"access"}', '{"time":"2026-01-23T07:26:26.678Z"}', '[]']) {
    it(`${line === '' ? 'an empty line' : line} is its body alone`, () => {
      assert.deepEqual(Object.keys(logRecordOf(line, now)), ['observedTimeUnixNano', 'body'])
    })
  }
})

const severe = new Set(['request-failed', 'diagnosed', 'generation-refused', 'trust-refused', 'worker-died'])

function attribute({ attributes = [] }: LogRecord, key: string): unknown {
  const found: KeyValue | undefined = attributes.find((each) => each.key === key)
  return found && Object.values(found.value)[0]
}
