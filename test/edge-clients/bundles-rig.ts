import { createServer, type IncomingHttpHeaders, type RequestListener, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { createServer as createPort } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { AdminRefused } from '../support/admin-client.ts'

/* What the tests of running bundles have alike: bundles as XML, backends that say what they saw, and clients. */

interface BundleParts {
  readonly basePath?: string
  readonly virtualHosts?: readonly string[]
  /** RouteRules; without it one to the target endpoint `default`. */
  readonly routes?: string
  /** Before HTTPProxyConnection. */
  readonly flows?: string
  /** What stands in HTTPTargetConnection, by target endpoint. */
  readonly targets?: Readonly<Record<string, string>>
}

/** Files of a bundle with one proxy endpoint, without `apiproxy/`. */
export function bundle(parts: BundleParts): Readonly<Record<string, string>> {
  return { ...proxyEndpoint('default', parts), ...targetFiles(parts.targets ?? {}) }
}

/** A proxy endpoint, for bundles with several. */
export function proxyEndpoint(name: string, parts: BundleParts): Readonly<Record<string, string>> {
  const hosts = (parts.virtualHosts ?? ['default']).map((host) => `<VirtualHost>${host}</VirtualHost>`).join('')
  const routes = parts.routes ?? '<RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule>'
  const connection = `<HTTPProxyConnection><BasePath>${parts.basePath ?? '/'}</BasePath>${hosts}</HTTPProxyConnection>`
  return {
    [`proxies/${name}.xml`]: `<ProxyEndpoint name="${name}">\n${parts.flows ?? ''}${connection}${routes}</ProxyEndpoint>`,
  }
}

function targetFiles(targets: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(targets).map(([name, connection]) => [
      `targets/${name}.xml`,
      `<TargetEndpoint name="${name}"><HTTPTargetConnection>${connection}</HTTPTargetConnection></TargetEndpoint>`,
    ]),
  )
}

/** A RouteRule; `to` is the URL, `condition` goes into a CDATA section. */
export function rule(name: string, to: string, condition?: string): string {
  const when = condition === undefined ? '' : `<Condition><![CDATA[${condition}]]></Condition>`
  return `<RouteRule name="${name}">${when}${to === '' ? '' : `<URL>${to}</URL>`}</RouteRule>`
}

export interface PlainBackend extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** `Host` of each request, and its path. */
  readonly seen: readonly { readonly host: string; readonly url: string }[]
}

/** Default: answers with its name and the path that it was asked for. */
export async function plainBackend(name: string, answer?: RequestListener): Promise<PlainBackend> {
  const seen: { host: string; url: string }[] = []
  const server = createServer((incoming, response) => {
    seen.push({ host: incoming.headers.host ?? '', url: incoming.url ?? '' })
    if (answer !== undefined) return answer(incoming, response)
    incoming.resume()
    response.end(`${name} ${incoming.url}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

export interface Asked {
  readonly status: number
  readonly body: string
  readonly headers: IncomingHttpHeaders
  /** Of the fault; '' for none. */
  readonly code: string
  readonly faultstring: string
  /** Common name of the certificate that the gateway showed; '' without TLS. */
  readonly certificate: string
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** TLS, with this name; '' for none. */
  readonly serverName?: string
  /** Of the client. */
  readonly identity?: { readonly chainPem: string; readonly keyPem: string }
}

/** One request over a connection of its own. Throws where the connection does not come to be or breaks. */
export function ask(port: number, path: string, options: AskOptions = {}): Promise<Asked> {
  const { method = 'GET', headers = {}, body, serverName, identity } = options
  const common = { host: '127.0.0.1', port, path, method, headers, agent: false } as const
  return new Promise((resolve, reject) => {
    const sent =
      serverName === undefined
        ? requestHttp(common)
        : requestHttps({
            ...common,
            ...(identity === undefined ? {} : { cert: identity.chainPem, key: identity.keyPem }),
            // What it shows is looked at below.
            rejectUnauthorized: false,
            servername: serverName,
          })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const { socket } = response
      const certificate = 'getPeerCertificate' in socket ? (socket as PeerSocket).getPeerCertificate().subject?.CN : ''
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('aborted', () => reject(new Error('the response broke off')))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({
          status: response.statusCode ?? 0,
          body: text,
          headers: response.headers,
          ...faultIn(text),
          certificate: certificate ?? '',
        })
      })
    })
    sent.end(body)
  })
}

interface PeerSocket {
  getPeerCertificate(): { readonly subject?: { readonly CN?: string } }
}

function faultIn(text: string): { readonly code: string; readonly faultstring: string } {
  if (!text.startsWith('{"fault"')) return { code: '', faultstring: '' }
  const { fault } = JSON.parse(text) as { fault: { faultstring: string; detail: { errorcode: string } } }
  return { code: fault.detail.errorcode, faultstring: fault.faultstring }
}

/** `200 one /a`, `503 messaging.adaptors.http.flow.NoActiveTargets`. */
export const short = ({ status, body, code }: Asked): string => `${status} ${code === '' ? body : code}`

/** What the management API says to what it refuses. */
export async function refusal(work: Promise<unknown>): Promise<AdminRefused> {
  try {
    await work
  } catch (error) {
    if (error instanceof AdminRefused) return error
    throw error
  }
  throw new Error('it was not refused')
}

/** One that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createPort().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Comes back when it holds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`it did not come: ${what}`)
}
