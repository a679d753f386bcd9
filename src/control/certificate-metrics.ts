import { X509Certificate } from 'node:crypto'
import type { TargetOrigin } from '../config/managed-view.ts'
import type { ManagementPlace } from '../config/resolve.ts'
import type { LeafSeen } from '../diagnosis/chains-seen.ts'
import type { MetricFamily, MetricSample } from '../observe/exposition.ts'
import type { GenerationPlan } from '../proxy/plan.ts'
import type { CrlStore } from '../trust/crl-store.ts'
import type { TrustStore } from '../trust/store.ts'
import { namedTrust } from './trust-changes.ts'

export interface CertificateState {
  readonly plan: GenerationPlan
  readonly stores: ReadonlyMap<string, TrustStore>
  readonly crlStores: ReadonlyMap<string, CrlStore>
  /** Which stored objects targets were made of. */
  readonly origins: ReadonlyMap<string, TargetOrigin>
  readonly management: ManagementPlace | null
  /** What servers have shown last. */
  readonly leaves: readonly LeafSeen[]
}

/** When what the gateway trusts, shows and has been shown ends. Each certificate is read once. */
export class CertificateMetrics {
  #pems: ReadonlyMap<string, number | null> = new Map()
  #leaves: ReadonlyMap<Uint8Array, number | null> = new Map()
  /** Of the configuration, for as long as it is the same. */
  #configured: Configured | null = null

