import type { ListenerPlan, ProxyPlan, TargetPlan, TargetTlsPlan } from '../../proxy/plan.ts'
import { jsonText } from '../../support/bundle.ts'
import type { Collection } from '../../support/collection.ts'
import { slugOf } from '../../support/target-files.ts'
import type { ApiCall } from '../api.ts'
import { apiProxy } from '../edge/asset.ts'
import { revisionFiles } from '../edge/revision-files.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { deploymentOf, type Place } from './support-scope.ts'

/** How it runs: plans of the proxies, of their targets and listeners. */
export function addEffective(
  into: Collection,
  { plan }: Pick<NativeGateway, 'plan'>,
  proxies: readonly ProxyPlan[],
  targets: readonly TargetPlan[],
  listener: string | null,
): void {
  const names = new Set(proxies.flatMap(({ listeners }) => listeners ?? plan.listeners.map(({ name }) => name)))
  if (listener !== null) names.add(listener)
  into.add({
    name: 'config/effective.json',
    what: 'The plans that run, of the proxies, targets and listeners concerned; keys and credentials are left out.',
    source: `generation ${plan.generation}`,
    content: jsonText({
      generation: plan.generation,
      proxies,
      targets: targets.map(targetShown),
      listeners: plan.listeners.filter(({ name }) => names.has(name)).map(listenerShown),
      diagnosis: plan.diagnosis,
    }),
  })
}

/** What it was made of: bundle, references, stores without keys, target servers. */
export async function addStored(
  into: Collection,
  native: NativeGateway,
  call: Pick<ApiCall, 'services'>,
  place: Place,
  proxies: readonly ProxyPlan[],
  targets: readonly TargetPlan[],
): Promise<void> {
  for (const proxy of proxies) {
    if (deploymentOf(native, proxy) === null) continue
    await into.attempt(`the bundle of ${proxy.name}`, () => addBundle(into, call, place, proxy))
  }
  const origins = targets.flatMap(({ name }) => native.resolved.origins.get(name) ?? [])
  if (origins.length === 0) return
  const servers = origins.flatMap((origin) => [...origin.servers.values()])
  const named = servers.flatMap(({ trustStore, keyStore }) => [trustStore, keyStore].filter((each) => each !== null))
  const stores = new Set(named.map(({ store }) => store))
  const written = new Set(
    named.map(
      ({ written: text }) =>
        text
          .replace(/^ref:\/\//, '')
          .split('/')
          .at(-1) ?? '',
    ),
  )
  const base = `${place.organization}/${place.environment}/`
  const { keystores, references, targetServers } = native.stored
  into.add({
    name: 'config/objects.json',
    what: 'References, key and trust stores (certificates alone) and target servers that the targets are made of.',
    source: 'the stored objects in force',
    content: jsonText({
      references: entries(references).filter(([key]) => key.startsWith(base) && written.has(key.slice(base.length))),
      keystores: [...keystores.values()]
        .filter(({ org, env, name }) => stores.has(`${org}/${env}/${name}`))
        .map(({ name, generation, aliases }) => ({
          name,
          generation,
          aliases: [...aliases.values()].map((alias) => ({
            name: alias.name,
            hasKey: alias.key !== null,
            chain: alias.chain,
          })),
        })),
      targetServers: entries(targetServers).filter(([key]) =>
        servers.some(({ targetServer }) => targetServer !== null && key === `${base}${targetServer}`),
      ),
    }),
  })
}

const entries = <T>(table: ReadonlyMap<string, T>): readonly (readonly [string, T])[] => [...table]

async function addBundle(
  into: Collection,
  { services }: Pick<ApiCall, 'services'>,
  { organization }: Place,
  { name, revision }: ProxyPlan,
): Promise<void> {
  const id = { asset: apiProxy, org: organization, name, revision }
  const files = await services.read((view) => revisionFiles(view, id))
  const texts = new Map<string, string>()
  for (const [path, bytes] of files) {
    const text = textOf(bytes)
    if (text !== null) texts.set(path, text)
    else into.lack(`${path} of the bundle of ${name}`, 'it is no text, so it could not be searched for secrets')
  }
  into.add({
    name: `bundle/${slugOf(name)}_rev${slugOf(revision)}.zip`,
    what: `Revision ${revision} of ${name}, as it was imported; what looks like a credential in it is hidden.`,
    source: 'the stored objects in force',
    content: texts,
  })
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

/** Field by field where a secret may stand (I7); what is trusted is in target/store.pem. */
function targetShown({ tls, servers, health, ...rest }: TargetPlan): object {
  const check = health?.check
  const shownCheck =
    check?.kind === 'http'
      ? {
          ...check,
          headers: check.headers.split('\r\n').map((line) => line.split(':', 1)[0]),
          body: check.body === '' ? '' : '*****',
          expectHeaders: check.expectHeaders.map(([name]) => name),
        }
      : check
  return {
    ...rest,
    health: health === null ? null : { ...health, check: shownCheck },
    tls: tlsShown(tls),
    servers: servers.map((server) => ({
      ...server,
      tls: tlsShown(server.tls),
      egress:
        server.egress === null
          ? null
          : { ...server.egress, authorization: server.egress.authorization === null ? null : '*****' },
    })),
  }
}

function tlsShown(tls: TargetTlsPlan | null): object | null {
  if (tls === null) return null
  const { anchors, intermediates, clientCertificate, revocation, ...rest } = tls
  return {
    ...rest,
    anchors: anchors.length,
    intermediates: intermediates.length,
    clientCertificate: clientCertificate === null ? null : { chain: clientCertificate.chain },
    revocation: { mode: revocation.mode, ...(revocation.mode === 'crl' ? { crls: revocation.crls.length } : {}) },
  }
}

function listenerShown({ tls, ...rest }: ListenerPlan): object {
  return {
    ...rest,
    tls: tls === null ? null : { ...tls, certificates: tls.certificates.map(({ names, chain }) => ({ names, chain })) },
  }
}
