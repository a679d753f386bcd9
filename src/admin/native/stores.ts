import { z } from 'zod'
import type { RuntimeAlias, RuntimeKeystore } from '../../compat/apigee/runtime-state.ts'
import {
  aliasCertificates,
  heldCertificates,
  storeFindings,
  storeLacks,
  storeName,
  storeRead,
} from '../../compat/apigee/store-trust.ts'
import { refOf } from '../../judge/certificate-ref.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { ApiError, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { CertificateFacts, LintFinding, Time, Use } from './documents.ts'
import { below, placeOf, storeAt } from './scope.ts'
import { type StoreUse, storeUses } from './store-uses.ts'

const Store = z
  .object({
    name: z.string(),
    generation: z.number().meta({ description: 'Counts the changes of its aliases.' }),
    kind: z.enum(['empty', 'trust', 'key', 'mixed']),
    aliases: z.number(),
    certificates: z.number(),
    keys: z.number(),
    anchors: z.number(),
    soonestExpiry: Time.nullable(),
    usedBy: z.number(),
  })
  .meta({ id: 'Store' })

const Alias = z.object({
  alias: z.string(),
  holdsKey: z.boolean(),
  certificates: z.array(
    CertificateFacts.extend({
      role: z.enum(['anchor', 'intermediate', 'identity', 'left-out']).meta({
        description: '`identity`: shown with the key, trusted for nothing.',
      }),
    }),
  ),
})

const StoreDetail = Store.extend({
  lacks: z.string().meta({ description: 'Why nothing is trusted by it; empty where something is.' }),
  entries: z.array(Alias),
  findings: z.array(LintFinding),
  uses: z.array(Use),
  targets: z
    .array(z.object({ target: z.string(), server: z.string(), snapshot: z.string() }))
    .meta({ description: 'Servers whose trust in force is, or contains, this store.' }),
}).meta({ id: 'StoreDetail' })

const Reference = z
  .object({
    name: z.string(),
    resourceType: z.enum(['KeyStore', 'TrustStore']),
    description: z.string(),
    refers: z.string(),
    leadsTo: z.object({ exists: z.boolean(), generation: z.number().nullable(), kind: z.string().nullable() }),
    uses: z.array(Use),
  })
  .meta({ id: 'Reference' })

/** Of one answer (I10). */
const mostStores = 1000
const Page = z.object({
  limit: z
    .string()
    .optional()
    .meta({ description: `At most so many, 1 to ${mostStores}; default ${mostStores}.` }),
  after: z.string().optional().meta({ description: 'Only those whose name comes after this one.' }),
})

const environment = '/api/organizations/:org/environments/:env'

/** Stores and references as they run. */
export function storeRoutes(gateway: NativeGateway): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: `${environment}/stores`,
      role: 'viewer',
      doc: {
        summary: 'Key stores and trust stores, by name; `next` is the `after` of what follows',
        query: Page,
        answer: z.object({ stores: z.array(Store), next: z.string().nullable() }),
      },
      async handle(call) {
        const place = placeOf(gateway.stored, call)
        const { limit, after } = pageOf(call.query)
        const all = below(gateway.stored.keystores, place).filter(([name]) => name > after)
        const stores = all.slice(0, limit).map(([, store]) => storeFacts(gateway, store))
        return json(200, { stores, next: all.length > limit ? (all[limit - 1]?.[0] ?? null) : null })
      },
    },
    {
      method: 'GET',
      path: `${environment}/stores/:store`,
      role: 'viewer',
      doc: { summary: 'What a store holds, what is wrong with it, and who uses it', answer: StoreDetail },
      async handle(call) {
        const store = storeAt(gateway.stored, placeOf(gateway.stored, call), call.params['store'] ?? '')
        return json(200, storeDetail(gateway, store))
      },
    },
    {
      method: 'GET',
      path: `${environment}/references`,
      role: 'viewer',
      doc: { summary: 'References and where they lead', answer: z.object({ references: z.array(Reference) }) },
      async handle(call) {
        const place = placeOf(gateway.stored, call)
        const names = below(gateway.stored.references, place).map(([name]) => name)
        return json(200, { references: names.map((name) => referenceFacts(gateway, place, name)) })
      },
    },
    {
      method: 'GET',
      path: `${environment}/references/:reference`,
      role: 'viewer',
      doc: { summary: 'One reference', answer: Reference },
      async handle(call) {
        return json(200, referenceFacts(gateway, placeOf(gateway.stored, call), call.params['reference'] ?? ''))
      },
    },
  ]
}

function pageOf(query: URLSearchParams): { readonly limit: number; readonly after: string } {
  const limit = query.get('limit') ?? String(mostStores)
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > mostStores) {
    throw new ApiError(400, 'bad-query', `limit is a number from 1 to ${mostStores}`)
  }
  return { limit: Number(limit), after: query.get('after') ?? '' }
}