  /** @param now ms */
  families(state: CertificateState, now: number = Date.now()): readonly MetricFamily[] {
    const of = [state.plan, state.stores, state.crlStores, state.origins, state.management]
    if (this.#configured === null || this.#configured.of.some((each, index) => each !== of[index])) {
      const ends = new EndsOf(this.#pems)
      this.#configured = { of, families: configuredEnds(state, ends), anchors: anchorEnds(state, ends) }
      this.#pems = ends.asked
    }
    const ends = new EndsOf(this.#leaves)
    const backends = backendEnds(state, ends)
    this.#leaves = ends.asked
    return [backends, ...anchorFamilies(this.#configured.anchors, now / 1000), ...this.#configured.families]
  }
}

interface Configured {
  readonly of: readonly unknown[]
  readonly families: readonly MetricFamily[]
  /** Ends of every anchor, by store; seconds. */
  readonly anchors: ReadonlyMap<string, readonly number[]>
}

/** Bundles of systems hold roots that ended long ago: the end of one says nothing any more. As for `certificate-expires`. */
const endedSeconds = 30 * 86_400

function anchorFamilies(anchors: Configured['anchors'], now: number): readonly MetricFamily[] {
  return [
    {
      name: 'postern_trust_anchor_not_after_timestamp_seconds',
      help: 'First end of validity among the anchors of a store, without those that ended over 30 days ago; a stored one is named as its targets name it.',
      type: 'gauge',
      labels: ['store'],
      samples: [...anchors].flatMap(([store, ends]) =>
        sample({ store }, first(ends.filter((end) => end >= now - endedSeconds))),
      ),
    },
    {
      name: 'postern_trust_anchors_expired',
      help: 'Anchors of a store whose validity has ended: nothing can hang on them.',
      type: 'gauge',
      labels: ['store'],
      samples: [...anchors].map(([store, ends]) => ({
        labels: { store },
        value: ends.filter((end) => end < now).length,
      })),
    },
  ]
}

/** Ends of validity in seconds: holds what it was asked for, and begins with what the one before knew. */
class EndsOf<Encoded extends string | Uint8Array> {
  readonly asked = new Map<Encoded, number | null>()
  readonly #before: ReadonlyMap<Encoded, number | null>

  constructor(before: ReadonlyMap<Encoded, number | null>) {
    this.#before = before
  }

  /** null: it cannot be read. */
  of(certificate: Encoded): number | null {
    let end = this.asked.get(certificate)
    if (end === undefined) end = this.#before.get(certificate)
    if (end === undefined) end = endOf(certificate)
    this.asked.set(certificate, end)
    return end
  }
}

function backendEnds({ leaves }: CertificateState, ends: EndsOf<Uint8Array>): MetricFamily {
  return {
    name: 'postern_upstream_certificate_not_after_timestamp_seconds',
    help: 'End of validity of the certificate that a server has shown last, trusted or not.',
    type: 'gauge',
    labels: ['target', 'server'],
    samples: leaves.flatMap(({ target, server, leaf }) => sample({ target, server }, ends.of(leaf))),
  }
}

function configuredEnds(state: CertificateState, ends: EndsOf<string>): readonly MetricFamily[] {
  return [
    {
      name: 'postern_upstream_client_certificate_not_after_timestamp_seconds',
      help: 'End of validity of the certificate that we show to the servers of a target.',
      type: 'gauge',
      labels: ['target'],
      samples: state.plan.targets.flatMap(({ name: target, tls, servers }) => {
        const chains = new Set(
          [tls, ...servers.map((server) => server.tls)].flatMap((each) => each?.clientCertificate?.chain ?? []),
        )
        return sample({ target }, first([...chains].map((chain) => ends.of(chain))))
      }),
    },
    {
      name: 'postern_listener_certificate_not_after_timestamp_seconds',
      help: 'End of validity of a certificate that a listener shows, by the first of its names.',
      type: 'gauge',
      labels: ['listener', 'name'],
      samples: listenerEnds(state, ends),
    },
    {
      name: 'postern_crl_next_update_timestamp_seconds',
      help: 'First end among the revocation lists of a store; whom an ended list is about is refused.',
      type: 'gauge',
      labels: ['store'],
      samples: [...state.crlStores].flatMap(([store, { lists }]) =>
        sample({ store }, first(lists.map(({ crl }) => (crl.nextUpdate === null ? null : crl.nextUpdate / 1000)))),
      ),
    },
  ]
}

function anchorEnds(
  { plan, stores, origins }: CertificateState,
  ends: EndsOf<string>,
): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, readonly number[]>()
  for (const [store, { anchors }] of stores) {
    found.set(
      store,
      anchors.map(({ notAfter }) => notAfter / 1000),
    )
  }
  for (const [store, [anchors = []]] of namedTrust({ plan, origins })) {
    found.set(
      store,
      anchors.flatMap((pem) => ends.of(pem) ?? []),
    )
  }
  return found
}

/** Two certificates of one name, one for each kind of key, are one series: the first that ends. */
function listenerEnds({ plan, management }: CertificateState, ends: EndsOf<string>): readonly MetricSample[] {
  const found = new Map<string, { readonly labels: Labels; readonly all: (number | null)[] }>()
  const add = (listener: string, name: string, chain: string): void => {
    const id = JSON.stringify([listener, name])
    const entry = found.get(id) ?? { labels: { listener, name }, all: [] }
    entry.all.push(ends.of(chain))
    found.set(id, entry)
  }
  for (const { name: listener, tls } of plan.listeners) {
    for (const { names, chain } of tls?.certificates ?? []) add(listener, names[0] ?? '', chain)
  }
  if (management?.tls) add('management', '', management.tls.chain)
  return [...found.values()].flatMap(({ labels, all }) => sample(labels, first(all)))
}

type Labels = Readonly<Record<string, string>>

function first(ends: readonly (number | null)[]): number | null {
  const known = ends.filter((end) => end !== null)
  return known.length === 0 ? null : known.reduce((least, end) => Math.min(least, end))
}

function sample(labels: Labels, value: number | null): readonly MetricSample[] {
  return value === null ? [] : [{ labels, value }]
}

/** Of a chain: that of its leaf, which comes first. */
function endOf(certificate: string | Uint8Array): number | null {
  try {
    return new X509Certificate(certificate).validToDate.getTime() / 1000
  } catch {
    return null // a backend may show anything
  }
}
