import type { RuntimeKeystore } from '../../compat/apigee/runtime-state.ts'
import { aliasIdentity, storeTrust } from '../../compat/apigee/store-trust.ts'
import { PosternError } from '../../core/errors.ts'
import { type ClientAuthentication, clientAuthentication } from '../../diagnosis/client-authentication.ts'
import type { Diagnosis } from '../../diagnosis/diagnose.ts'
import type { ServerPlan } from '../../proxy/plan.ts'
import { snapshotId } from '../../trust/snapshot.ts'
import type { NativeGateway } from '../gateway-view.ts'
import type { Asked } from './rollover-asked.ts'
import type { StoreUse } from './store-uses.ts'

/** What a server makes of the certificate that the new store has for it. */
export interface IdentityProof {
  readonly alias: string
  /** What it accepts, by its handshake; empty: any, or not known. */
  readonly acceptableIssuers: readonly string[]
  /** What a probe that showed the new certificate came to; '' where there was none. */
  readonly code: string
  readonly proved: boolean
  /** One sentence, whatever came of it. */
  readonly why: string
}

/** The server as it would be under the new store; null where that has nothing usable to show. */
export function planUnder(
  { server, shows, trusts, trust }: Asked,
  to: RuntimeKeystore,
  partialChain: boolean,
): ServerPlan | null {
  if (shows === null || server.tls === null) return server
  const held = to.aliases.get(shows)
  const identity = held === undefined ? null : aliasIdentity(to, held)
  if (identity === null || identity instanceof PosternError) return null
  const { chain, key } = identity
  const clientCertificate = { chain, key }
  // Where the reference leads to the trust as well: a chain that is refused ends the handshake before a certificate is shown.
  const now = trusts && trust === null ? storeTrust(to, partialChain) : null
  const trusted =
    now === null || now.lacks !== ''
      ? {}
      : { anchors: now.anchors, intermediates: now.intermediates, partialChain: now.partialChain }
  const { snapshotId: _before, ...tls } = { ...server.tls, ...trusted, clientCertificate }
  return { ...server, tls: { snapshotId: snapshotId(tls), ...tls } }
}

/** Of a probe that showed the new certificate, or of the last check where that certificate is in force already. */
export function identityProof(
  gateway: NativeGateway,
  { server, shows }: Asked,
  planned: ServerPlan | null,
  diagnosis: Diagnosis | undefined,
): IdentityProof | null {
  if (shows === null) return null
  const nothing = { alias: shows, acceptableIssuers: [], code: '', proved: false }
  if (planned === null) return { ...nothing, why: 'the new store has no certificate to show to it' }
  if (diagnosis !== undefined) {
    const { verdict, probe } = diagnosis
    return judged(shows, verdict, clientAuthentication(planned, probe.handshake, Date.now()))
  }
  const last = gateway.lastReport(server.target, server.name)
  if (last === null || last.report.snapshot !== planned.tls?.snapshotId)
    return { ...nothing, why: 'it has not been shown the new certificate: check asks it' }
  return judged(shows, last.report.verdict, last.clientAuthentication)
}

/** Whether a handshake in which the certificate was at hand says that the server takes it. */
export function takes(verdict: { readonly code: string }, { matches }: ClientAuthentication): boolean {
  return verdict.code === 'trusted' && matches !== false
}

function judged(
  alias: string,
  verdict: { readonly code: string; readonly summary: string },
  asked: ClientAuthentication,
): IdentityProof {
  const { acceptableIssuers } = asked
  const proved = takes(verdict, asked)
  const why = verdict.code === 'trusted' ? asked.why : `${verdict.code}: ${verdict.summary}`
  return { alias, acceptableIssuers, code: verdict.code, proved, why }
}

/** Whether the new store has what a user of the reference shows. */
export function identityFor(
  use: StoreUse,
  to: RuntimeKeystore | null,
): { readonly user: string; readonly alias: string; readonly fits: boolean; readonly why: string } | null {
  const { as, alias } = use
  if (as !== 'key store') return null
  const user = userName(use)
  const held = to?.aliases.get(alias)
  if (to === null || held === undefined)
    return { user, alias, fits: false, why: `the new store has no alias "${alias}"` }
  const identity = aliasIdentity(to, held)
  if (identity instanceof PosternError) return { user, alias, fits: false, why: identity.message }
  const ended = identity.leaf.notAfter < Date.now()
  return { user, alias, fits: !ended, why: ended ? 'its certificate has ended' : '' }
}

export function userName({ kind, name, endpoint }: Pick<StoreUse, 'kind' | 'name' | 'endpoint'>): string {
  return `${kind} ${name}${endpoint === '' ? '' : `, ${endpoint}`}`
}
