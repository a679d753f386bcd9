import type { ServerPlan, TargetPlan, TargetTlsPlan } from '../../proxy/plan.ts'
import { trustMaterial } from '../../diagnosis/trust-material.ts'
import type { Diagnosis } from '../../diagnosis/diagnose.ts'
import type { Collection } from '../../support/collection.ts'
import type { StoreContent } from '../../support/store-text.ts'
import type { ServerMaterial } from '../../support/target-files.ts'
import type { FoundServer } from '../../support/types.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { readBundleLeniently } from '../../x509/pem.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { withoutOthers } from './other-organizations.ts'

/** I10: servers that one bundle asks. */
const maxServers = 16

/** Every server of the targets, asked now as traffic would (I4). */
export async function askServers(
  native: NativeGateway,
  targets: readonly TargetPlan[],
  { organization, capture }: { readonly organization: string; readonly capture: boolean },
  into: Collection,
): Promise<readonly ServerMaterial[]> {
  const all = targets.flatMap((target) => target.servers.map((server) => ({ target, server })))
  const some = all.slice(0, maxServers)
  if (all.length > some.length)
    into.lack('further servers', `${all.length} servers are concerned; ${maxServers} were asked`)
  const known = some.map(({ target, server }) => lastOf(native, organization, target, server))
  const asked = some.filter(({ server }) => server.tls !== null)
  const seen = await into.attempt('a probe of the servers', () =>
    native.probe(
      asked.map(({ target, server }) => {
        const origin = native.resolved.origins.get(target.name)
        return { target, server, ...(origin === undefined ? {} : { origin }) }
      }),
      { organization, transcript: capture },
    ),
  )
  return some.map(({ target, server }, index) => {
    const at = asked.findIndex((each) => each.server === server)
    return material(native, target, server, seen?.[at] ?? null, known[index] ?? null)
  })
}

/** The same without asking anybody. */
export function serversSeen(
  native: NativeGateway,
  targets: readonly TargetPlan[],
  organization: string,
): readonly FoundServer[] {
  return targets
    .flatMap((target) => target.servers.map((server) => ({ target, server })))
    .slice(0, maxServers)
    .map(({ target, server }) => ({
      target: target.name,
      server: server.name,
      host: server.host,
      port: server.port,
      tls: server.tls !== null,
      probed: null,
      before: lastOf(native, organization, target, server),
    }))
}

function material(
  native: NativeGateway,
  target: TargetPlan,
  server: ServerPlan,
  seen: Diagnosis | null,
  before: ServerMaterial['before'],
): ServerMaterial {
  return {
    target: target.name,
    server: server.name,
    host: server.host,
    port: server.port,
    tls: server.tls !== null,
    probed: seen === null ? null : native.recordCheck(server, seen).report,
    before,
    served: seen?.served ?? lastServed(native, target, server),
    store: server.tls === null ? null : storeOf(native, target, server, server.tls),
    probe: seen?.probe ?? null,
  }
}

/** Of traffic or of an earlier check, unless stores of others were its evidence. */
function lastOf(
  native: NativeGateway,
  organization: string,
  target: TargetPlan,
  { name }: ServerPlan,
): ServerMaterial['before'] {
  const last = native.lastReport(target.name, name)
  if (last === null) return null
  const [told] = withoutOthers(native, organization, {
    servers: [{ report: last.report, remedy: last.report.remedy }],
  }).servers
  return told?.report === null ? null : { at: last.at, source: last.source, report: last.report }
}

function lastServed(native: NativeGateway, target: TargetPlan, { name }: ServerPlan): readonly Certificate[] {
  const seen = native.inventory().servers.find((each) => each.target === target.name && each.server === name)
  const pem = seen?.chains[0]?.chain.join('\n') ?? ''
  return pem === '' ? [] : readBundleLeniently(Buffer.from(pem)).certificates
}

function storeOf(
  { resolved }: NativeGateway,
  target: TargetPlan,
  { name }: ServerPlan,
  tls: TargetTlsPlan,
): StoreContent {
  const origin = resolved.origins.get(target.name)
  const trust = origin?.servers.get(name)?.trustStore ?? null
  const stored =
    trust === null ? [] : [trust.written === trust.store ? trust.store : `${trust.written} -> ${trust.store}`]
  const names = origin === undefined ? (resolved.config.targets[target.name]?.tls?.trust ?? []) : stored
  return { names, ...trustMaterial(tls) }
}
