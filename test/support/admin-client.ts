import { writeZip } from '../../src/core/zip.ts'

export interface AdminAnswer {
  readonly status: number
  readonly body: string
}

/** What an answer was that should have been a good one. */
export class AdminRefused extends Error {
  readonly status: number

  constructor(what: string, { status, body }: AdminAnswer) {
    super(`${what}: ${status} ${body}`)
    this.status = status
  }
}

/** A client of the management API, for organization `acme` and environment `test`. Whatever is not 2xx is thrown. */
export interface AdminClient {
  /** `path` below `/v1/o/acme`. */
  send(method: string, path: string, body?: object | FormData | Uint8Array): Promise<AdminAnswer>
  /** Of a GET. */
  bytes(path: string): Promise<Buffer>
  keystore(name: string): Promise<AdminAnswer>
  /** Without `key` it is a certificate only. */
  alias(keystore: string, name: string, chain: string, key?: string): Promise<AdminAnswer>
  replaceAlias(keystore: string, name: string, chain: string): Promise<AdminAnswer>
  removeAlias(keystore: string, name: string): Promise<AdminAnswer>
  reference(name: string, refers: string, type?: 'KeyStore' | 'TrustStore'): Promise<AdminAnswer>
  switchReference(name: string, refers: string, type?: 'KeyStore' | 'TrustStore'): Promise<AdminAnswer>
  targetServer(name: string, body: object): Promise<AdminAnswer>
  /** A revision from the files of a bundle, without `apiproxy/`. */
  importBundle(name: string, files: Readonly<Record<string, string>>): Promise<AdminAnswer>
  deploy(name: string, revision: number): Promise<AdminAnswer>
}

export function adminClient(origin: string, password: string): AdminClient {
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  const send: AdminClient['send'] = async (method, path, body) => {
    const isJson = body !== undefined && !(body instanceof FormData) && !(body instanceof Uint8Array)
    const response = await fetch(`${origin}/v1/o/acme${path}`, {
      method,
      headers: {
        authorization,
        ...(isJson ? { 'content-type': 'application/json' } : {}),
        ...(body instanceof Uint8Array ? { 'content-type': 'application/octet-stream' } : {}),
      },
      ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : (body as FormData) }),
    })
    const answer = { status: response.status, body: await response.text() }
    if (!response.ok) throw new AdminRefused(`${method} ${path}`, answer)
    return answer
  }
  const bytes: AdminClient['bytes'] = async (path) => {
    const response = await fetch(`${origin}/v1/o/acme${path}`, { headers: { authorization } })
    const body = Buffer.from(await response.arrayBuffer())
    if (!response.ok) throw new AdminRefused(`GET ${path}`, { status: response.status, body: body.toString() })
    return body
  }
  const test = '/e/test'
  const upload = (chain: string, key?: string): FormData => {
    const form = new FormData()
    form.set('certFile', new Blob([chain]), 'cert.pem')
    if (key !== undefined) form.set('keyFile', new Blob([key]), 'key.pem')
    return form
  }
  const aliases = (keystore: string): string => `${test}/keystores/${keystore}/aliases`
  return {
    send,
    bytes,
    keystore: (name) => send('POST', `${test}/keystores`, { name }),
    alias: (keystore, name, chain, key) =>
      send('POST', `${aliases(keystore)}?alias=${name}&format=keycertfile`, upload(chain, key)),
    replaceAlias: (keystore, name, chain) =>
      send('PUT', `${aliases(keystore)}/${name}?format=keycertfile`, upload(chain)),
    removeAlias: (keystore, name) => send('DELETE', `${aliases(keystore)}/${name}`),
    reference: (name, refers, resourceType = 'TrustStore') =>
      send('POST', `${test}/references`, { name, refers, resourceType }),
    switchReference: (name, refers, resourceType = 'TrustStore') =>
      send('PUT', `${test}/references/${name}`, { name, refers, resourceType }),
    targetServer: (name, body) => send('POST', `${test}/targetservers`, { name, ...body }),
    importBundle: async (name, files) =>
      send('POST', `/apis?action=import&name=${name}`, await writeZip(bundleOf(name, files))),
    deploy: (name, revision) => send('POST', `${test}/apis/${name}/revisions/${revision}/deployments?override=true`),
  }
}

const bundleOf = (name: string, files: Readonly<Record<string, string>>): [string, Buffer][] =>
  Object.entries({ [`${name}.xml`]: `<APIProxy name="${name}"/>`, ...files }).map(([path, text]) => [
    `apiproxy/${path}`,
    Buffer.from(text),
  ])

/** A bundle with base path `/NAME` and one target; `connection` is what stands in its HTTPTargetConnection. */
export function oneTarget(name: string, connection: string): Readonly<Record<string, string>> {
  return {
    'proxies/default.xml': `<ProxyEndpoint name="default"><HTTPProxyConnection><BasePath>/${name}</BasePath><VirtualHost>default</VirtualHost></HTTPProxyConnection><RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule></ProxyEndpoint>`,
    'targets/default.xml': `<TargetEndpoint name="default"><HTTPTargetConnection>${connection}</HTTPTargetConnection></TargetEndpoint>`,
  }
}
