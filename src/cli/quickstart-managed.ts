import type { Lab } from '../lab/lab.ts'
import { createRoot } from '../pki/make.ts'
import { writeZip } from '../core/zip.ts'

/** Where the quickstart's management API is, and who may. */
export interface QuickstartAdmin {
  readonly origin: string
  readonly password: string
}

const environment = '/v1/o/myorg/e/test'

/**
 * A proxy on /orders whose trust is a reference, made through the management API as anybody would: store `lab` holds the lab's
 * root, store `other` one that signed nothing, and reference `backends` leads to the first.
 */
export async function storeExample(admin: QuickstartAdmin, lab: Lab): Promise<void> {
  const other = await createRoot({ commonName: 'Other Root' })
  const roots = [
    ['lab', lab.trust.bundlePem],
    ['other', other.certificatePem],
  ] as const
  for (const [name, pem] of roots) {
    await send(admin, 'POST', `${environment}/keystores`, JSON.stringify({ name }), 'application/json')
    const form = new FormData()
    form.set('certFile', new Blob([pem]), `${name}.pem`)
    await send(admin, 'POST', `${environment}/keystores/${name}/aliases?alias=root&format=keycertfile`, form)
  }
  const reference = JSON.stringify({ name: 'backends', refers: 'lab', resourceType: 'TrustStore' })
  await send(admin, 'POST', `${environment}/references`, reference, 'application/json')
  const { host, port, serverName } = lab.backend('ok')
  const zip = await writeZip(bundle(`https://${host}:${port}`, serverName))
  const bytes = 'application/octet-stream'
  await send(admin, 'POST', '/v1/o/myorg/apis?action=import&name=orders', new Uint8Array(zip), bytes)
  await send(admin, 'POST', `${environment}/apis/orders/revisions/1/deployments`)
}

/** What the quickstart prints of it. */
export function managedGuide({ origin, password }: QuickstartAdmin, gateway: string): string {
  const reference = `curl -u admin:${password} -X PUT ${origin}${environment}/references/backends -H 'content-type: application/json'`
  return `The management API, in Edge's words, has made a proxy whose trust is a reference. Switch it, and the next request knows:
  curl -i ${gateway}/orders
  ${reference} -d '{"name":"backends","refers":"other","resourceType":"TrustStore"}'
  curl -i ${gateway}/orders   503 now; back with "refers":"lab"
  curl -u admin:${password} ${origin}${environment}/keystores/lab/certs/root-cert
Here the user "admin" has the password ${password}; it is gone with this process, like everything else here.
`
}

/** From the id in an answer to the cause; as it stands, in one shell. */
export function seeGuide({ origin, password }: QuickstartAdmin, gateway: string, command: string): string {
  const failing = `${gateway}/native/missing-root`
  const monitoring = `${origin}/api/organizations/myorg/environments/test/monitoring`
  return `See what happened (organization myorg, environment test): why a request failed, from the id of its answer; one archive about it;
the next one step by step; and what is failing at all:
  export POSTERN_USER=admin POSTERN_PASSWORD=${password}
  id=$(curl -si ${failing} | tr -d '\\r' | sed -n 's/^X-Request-ID: //p')
  ${command} why --admin ${origin} "$id"
  ${command} support --admin ${origin} --request "$id"
  (sleep 2; curl -so /dev/null ${failing}) & ${command} trace --admin ${origin} native-missing-root
  curl -s -u "$POSTERN_USER:$POSTERN_PASSWORD" "${monitoring}/matrix?rows=target&columns=verdict"
`
}

function bundle(url: string, serverName: string): ReadonlyMap<string, Uint8Array> {
  const files = {
    'apiproxy/orders.xml': '<APIProxy name="orders"/>\n',
    'apiproxy/proxies/default.xml': `<ProxyEndpoint name="default">
  <HTTPProxyConnection><BasePath>/orders</BasePath><VirtualHost>default</VirtualHost></HTTPProxyConnection>
  <RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule>
</ProxyEndpoint>
`,
    'apiproxy/targets/default.xml': `<TargetEndpoint name="default">
  <HTTPTargetConnection>
    <URL>${url}</URL>
    <SSLInfo>
      <Enabled>true</Enabled>
      <TrustStore>ref://backends</TrustStore>
      <CommonName wildcardMatch="false">${serverName}</CommonName>
    </SSLInfo>
  </HTTPTargetConnection>
</TargetEndpoint>
`,
  }
  return new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]))
}

async function send(
  admin: QuickstartAdmin,
  method: string,
  path: string,
  body?: string | FormData | Uint8Array<ArrayBuffer>,
  type?: string,
): Promise<void> {
  const authorization = `Basic ${Buffer.from(`admin:${admin.password}`).toString('base64')}`
  const answer = await fetch(admin.origin + path, {
    method,
    headers: { authorization, ...(type === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}
