import type { AdminServices } from '../../../src/admin/api.ts'
import { edgeEntityRoutes } from '../../../src/admin/edge/entity-routes.ts'
import { keystoreRoutes } from '../../../src/admin/edge/keystores.ts'
import { seedState } from '../../../src/admin/seed.ts'
import { createIntermediate, createLeaf, createRoot, createSelfSigned, pemOf } from '../../../src/pki/make.ts'
import { basic, makeUser, startAdmin } from '../support.ts'

export const root = await createRoot({ commonName: 'Root', organization: 'Acme' })
export const issuing = await createIntermediate(root, { commonName: 'Issuing CA' })
export const leaf = await createLeaf(issuing, { names: ['leaf.test', '127.0.0.1'], key: 'rsa-2048' })
export const renewed = await createLeaf(issuing, { names: ['leaf.test'], key: leaf.keys })
export const stranger = await createSelfSigned({ names: ['stranger.test'] })
export const expired = await createSelfSigned({
  names: ['expired.test'],
  notBefore: new Date('2020-01-01T00:00:00Z'),
  notAfter: new Date('2021-01-01T00:00:00Z'),
})
export const chainPem = pemOf(leaf.certificate, issuing.certificate, root.certificate)

interface Answered {
  readonly status: number
  readonly type: string
  readonly text: string
  /** Parsed, where it is JSON. */
  readonly json: never
}

export interface KeystoreClient extends AsyncDisposable {
  readonly services: AdminServices
  readonly origin: string
  /** `'GET keystores/ks1'`, below acme's environment `test`; a text or a form as body, anything else as JSON. */
  send(what: string, body?: unknown, type?: string, user?: string): Promise<Answered>
  /** Every answer so far, one after the other. */
  readonly heard: () => string
  generation(keystore: string): Promise<number | undefined>
}

/** The real server over an empty store with organization `acme`, environment `test`, and a user of each role. */
export async function keystoreClient(): Promise<KeystoreClient> {
  const server = await startAdmin([...keystoreRoutes, ...edgeEntityRoutes])
  const { services, origin } = server
  await seedState(services.store, { organization: 'acme', environments: ['test'], listeners: [] }, Date.now)
  for (const role of ['admin', 'operator', 'viewer'] as const) await makeUser(services, role, { acme: role })
  const heard: string[] = []
  return {
    services,
    origin,
    async send(what, body, type, user = 'operator') {
      const [method = '', path = ''] = what.split(' ')
      const raw =
        typeof body === 'string' || body instanceof FormData || body instanceof Uint8Array || body === undefined
      const contentType = type ?? (raw ? undefined : 'application/json')
      const answer = await fetch(`${origin}/v1/o/acme/e/test/${path}`, {
        method,
        headers: { authorization: basic(user), ...(contentType === undefined ? {} : { 'content-type': contentType }) },
        ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
      })
      const text = await answer.text()
      heard.push(text)
      const isJson = answer.headers.get('content-type') === 'application/json'
      const json = (isJson ? JSON.parse(text) : undefined) as never
      return { status: answer.status, type: answer.headers.get('content-type') ?? '', text, json }
    },
    heard: () => heard.join('\n'),
    generation: (keystore) =>
      services.read(async (view) => (await view.get('keystore', 'acme/test', keystore))?.body.generation),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** As `curl -F` makes it: files with a name, the rest as text. */
export function form(parts: Readonly<Record<string, string | Uint8Array>>): FormData {
  const made = new FormData()
  for (const [name, content] of Object.entries(parts)) {
    if (name === 'password') made.append(name, content)
    else made.append(name, new Blob([typeof content === 'string' ? content : Uint8Array.from(content)]), `${name}.bin`)
  }
  return made
}
