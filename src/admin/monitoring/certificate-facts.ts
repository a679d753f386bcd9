import { X509Certificate } from 'node:crypto'
import type { CertificateFact } from '../../monitor/alerts/rule.ts'
import type { GenerationPlan, ServerPlan, TargetPlan } from '../../proxy/plan.ts'
import type { NativeGateway } from '../gateway-view.ts'

type Seen = Pick<NativeGateway, 'plan' | 'resolved' | 'inventory'>

/** Certificates that traffic depends on, and whose they are: leaves as shown last, anchors of named stores, our own. */
export function certificateFacts(gateway: Seen): () => readonly CertificateFact[] {
  let configured: { readonly plan: GenerationPlan; readonly facts: readonly Configured[] } | null = null
  return () => {
    if (configured?.plan !== gateway.plan) configured = { plan: gateway.plan, facts: configuredFacts(gateway) }
    const hung = anchorsInUse(gateway)
    const facts = configured.facts.map(({ fingerprint, ...fact }) => ({
      ...fact,
      isInUse: fingerprint === '' || hung.has(hangKey(fact, fingerprint)),
    }))
    return [...leaves(gateway), ...facts]
  }
}

/** What the chains hang on that servers have shown last. */
function anchorsInUse(gateway: Seen): ReadonlySet<string> {
  return new Set(
    gateway.inventory().servers.flatMap(({ target, chains }) => {
      const anchor = chains[0]?.anchor ?? null
      return anchor === null ? [] : [hangKey(ownerOf(gateway, target), anchor.sha256)]
    }),
  )
}

const hangKey = (
  { organization, environment }: Pick<CertificateFact, 'organization' | 'environment'>,
  sha256: string,
): string => JSON.stringify([organization, environment, sha256.replaceAll(':', '').toUpperCase()])

/** Of an anchor its SHA-256; '' of what is in use anyway. */
type Configured = Omit<CertificateFact, 'isInUse'> & { readonly fingerprint: string }

function leaves(gateway: Seen): readonly CertificateFact[] {
  return gateway.inventory().servers.flatMap(({ target, server, chains }): CertificateFact[] => {
    const [newest] = chains
    if (newest === undefined) return []
    const { leaf, leafEnds } = newest
    const notAfter = Date.parse(leafEnds)
    return [
      {
        kind: 'leaf',
        name: server,
        ...ownerOf(gateway, target),
        target,
        store: null,
        notAfter,
        subject: leaf.subject,
        isInUse: true,
      },
    ]
  })
}

/** Each anchor once a store, each certificate of ours once a target. */
function configuredFacts(gateway: Seen): readonly Configured[] {
  const found = new Map<string, Configured>()
  for (const target of gateway.plan.targets) {
    const owner = ownerOf(gateway, target.name)
    for (const server of target.servers) {
      const { tls } = server
      if (tls === null) continue
      for (const store of storesOf(gateway, target, server)) {
        for (const pem of tls.anchors) {
          const fact = factOf(pem, { kind: 'anchor', ...owner, target: null, store })
          if (fact !== null) found.set(JSON.stringify([owner, store, pem]), fact)
        }
      }
      const chain = tls.clientCertificate?.chain
      if (chain === undefined) continue
      const fact = factOf(chain, { kind: 'client', ...owner, target: target.name, store: null })
      if (fact !== null) found.set(JSON.stringify([target.name, chain]), fact)
    }
  }
  return [...found.values()]
}

function ownerOf({ plan, resolved }: Seen, target: string): Pick<CertificateFact, 'organization' | 'environment'> {
  const { organization, environment } = resolved.origins.get(target) ?? plan
  return { organization, environment }
}

/** Names of the stores that a server is verified with, as one where they are more; empty: the roots of the system. */
function storesOf({ resolved }: Seen, target: TargetPlan, server: ServerPlan): readonly string[] {
  const origin = resolved.origins.get(target.name)
  if (origin !== undefined) {
    const store = origin.servers.get(server.name)?.trustStore?.store
    return store === undefined ? [] : [store]
  }
  const named = resolved.config.targets[target.name]?.tls?.trust ?? []
  return named.length === 0 ? [] : [named.join(', ')]
}

/** Of a chain: its leaf. null: it cannot be read. */
function factOf(
  pem: string,
  of: Pick<CertificateFact, 'kind' | 'organization' | 'environment' | 'target' | 'store'>,
): Configured | null {
  try {
    const { subject, validToDate, fingerprint256 } = new X509Certificate(pem)
    const fingerprint = of.kind === 'anchor' ? fingerprint256.replaceAll(':', '') : ''
    const name = subject.split('\n').join(', ')
    return { ...of, name, subject: name, notAfter: validToDate.getTime(), fingerprint }
  } catch {
    return null // what runs was read before; a certificate of a kind that the runtime does not know has no end to tell
  }
}
