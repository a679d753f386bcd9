import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { FaultDetail, FaultProfile } from '../../src/faults/fault.ts'
import { type Answer, get, type LabGateway, startLabGateway } from './lab-gateway.ts'
import { playbookFaultstring } from './outcomes.ts'

const profiles = ['native', 'apigee', 'apim'] as const satisfies readonly FaultProfile[]
const details = ['minimal', 'standard', 'verbose'] as const satisfies readonly FaultDetail[]

/** I6: one fault, every profile and detail, word for word what the client learns. */
describe('faultDetail for a backend whose root is not trusted', () => {
  let setup: LabGateway
  const answers = new Map<string, Answer>()

  before(async () => {
    setup = await startLabGateway({
      lab: { scenarios: ['missing-root'] },
      change: (config) => ({
        ...config,
        proxies: Object.fromEntries(
          profiles.flatMap((faults) =>
            details.map((faultDetail) => [
              `${faults}-${faultDetail}`,
              { basePath: `/${faults}/${faultDetail}`, target: 'missing-root', faults, faultDetail },
            ]),
          ),
        ),
      }),
    })
    for (const profile of profiles) {
      for (const detail of details) answers.set(`${profile} ${detail}`, await get(setup.port, `/${profile}/${detail}/`))
    }
  })
  after(() => setup[Symbol.asyncDispose]())

  const answer = (profile: FaultProfile, detail: FaultDetail): Answer => {
    const found = answers.get(`${profile} ${detail}`)
    assert.ok(found)
    return found
  }
  const body = (profile: FaultProfile, detail: FaultDetail): Record<string, unknown> =>
    JSON.parse(answer(profile, detail).body) as Record<string, unknown>
  const summary = (): string =>
    `127.0.0.1:${setup.lab.backend('missing-root').port}: missing-root ("CN=missing-root.lab.test" issued by "O=Elsewhere, CN=Elsewhere Issuing CA"): unable to get local issuer certificate`

  it('native minimal tells the kind of fault, and not what is missing', () => {
    const { requestId, ...told } = body('native', 'minimal')
    assert.deepEqual(told, {
      type: 'urn:postern:fault:tls-untrusted',
      title: 'The backend could not be verified',
      status: 502,
      code: 'tls-untrusted',
    })
    assert.equal(requestId, answer('native', 'minimal').headers['x-request-id'])
    assert.equal(answer('native', 'minimal').headers['proxy-status'], undefined)
  })
  it('native standard adds the verdict code', () => {
    const { requestId: _, ...told } = body('native', 'standard')
    assert.deepEqual(told, {
      type: 'urn:postern:fault:missing-root',
      title: 'The backend could not be verified',
      status: 502,
      code: 'missing-root',
    })
  })
  it('native verbose adds the sentence for operators and the party', () => {
    const { detail, party, code } = body('native', 'verbose')
    assert.deepEqual({ detail, party, code }, { detail: summary(), party: 'gateway', code: 'missing-root' })
  })

  it('apigee minimal keeps status and errorcode, without the text of Java', () => {
    assert.equal(answer('apigee', 'minimal').status, 503)
    assert.deepEqual(body('apigee', 'minimal'), {
      fault: {
        faultstring: 'SSL Handshake failed',
        detail: { errorcode: 'messaging.adaptors.http.flow.SslHandshakeFailed' },
      },
    })
  })
  it('apigee standard is the playbook, word for word', () => {
    assert.deepEqual(body('apigee', 'standard'), {
      fault: {
        faultstring: playbookFaultstring,
        detail: { errorcode: 'messaging.adaptors.http.flow.SslHandshakeFailed' },
      },
    })
    assert.equal(answer('apigee', 'standard').headers['x-apigee-proxy'], undefined)
  })
  it('apigee verbose adds the reason and names the proxy', () => {
    const fault = body('apigee', 'verbose')['fault'] as { detail: { reason: string } }
    assert.equal(fault.detail.reason, `missing-root: ${summary()}`)
    const { headers } = answer('apigee', 'verbose')
    assert.equal(headers['x-apigee-organization'], 'myorg')
    assert.equal(
      headers['x-apigee-proxy'],
      '/organizations/myorg/environments/test/apiproxies/apigee-verbose/revisions/1',
    )
  })

  it('apim minimal and standard are the 111 bytes of the original', () => {
    for (const detail of ['minimal', 'standard'] as const) {
      assert.equal(answer('apim', detail).body.length, 111)
      assert.deepEqual(Object.keys(body('apim', detail)), ['statusCode', 'message', 'activityId'])
    }
  })
  it('apim verbose adds verdict and detail after the fields of the original', () => {
    const told = body('apim', 'verbose')
    assert.deepEqual(Object.keys(told), ['statusCode', 'message', 'activityId', 'verdict', 'detail'])
    assert.deepEqual([told['verdict'], told['detail']], ['missing-root', summary()])
  })

  for (const profile of profiles) {
    it(`${profile}: nothing short of verbose names a certificate, an address, a target or a snapshot`, () => {
      const { snapshot } = (setup.gateway.gateway.status()['targets'] as { snapshot: string }[])[0] ?? {}
      for (const detail of ['minimal', 'standard'] as const) {
        const text = JSON.stringify(answer(profile, detail))
        const { port } = setup.lab.backend('missing-root')
        for (const secret of ['Elsewhere', 'lab.test', `:${port}`, '127.0.0.1', snapshot ?? '', 'CERTIFICATE']) {
          assert.equal(text.includes(secret), false, `${detail} discloses ${secret}`)
        }
      }
    })
    it(`${profile}: not even verbose shows key material or a whole certificate`, () => {
      assert.doesNotMatch(answer(profile, 'verbose').body, /BEGIN|PRIVATE|MII/)
    })
  }
})
