import { createHash, createPublicKey } from 'node:crypto'

import { PosternError } from '../core/errors.ts'
import type { RevocationPlan } from '../proxy/plan.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import type { TrustStore } from './store.ts'

export interface ComposedTrust {
  readonly anchors: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly partialChain: boolean
}

/**
 * The union of stores, in an order that depends on their content only: by subject, newest first, because of two roots with
 * one name OpenSSL tries the earlier when the child has no authority key identifier.
 *
 * OpenSSL has one list and one flag: under X509_V_FLAG_PARTIAL_CHAIN everything in the list anchors. So the flag is set only
 * where an anchor needs it, and then no mere helper may be in the list.
 */
export function composeTrust(stores: readonly TrustStore[]): ComposedTrust {
  const anchors = unique(stores.flatMap((store) => store.anchors))
  const ids = new Set(anchors.map(({ sha256 }) => sha256))
  const intermediates = unique(stores.flatMap((store) => store.intermediates)).filter(({ sha256 }) => !ids.has(sha256))
  const partial = stores.find((store) => store.partialChain && store.anchors.some(({ selfSigned }) => !selfSigned))
  const [helper] = intermediates
  if (partial !== undefined && helper !== undefined) throw conflict(partial, stores, helper)
  return { anchors, intermediates, partialChain: partial !== undefined }
}

/** The fields that need more than their text; everything else of a target's TLS plan counts as it is. */
export interface SnapshotParts {
  readonly anchors: readonly string[]
  readonly intermediates: readonly string[]
  readonly clientCertificate: { readonly chain: string; readonly key: string } | null
  readonly revocation: RevocationPlan
}

/**
 * Hash of what is trusted and how it is checked (I2). Takes a TLS plan of a target; every field counts, also one that is
 * added later, except `snapshotId` itself. Certificates and revocation lists count by their bytes and not by how the PEM is laid out, a private
 * key by its public half, so that the id says nothing about it.
 */
export function snapshotId(parts: SnapshotParts): string {
  const { anchors, intermediates, clientCertificate, revocation, ...rest } = parts
  const canonical = canonicalJson({
    ...rest,
    snapshotId: null,
    anchors: fingerprintsOf(anchors),
    intermediates: fingerprintsOf(intermediates),
    clientCertificate: clientCertificate === null ? null : identityOf(clientCertificate),
    revocation: revocation.mode === 'crl' ? { mode: 'crl', crls: fingerprintsOf(revocation.crls) } : revocation,
  })
  return createHash('sha256').update(canonical).digest('hex').slice(0, 16)
}

function unique(certificates: readonly Certificate[]): Certificate[] {
  const byId = new Map(certificates.map((certificate) => [certificate.sha256, certificate]))
  return [...byId.values()].sort(
    (one, other) =>
      compare(one.subject.canonical, other.subject.canonical) ||
      other.notBefore - one.notBefore ||
      compare(one.sha256, other.sha256),
  )
}

function conflict(partial: TrustStore, stores: readonly TrustStore[], helper: Certificate): PosternError {
  const owner = stores.find(({ intermediates }) => intermediates.some(({ sha256 }) => sha256 === helper.sha256))
  const subject = renderName(helper.subject, 'edge')
  const anchor = partial.anchors.find(({ selfSigned }) => !selfSigned)
  const message = `trust store "${partial.name}" has partialChain: true and anchors that are not self-signed, so the runtime would take the intermediate "${subject}" of store "${owner?.name}" for an anchor too; remove it, or add it to the sources of "${partial.name}" if you mean to trust it`
  return new PosternError('trust-stores-conflict', message, {
    evidence: {
      partialStore: partial.name,
      helperStore: owner?.name,
      anchor: anchor === undefined ? null : renderName(anchor.subject, 'edge'),
      certificate: subject,
      sha256: helper.sha256,
    },
  })
}

/** Targets, and the endpoints of a long list, share the lists of their stores. */
const known = new WeakMap<readonly string[], readonly string[]>()

function fingerprintsOf(list: readonly string[]): readonly string[] {
  let ids = known.get(list)
  if (ids === undefined) {
    ids = list.flatMap(fingerprints)
    known.set(list, ids)
  }
  return ids
}

const identities = new WeakMap<object, { readonly chain: readonly string[]; readonly key: string }>()

/** Reading a key is dear; targets that show the same identity share the object. */
function identityOf(shown: { readonly chain: string; readonly key: string }): object {
  const known = identities.get(shown) ?? { chain: fingerprints(shown.chain), key: publicFingerprint(shown.key) }
  identities.set(shown, known)
  return known
}

/** SHA-256 of each certificate or list in a PEM text that this project encoded; cheap, as every target of a generation asks. */
function fingerprints(pem: string): string[] {
  const blocks = [...pem.matchAll(/-----BEGIN (CERTIFICATE|X509 CRL)-----([^-]+)-----END \1-----/g)]
  if (blocks.length === 0)
    throw new PosternError('snapshot-invalid', 'a snapshot needs PEM certificates', { evidence: {} })
  return blocks.map(([, , body = '']) => createHash('sha256').update(Buffer.from(body, 'base64')).digest('hex'))
}

const publicFingerprint = (key: string): string =>
  createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('hex')

/** JSON with sorted keys: equal content gives equal text. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).sort(([one], [other]) => compare(one, other))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
