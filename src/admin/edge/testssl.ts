import { isIPv6 } from 'node:net'
import { adHocTarget } from '../../compat/apigee/ad-hoc-target.ts'
import { clientAuthentication } from '../../diagnosis/client-authentication.ts'
import { reportJson } from '../../diagnosis/report-json.ts'
import { type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { badValue, beanOf, objectOf, portOf, textOf } from './bean.ts'
import { scopeOf } from './scope.ts'
import { sslInfoOf } from './ssl-info-bean.ts'

/** Milliseconds. */
const defaultTimeout = 3_000
const maxTimeout = 30_000

/**
 * Edge's test of a TLS connection with stores of the environment (apigee-edge.md 1.6). Edge documents no reply; this one is
 * our diagnosis, with a word on top that scripts can look at.
 */
export function testSslRoutes(gateway: NativeGateway): readonly ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/v1/organizations/:org/environments/:env/testssl',
      role: 'operator',
      operation: 'TESTSSL',
      async handle(call) {
        await call.services.read((view) => scopeOf(view, call.params))
        const bean = await beanOf(call, 'TestSSL')
        const host = textOf(bean['host'], 'host').trim()
        const port = portOf(bean['port'], 'port') ?? 443
        if (host === '') throw badValue('host', 'is needed')
        const { target, origin } = targetOf(gateway, call, `${isIPv6(host) ? `[${host}]` : host}:${port}`, bean)
        const limit = timeoutOf(bean['connectionTimeout'])
        const [first] = target.servers
        if (first === undefined) throw new TypeError('a target without a server')
        const server = { ...first, timeouts: { ...first.timeouts, connectMs: limit, handshakeMs: limit } }
        const at = Date.now()
        const [seen] = await gateway.probe([{ target, server, origin }])
        if (seen === undefined) throw new TypeError('a probe without a diagnosis')
        const checked = { entry: `${host}:${port}`, server, target: null }
        return json(200, {
          success: seen.verdict.code === 'trusted',
          ...reportJson(checked, seen, { mode: 'runtime', time: null, at }),
          clientAuthentication: clientAuthentication(server, seen.probe.handshake, at),
        })
      },
    },
  ]
}

function targetOf(
  { stored, resolved }: NativeGateway,
  { params }: ApiCall,
  authority: string,
  bean: Readonly<Record<string, unknown>>,
) {
  const what = 'targetEndpointConfiguration'
  const configuration = bean[what] === undefined ? {} : objectOf(bean[what], what)
  const sslInfo = sslInfoOf({ ...configuration, enabled: true }, 'target')
  if (sslInfo === null) throw badValue(what, 'must be an object')
  const home = { organization: params['org'] ?? '', environment: params['env'] ?? '' }
  const made = adHocTarget(stored, {
    home,
    name: 'testssl',
    authority,
    // It is asked whether the backend can be trusted, so nothing is let pass.
    sslInfo: { ...sslInfo, enforce: true, ignoreValidationErrors: false },
    config: resolved.config,
  })
  if ('target' in made) return made
  const [first] = made.problems
  throw new ApiError(400, first?.code ?? 'bad-target', first?.message ?? 'this cannot be tested')
}

function timeoutOf(value: unknown): number {
  const text = textOf(value, 'connectionTimeout').trim()
  if (text === '') return defaultTimeout
  const milliseconds = Number(text)
  if (!Number.isInteger(milliseconds) || milliseconds < 1) throw badValue('connectionTimeout', 'must be milliseconds')
  return Math.min(milliseconds, maxTimeout)
}
