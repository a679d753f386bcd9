import type { RecordedTransaction, RecordingOrder } from '../../src/observe/recording.ts'
import { debugSessionRoutes } from '../../src/admin/edge/debug-sessions.ts'
import { seedState } from '../../src/admin/seed.ts'
import { traceRoutes } from '../../src/admin/native/traces.ts'
import { openTraces } from '../../src/traces/registry.ts'
import { samples } from '../traces/samples.ts'
import { putApi, stamps } from './edge/entity-support.ts'
import { basic, idleNative, makeUser, memoryServices, root, startAdmin } from './support.ts'

/** Sessions of both APIs over real HTTP; proxy `orders` of acme/test runs in revision 3, `filed` is of the file. */
export async function traceRig() {
  let now = Date.UTC(2026, 0, 23)
  const ordered: (readonly RecordingOrder[])[] = []
  const traces = openTraces({ order: (orders) => ordered.push(orders), now: () => now, timer: () => () => {} })
  const services = await memoryServices(() => now)
  await seedState(services.store, { organization: 'acme', environments: ['test'], listeners: [] }, () => now)
  await services.change({ principal: root }, async (tx) => {
    await putApi(tx, 'orders')
    const body = { ...stamps, displayName: '', description: '' }
    await tx.put('api-revision', 'acme/apis/orders', '3', { body })
  })
  for (const role of ['admin', 'operator', 'viewer'] as const) await makeUser(services, role, { acme: role })
  await makeUser(services, 'other', { elsewhere: 'admin' })
  const place = { organization: 'acme', environment: 'test' }
  const gateway = {
    plan: {
      ...idleNative.plan,
      proxies: [
        { ...place, name: 'orders', revision: '3' },
        { ...place, name: 'filed', revision: '1' },
      ],
    } as unknown as typeof idleNative.plan,
  }
  const server = await startAdmin([...debugSessionRoutes(traces, gateway), ...traceRoutes(traces, gateway)], {
    services,
    clock: () => now,
  })
  const send = async (
    what: string,
    options: { user?: string; body?: unknown; headers?: Record<string, string> } = {},
  ) => {
    const [method = '', path = ''] = what.split(' ')
    const { user = 'operator', body, headers = {} } = options
    const raw = typeof body === 'string'
    return fetch(
      `${server.origin}${path.replace(/^ER/, '/v1/o/acme/e/test/apis/orders/revisions/3').replace(/^T/, '/api/organizations/acme/environments/test/traces')}`,
      {
        method,
        headers: { authorization: basic(user), ...(raw ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      },
    )
  }
  return {
    traces,
    services,
    origin: server.origin,
    send,
    ordered,
    pass: (ms: number) => (now += ms),
    record: (rest: Partial<RecordedTransaction> = {}, sample = samples['untrusted'] as RecordedTransaction): void => {
      const sessions = ordered.at(-1)?.map(({ session }) => session) ?? []
      traces.recorded([{ ...sample, ...rest, sessions }])
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** As clients of Edge write it (apigee-edge.md 1.3, rule 10). */
export const misspelt = { 'content-type': 'application/x-www-url-form-encoded' }
