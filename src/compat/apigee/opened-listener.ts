import { compileGeneration } from '../../config/compile.ts'
import { ConfigSchema } from '../../config/schema.ts'
import type { ListenerPlan, ServerCertificatePlan } from '../../proxy/plan.ts'
import type { TlsVersions } from './ssl-info-versions.ts'

export interface OpenedTls {
  readonly certificate: ServerCertificatePlan
  readonly versions: TlsVersions
  readonly clientAnchors: readonly string[] | null
}

/** A listener for virtual hosts whose port no listener of the configuration has; all else as listeners have it. */
export function openedListener(port: number, tls: OpenedTls | null): ListenerPlan {
  known ??= readDefaults()
  const { plain, alpn } = known
  const listener = { ...plain, name: `vhost-${port}`, port }
  if (tls === null) return listener
  const { certificate, versions, clientAnchors } = tls
  return { ...listener, tls: { ...versions, certificates: [certificate], alpn, clientAnchors } }
}

interface Defaults {
  readonly plain: ListenerPlan
  readonly alpn: readonly string[]
}

let known: Defaults | null = null

/** Compiled as those of a file are, so that there is one truth about defaults. */
function readDefaults(): Defaults {
  const config = ConfigSchema.parse({
    // Whoever comes by a virtual host gets Edge's faults, also where no proxy answers.
    faults: 'apigee',
    listeners: [
      { name: 'plain', port: 1 },
      { name: 'secure', port: 1, tls: { certificates: [{ certificate: 'none', key: 'none' }] } },
    ],
  })
  const [first, secure] = config.listeners
  if (first === undefined || secure?.tls === undefined) throw new TypeError('two listeners were asked for')
  const { plan } = compileGeneration({
    config: { ...config, listeners: [first] },
    baseDirectory: '/',
    stores: new Map(),
    crlStores: new Map(),
    identities: new Map(),
    secrets: new Map(),
    managed: null,
    generation: 1,
    now: 0,
  })
  const [plain] = plan.listeners
  if (plain === undefined) throw new TypeError('a listener was asked for')
  return { plain, alpn: secure.tls.alpn }
}
