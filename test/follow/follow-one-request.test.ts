import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { casesToFollow } from './cases.ts'
import { checkJava, checkLogs, checkSpans, checkTrace } from './check-failed.ts'
import { checkBundle } from './check-bundle.ts'
import { checkChain, checkDiscretion } from './check-discretion.ts'
import { checkGood } from './check-good.ts'
import { type Evidence, gather } from './evidence.ts'
import { type Rig, startRig } from './rig.ts'

describe('one request is followed by its message id', () => {
  let rig: Rig
  let evidence: Evidence

  before(async () => {
    rig = await startRig()
    evidence = await gather(rig, casesToFollow())
  })
  after(() => rig[Symbol.asyncDispose]())

  for (const each of casesToFollow()) {
    const { proxy, code, verdict, fault, party } = each
    if (code === '') {
      it(`${proxy}: all is well, and no surface says otherwise`, () => checkGood(each, evidence.of(proxy)))
    } else {
      it(`${proxy}: access log, system log and trace say ${code}`, () => {
        const found = evidence.of(proxy)
        checkLogs(each, found)
        checkTrace(each, found)
        checkJava(each, found)
      })
      it(`${proxy}: spans and log records of OTLP say ${code}`, () => checkSpans(each, evidence.of(proxy)))
    }
    it(`${proxy}: monitoring has it, in a cell and counters with as many as there were`, () => {
      const { traced, monitored, cell, lines, counted } = evidence.of(proxy)
      const { status, faultCode, target } = traced.summary
      assert.deepEqual(
        {
          verdict: monitored['verdict'],
          fault: monitored['fault'],
          party: monitored['party'],
          faultCode: monitored['faultCode'],
          faultSource: monitored['faultSource'],
          status: monitored['status'],
          target: monitored['target'],
          traceId: monitored['traceId'],
          session: (monitored['debugSession'] as { id: string } | null)?.id ?? null,
        },
        {
          verdict,
          fault,
          party,
          faultCode,
          faultSource: code === '' ? '' : lines.edgeAccess[17],
          status,
          target,
          traceId: lines.nativeAccess['traceId'] ?? '',
          // Edge's sessions have been deleted by then, with what they had.
          session: traced.edgeSession === null ? traced.session : null,
        },
      )
      assert.equal(cell.counts.requests, counted.cell)
      assert.equal(cell.counts.faults, code === '' ? 0 : counted.cell)
      assert.ok(cell.requests.some(({ id }) => id === traced.id))
      const one = (value: string) => (value === '' ? [] : [{ value, requests: counted.cell }])
      assert.deepEqual(
        [cell.breakdown['verdict'], cell.breakdown['party'], cell.breakdown['fault'], cell.breakdown['faultCode']],
        [one(verdict), one(party), one(fault), one(faultCode)],
      )
      assert.deepEqual(counted.faultsOfTarget, counted.expectedOfTarget, 'postern_faults_total of the target')
      assert.equal(counted.served, counted.cell, 'http_server_request_duration_seconds_count')
    })
    if (each.bundle)
      it(`${proxy}: its support bundle says ${code === '' ? 'that no fault is known' : code}`, () => {
        checkBundle(rig, each, evidence.of(proxy))
      })
    it(`${proxy}: the chain in its trace is the one that was served, and its client hears no more than its profile says`, () => {
      checkChain(rig, each, evidence.of(proxy))
      checkDiscretion(rig, each, evidence.of(proxy))
    })
  }

  it('the metrics that OTLP sends have the same faults', () => {
    assert.deepEqual(evidence.exportedFaults, evidence.faults)
  })

  it('nothing that was to be told of the requests was lost', () => {
    const lost = evidence.metrics.filter(
      ({ name, value }) => /_(?:lost|dropped|crowded|overflow)[a-z_]*_total$/.test(name) && value !== 0,
    )
    assert.deepEqual(lost, [])
    assert.ok(evidence.metrics.some(({ name }) => name === 'postern_observability_lost_total'))
  })
})
