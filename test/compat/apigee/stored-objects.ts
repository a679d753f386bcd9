import type { StateTransaction } from '../../../src/state/types.ts'

/* Objects of organization acme, environment test, put into a store as routes do. */

export const stamps = { createdAt: 0, createdBy: 'a@example.com', lastModifiedAt: 0, lastModifiedBy: 'a@example.com' }
const scope = 'acme/test'

export async function addKeystore(tx: StateTransaction, name: string): Promise<void> {
  await tx.put('environment', 'acme', 'test', { body: { ...stamps, description: '', properties: {} } })
  await tx.put('keystore', scope, name, { body: { ...stamps, generation: 1 } })
}

export async function addAlias(
  tx: StateTransaction,
  keystore: string,
  name: string,
  chain: string,
  key: string | null,
): Promise<void> {
  await tx.put('alias', `${scope}/${keystore}`, name, {
    body: { ...stamps, certName: `${name}-cert`, keyName: key === null ? null : `${name}-key`, fingerprints: [] },
    blob: Buffer.from(chain),
    secret: key === null ? null : Buffer.from(key),
  })
}

export async function addReference(tx: StateTransaction, name: string, refers: string): Promise<void> {
  await tx.put('reference', scope, name, { body: { ...stamps, refers, resourceType: 'TrustStore', description: '' } })
}

export async function addVirtualHost(tx: StateTransaction, name: string, port: number): Promise<void> {
  const propagateTlsInformation = { connectionProperties: false, clientProperties: false }
  await tx.put('virtual-host', scope, name, {
    body: { ...stamps, port, hostAliases: [], interfaces: [], sslInfo: null, properties: {}, propagateTlsInformation },
  })
}

/** Revision 1 of an API at `/NAME`, with an https target and the inside of its SSLInfo. */
export async function addDeployment(tx: StateTransaction, api: string, sslInfo: string): Promise<void> {
  const files = {
    [`apiproxy/${api}.xml`]: `<APIProxy name="${api}"/>`,
    'apiproxy/proxies/default.xml': `<ProxyEndpoint name="default"><HTTPProxyConnection><BasePath>/${api}</BasePath><VirtualHost>default</VirtualHost></HTTPProxyConnection><RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule></ProxyEndpoint>`,
    'apiproxy/targets/default.xml': `<TargetEndpoint name="default"><HTTPTargetConnection><URL>https://${api}.test</URL><SSLInfo><Enabled>true</Enabled>${sslInfo}</SSLInfo></HTTPTargetConnection></TargetEndpoint>`,
  }
  for (const [path, text] of Object.entries(files)) {
    const blob = Buffer.from(text)
    await tx.put('api-file', `acme/apis/${api}/1`, path, { body: { bytes: blob.length }, blob })
  }
  await tx.put('api-deployment', `${scope}/apis/${api}`, '1', { body: { ...stamps, basePath: '/', delay: null } })
}