function storeFacts(gateway: NativeGateway, store: RuntimeKeystore): z.output<typeof Store> {
  const { partialChain } = gateway.resolved.config.apigee
  const aliases = [...store.aliases.values()]
  // First: what it reads the next one need not.
  const anchors = storeRead(store, partialChain)?.anchors.length ?? 0
  const certificates = aliases.flatMap(aliasCertificates)
  return {
    name: store.name,
    generation: store.generation,
    kind: kindOf(store),
    aliases: aliases.length,
    certificates: certificates.length,
    keys: aliases.filter(({ key }) => key !== null).length,
    anchors,
    soonestExpiry: soonest(certificates),
    usedBy: storeUses(gateway).stores.get(storeName(store))?.length ?? 0,
  }
}

function kindOf({ aliases }: RuntimeKeystore): 'empty' | 'trust' | 'key' | 'mixed' {
  const held = [...aliases.values()]
  if (held.length === 0) return 'empty'
  const keys = held.filter(({ key }) => key !== null).length
  if (keys === 0) return 'trust'
  return keys === held.length ? 'key' : 'mixed'
}

function soonest(certificates: readonly Certificate[]): string | null {
  if (certificates.length === 0) return null
  return new Date(Math.min(...certificates.map(({ notAfter }) => notAfter))).toISOString()
}

function storeDetail(gateway: NativeGateway, store: RuntimeKeystore): z.output<typeof StoreDetail> {
  const { partialChain } = gateway.resolved.config.apigee
  const key = storeName(store)
  const roles = rolesOf(store, partialChain)
  return {
    ...storeFacts(gateway, store),
    lacks: storeLacks(store, partialChain),
    entries: [...store.aliases.values()].map((alias) => ({
      alias: alias.name,
      holdsKey: alias.key !== null,
      certificates: aliasCertificates(alias).map((certificate, index) => ({
        ...refOf(certificate),
        role: roleOf(alias, index, roles.get(certificate.sha256)),
      })),
    })),
    findings: storeFindings(store, partialChain, Date.now()).map(({ code, severity, message }) => {
      return { code, severity, message }
    }),
    uses: usesOf(gateway, key),
    targets: trusting(gateway, key),
  }
}

type Role = 'anchor' | 'intermediate' | 'left-out'

function rolesOf(store: RuntimeKeystore, partialChain: boolean): ReadonlyMap<string, Role> {
  const read = storeRead(store, partialChain)
  if (read !== null) return new Map(read.entries.map(({ certificate, role }) => [certificate.sha256, role]))
  // Nothing anchors: what is there helps to build paths at best.
  return new Map(heldCertificates(store, partialChain).map(({ certificate }) => [certificate.sha256, 'intermediate']))
}

/** Of an alias with a key the first certificate is read for trust, as `trustPem` has it; the rest is shown with the key. */
function roleOf({ key }: RuntimeAlias, index: number, role: Role | undefined): Role | 'identity' {
  if (key !== null && (index > 0 || role !== 'anchor')) return 'identity'
  return role ?? 'left-out'
}

function usesOf(gateway: NativeGateway, key: string): StoreUse[] {
  return [...(storeUses(gateway).stores.get(key) ?? [])]
}

/** Servers of the plan whose trust comes from the store. */
function trusting(gateway: NativeGateway, key: string): z.output<typeof StoreDetail>['targets'] {
  const { plan, resolved } = gateway
  const ofFile = new Set(
    usesOf(gateway, key).flatMap(({ kind, name, as }) =>
      kind === 'config-target' && as === 'trust store' ? [name] : [],
    ),
  )
  return plan.targets.flatMap((target) => {
    const origin = resolved.origins.get(target.name)
    return target.servers.flatMap(({ name, tls }) => {
      const uses = origin === undefined ? ofFile.has(target.name) : origin.servers.get(name)?.trustStore?.store === key
      return uses && tls !== null ? [{ target: target.name, server: name, snapshot: tls.snapshotId }] : []
    })
  })
}

function referenceFacts(gateway: NativeGateway, place: string, name: string): z.output<typeof Reference> {
  const { references, keystores } = gateway.stored
  const found = references.get(`${place}/${name}`)
  if (found === undefined) throw new ApiError(404, 'reference-unknown', `there is no reference ${name} in ${place}`)
  const store = keystores.get(`${place}/${found.refers}`)
  return {
    name,
    resourceType: found.resourceType,
    description: found.description,
    refers: found.refers,
    leadsTo: {
      exists: store !== undefined,
      generation: store?.generation ?? null,
      kind: store === undefined ? null : kindOf(store),
    },
    uses: [...(storeUses(gateway).references.get(`${place}/${name}`) ?? [])],
  }
}
