import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { orderOfVerdicts, pairs } from '../../src/lab/pairs.ts'
import { startPairs } from '../../src/lab/pair-lab.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import { orderFaults } from '../../src/judge/precedence.ts'
import { faultOfDial } from './dial-backend.ts'

const lab = await startPairs()
after(() => lab[Symbol.asyncDispose]())

describe('backends with two faults each', () => {
  it('are many, and each fault meets most of the others', () => {
    assert.ok(pairs.length >= 100, String(pairs.length))
    for (const fault of new Set(pairs.flatMap(({ planted }) => planted.map((each) => each.fault)))) {
      assert.ok(pairs.filter(({ name }) => name.split('.').includes(fault)).length >= 7, fault)
    }
    assert.equal(new Set(pairs.map(({ name }) => name)).size, pairs.length)
  })

  for (const backend of lab.backends) {
    const { name, planted } = backend.pair
    it(`${name}: the gateway's dialer refuses it for its chain or its name`, async () => {
      const fault = await faultOfDial(backend, lab.trust.bundlePem)
      assert.ok(fault?.verdict, 'the backend was trusted')
      const { stage } = verdictCodes[fault.verdict]
      assert.ok(stage === 'chain' || stage === 'identity', fault.verdict)
    })
    it(`${name}: each certificate said to be guilty is served, or issued one that is`, () => {
      const blocks = backend.servedPem.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
      const names = blocks.map((pem) => new X509Certificate(pem)).flatMap(({ subject, issuer }) => [subject, issuer])
      for (const { guilty } of planted) {
        assert.ok(
          names.some((text) => text?.split('\n').includes(`CN=${guilty}`)),
          guilty,
        )
      }
    })
  }

  it('agree with the judge about which fault is the verdict', () => {
    type Fault = Parameters<typeof orderFaults>[0][number]
    for (const { name, planted, verdict } of pairs) {
      const [first] = orderFaults(planted.map(({ code }) => ({ code }) as Fault))
      assert.equal(verdict, first?.code, name)
    }
    assert.deepEqual(
      orderFaults(orderOfVerdicts.toReversed().map((code) => ({ code }) as Fault)).map(({ code }) => code),
      orderOfVerdicts,
    )
  })
})
