import assert from 'node:assert/strict'
import type { ReportJson } from '../../src/diagnosis/report-json.ts'
import type { RecordedTransaction } from '../../src/observe/recording.ts'
import type { NativeLine } from '../scenarios/logs.ts'
import type { Case } from './cases.ts'
import { servedOf } from './check-discretion.ts'
import type { Found } from './evidence.ts'
import type { Rig } from './rig.ts'
import { fromXml, propertyOf } from './traced.ts'

/** Each part of the archive, by itself: the page for people, the request, its trace, the log lines and the report. */
export function checkBundle(rig: Rig, each: Case, { traced, bundle, lines }: Found): void {
  const { code, verdict, fault, party } = each
  const { id, summary, recorded } = traced
  const text = (name: string): string => {
    const found = bundle.get(name)
    assert.ok(found, `${name} is in the archive`)
    return found.toString()
  }
  const [title, ...page] = text('summary.md').split('\n')
  assert.equal(title, `# Request ${id}: ${code === '' ? 'no fault is known' : code}`)
  if (code !== '') assert.ok(page.includes(`Whose side: **${party}**.`))

  const request = JSON.parse(text('request.json')) as NativeLine
  const { proxy, target, status, faultCode, summary: sentence } = request
  assert.deepEqual(
    [request['id'], request['verdict'], request['fault'], request['party'], proxy, target, status, faultCode, sentence],
    [
      id,
      verdict,
      fault,
      party,
      each.proxy,
      summary.target,
      summary.status,
      summary.faultCode,
      recorded.fault?.summary ?? '',
    ],
  )

  const traces = [...bundle.keys()].filter((name) => /^trace\/.*\.json$/.test(name))
  assert.equal(traces.length, 1)
  const trace = JSON.parse(text(traces[0] ?? '')) as RecordedTransaction
  assert.equal(trace.fault?.verdict ?? trace.fault?.kind ?? '', code)
  const points = fromXml(text((traces[0] ?? '').replace(/json$/, 'xml')))
  assert.equal(propertyOf(points, 'postern.fault.code') ?? '', code)

  const log = (format: string): string => {
    const name = [...bundle.keys()].find((each) => each.startsWith('logs/') && each.endsWith(`-${format}.log`))
    return name === undefined ? '' : text(name)
  }
  const native = log('native')
    .split('\n')
    .filter((line) => line.includes('"type":"access"'))
  assert.deepEqual(
    native.map((line) => JSON.parse(line) as NativeLine),
    [lines.nativeAccess],
  )
  assert.equal(log('edge-access').trimEnd(), lines.edgeAccess.join('\t'))
  for (const record of lines.edgeSystem) assert.ok(log('edge-system').includes(record), record)

  const report = JSON.parse(text('target/report.json')) as ReportJson
  assert.equal(report.verdict.code, verdict === '' ? 'trusted' : verdict)
  if (verdict !== '') assert.equal(report.verdict.party, party)
  const served = Array.from({ length: 200 }, (_, at) => bundle.get(`target/served-${at}.pem`)?.toString() ?? '').join(
    '',
  )
  if (verdict !== 'malformed-certificate') assert.equal(withoutLines(served), withoutLines(servedOf(rig, each)))

  const manifest = JSON.parse(text('manifest.json')) as { readonly files: readonly { readonly name: string }[] }
  const listed = manifest.files.map(({ name }) => name)
  assert.deepEqual([...bundle.keys()].filter((name) => name !== 'manifest.json').sort(), listed.sort())
  for (const [name, bytes] of bundle) assert.equal(bytes.includes('PRIVATE KEY-----'), false, `I7: ${name}`)
}

const withoutLines = (pem: string): string => pem.replaceAll(/\s/g, '')
