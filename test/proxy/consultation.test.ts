import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../../src/faults/fault.ts'
import { Consultation } from '../../src/proxy/consultation.ts'
import type { DiagnosisQuestion, ExactCause } from '../../src/proxy/control-port.ts'
import type { ServerPlan } from '../../src/proxy/plan.ts'
import { serverPlan, tlsPlan } from '../dial/dial-once.ts'

describe('the exact cause of a failed dial', () => {
  it('is asked for once, and the failures that wait for it get it', () => {
    const { consultation, questions, ask } = bench(1000)
    const first = ask(fault())
    const second = ask(fault({ localAddress: '127.0.0.1:2' }))
    assert.deepEqual([first.length, second.length, questions.length], [0, 0, 1])
    consultation.answered({ id: questions[0]?.id ?? 0, cause })
    assert.equal(first[0]?.verdict, 'missing-root')
    assert.deepEqual(second[0]?.evidence, { ...fault({ localAddress: '127.0.0.1:2' }).evidence, because: 'a reason' })
  })

  it('is there at once for later failures with the same evidence, and for no others', () => {
    const { consultation, questions, ask } = bench(1000)
    ask(fault())
    consultation.answered({ id: questions[0]?.id ?? 0, cause })
    assert.equal(ask(fault())[0]?.verdict, 'missing-root')
    assert.equal(questions.length, 1)
    assert.equal(ask(fault({ leaf: 'BB' })).length, 0)
    assert.equal(questions.length, 2)
  })

  it('is that of the leaf where nothing but the leaf was captured, and asked for anew under other issuers', () => {
    const { consultation, questions, ask } = bench(1000)
    ask(fault({ path: ['CN=leaf', 'CN=one'] }))
    consultation.answered({ id: questions[0]?.id ?? 0, cause })
    assert.equal(ask(fault({ path: ['CN=leaf'] }))[0]?.verdict, 'missing-root')
    assert.equal(questions.length, 1)
    assert.equal(ask(fault({ path: ['CN=leaf', 'CN=other'] })).length, 0)
    assert.equal(questions.length, 2)
  })

  it('is not asked for again for a while where the answer said nothing', () => {
    const { consultation, questions, ask } = bench(1000)
    const waiting = ask(fault())
    consultation.answered({ id: questions[0]?.id ?? 0, cause: null })
    assert.equal(waiting[0]?.verdict, 'unknown-issuer')
    assert.equal(ask(fault())[0]?.verdict, 'unknown-issuer')
    assert.equal(questions.length, 1)
  })

  it('is kept when it is asked for anew and the answer says nothing', (context) => {
    // Time is the subject: an answer is used for a minute before it is asked for again.
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const clock = context.mock.method(performance, 'now', () => 0)
    const { consultation, questions, ask } = bench(1000)
    ask(fault())
    consultation.answered({ id: questions[0]?.id ?? 0, cause })
    clock.mock.mockImplementation(() => 61_000)
    assert.equal(ask(fault())[0]?.verdict, 'missing-root')
    assert.equal(questions.length, 2)
    consultation.answered({ id: questions[1]?.id ?? 0, cause: null })
    assert.equal(ask(fault())[0]?.verdict, 'missing-root')
  })

  it('holds a failure no longer than it may wait, and none that comes after that', async () => {
    const { consultation, questions, ask } = bench(20)
    const late = ask(fault())
    assert.equal(late.length, 0)
    await sleep(60)
    assert.equal(late[0]?.verdict, 'unknown-issuer')
    assert.equal(ask(fault())[0]?.verdict, 'unknown-issuer')
    consultation.answered({ id: questions[0]?.id ?? 0, cause })
    assert.equal(late.length, 1)
    assert.equal(ask(fault())[0]?.verdict, 'missing-root')
  })

  it('reaches nobody who has given up', () => {
    const { consultation, questions } = bench(1000)
    const heard: Fault[] = []
    const forget = consultation.consult(server, fault(), (exact) => heard.push(exact))
    forget()
    consultation.answered({ id: questions[0]?.id ?? 0, cause })
    assert.deepEqual(heard, [])
  })

  for (const [what, given] of [
    ['a closed port', { ...fault(), verdict: 'connection-refused' }],
    ['an alert after the handshake', fault({ phase: 'late' })],
    ['a fault that is no verdict', { ...fault(), verdict: null }],
  ] as const) {
    it(`is not asked for where there is nothing to see: ${what}`, () => {
      const { questions, ask } = bench(1000)
      assert.equal(ask(given)[0], given)
      assert.equal(questions.length, 0)
    })
  }

  it('is not asked for where the configuration switches it off', () => {
    const { consultation, questions, ask } = bench(1000)
    consultation.configure({ live: false, waitMs: 1000 })
    assert.equal(ask(fault()).length, 1)
    assert.equal(questions.length, 0)
  })

  it('is asked for by a bounded number of open questions, whatever a backend presents', () => {
    const { questions, ask } = bench(1000)
    const answers = Array.from({ length: 1000 }, (_, index) => ask(fault({ leaf: String(index) })))
    assert.equal(questions.length, 32)
    // Whoever could not ask does not wait either.
    assert.equal(answers.filter((each) => each.length === 1).length, 1000 - 32)
  })
})

const server: ServerPlan = serverPlan({ port: 1, tls: tlsPlan('', 'localhost') })

const cause: ExactCause = {
  kind: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  summary: 'a root is missing',
  evidence: { because: 'a reason' },
}

function fault(evidence: Readonly<Record<string, unknown>> = {}): Fault {
  return {
    kind: 'tls-untrusted',
    verdict: 'unknown-issuer',
    party: 'gateway',
    summary: 'unknown issuer',
    evidence: { phase: 'handshake', runtimeCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', leaf: 'AA', ...evidence },
  }
}

function bench(waitMs: number) {
  const questions: DiagnosisQuestion[] = []
  const consultation = new Consultation({ diagnose: (question) => questions.push(question), chainSeen() {} })
  consultation.configure({ live: true, waitMs })
  /** What the failure has become, once it has. */
  const ask = (given: Fault): readonly Fault[] => {
    const heard: Fault[] = []
    consultation.consult(server, given, (exact) => heard.push(exact))
    return heard
  }
  return { consultation, questions, ask }
}
