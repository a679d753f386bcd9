import { z } from 'zod'
import { documented, successStatus } from '../../../src/admin/native/openapi.ts'
import { allRoutes } from '../../../src/admin/routes.ts'
import { adminPassword, type ManagedTestGateway } from '../../support/managed-gateway.ts'
import { idleAlerts, idleNative } from '../support.ts'

export interface NativeAnswer {
  readonly status: number
  readonly text: string
  readonly type: string
  readonly headers: Headers
  /** Parsed, where it is JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test that is wrong about it fails
  readonly json: any
}

export interface NativeClient {
  /** `GET /api/targets`. What an operation answers is held against its schema, and an undocumented status is thrown. */
  send(
    what: string,
    body?: unknown,
    options?: { readonly headers?: Readonly<Record<string, string>>; readonly as?: string },
  ): Promise<NativeAnswer>
  readonly origin: string
  /** Every answer so far, one after the other. */
  heard(): string
}

const table = documented(
  allRoutes({
    access: {} as never,
    gateway: { ready: true, metricsText: () => '', status: () => ({}), inventory: () => ({}) },
    native: idleNative,
    alerts: idleAlerts,
    monitoringPrefix: '/monitoring',
  }),
)

export function nativeClient({ gateway }: Pick<ManagedTestGateway, 'gateway'>): NativeClient {
  const origin = `http://127.0.0.1:${gateway.managementPort}`
  const heard: string[] = []
  return {
    origin,
    heard: () => heard.join('\n'),
    async send(what, body, { headers = {}, as = `admin:${adminPassword}` } = {}) {
      const [method = '', path = ''] = what.split(' ')
      const raw = typeof body === 'string'
      const answer = await fetch(`${origin}${path}`, {
        method,
        headers: {
          authorization: `Basic ${Buffer.from(as).toString('base64')}`,
          ...(body === undefined ? {} : { 'content-type': raw ? 'application/yaml' : 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      heard.push(text)
      const type = answer.headers.get('content-type') ?? ''
      const json: unknown = type === 'application/json' ? JSON.parse(text) : undefined
      checkAgainstSchema(method, path, { status: answer.status, type, json })
      return { status: answer.status, text, type, headers: answer.headers, json }
    },
  }
}

function checkAgainstSchema(
  method: string,
  path: string,
  { status, type, json }: Pick<NativeAnswer, 'status' | 'type' | 'json'>,
): void {
  const segments = path.split('?')[0]?.split('/') ?? []
  const route = table.find((each) => {
    const wanted = each.path.split('/')
    const fits = wanted.every((part, index) => part.startsWith(':') || part === segments[index])
    return each.method === method && wanted.length === segments.length && fits
  })
  if (route === undefined) return
  if (status >= 400) {
    z.object({ error: z.looseObject({ code: z.string(), message: z.string() }) }).parse(json)
    return
  }
  if (status !== successStatus(route)) throw new Error(`${method} ${path}: ${status}, not ${successStatus(route)}`)
  if (type !== 'application/json') return
  const { answer } = route.doc
  if (!(answer instanceof z.ZodType)) throw new Error(`${method} ${path} answers JSON that is not documented`)
  const parsed = strict(answer).safeParse(json)
  if (!parsed.success) throw new Error(`${method} ${path}: ${z.prettifyError(parsed.error)}`)
}

/** Nothing is answered that the schema does not know. Only at the top: what is below is data of reports. */
function strict(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodObject && schema.def.catchall === undefined ? schema.strict() : schema
}
