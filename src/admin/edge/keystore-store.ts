import type { AliasBody, KeystoreBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { escapeControls, renderName } from '../../x509/name.ts'
import { readBundle } from '../../x509/pem.ts'
import { ApiError, type ApiCall } from '../api.ts'
import type { Bean } from './bean.ts'
import { scopeOf, stamps } from './scope.ts'

/** A keystore that a call names, and where its aliases are. */
export interface KeystorePlace {
  /** `ORG/ENV` */
  readonly scope: string
  readonly name: string
  /** `ORG/ENV/KEYSTORE` */
  readonly aliases: string
  readonly body: KeystoreBody
}

/** Throws 404 where the environment or the keystore is unknown. */
export async function keystoreOf(view: StateView, call: ApiCall): Promise<KeystorePlace> {
  const scope = await scopeOf(view, call.params)
  const name = call.params['keystore'] ?? ''
  const found = await view.get('keystore', scope, name)
  if (found !== null) return { scope, name, aliases: `${scope}/${name}`, body: found.body }
  throw new ApiError(
    404,
    'messaging.config.beans.KeyStoreNotFound',
    `Keystore ${name} does not exist in environment ${call.params['env']}`,
  )
}

export interface AliasContent {
  readonly body: Pick<AliasBody, 'certName' | 'keyName'>
  readonly certificates: readonly Certificate[]
  /** PKCS#8 PEM; undefined keeps what there is. */
  readonly key?: string | null
}

/** Writes an alias, and the next generation of its keystore. */
export async function putAlias(
  tx: StateTransaction,
  call: ApiCall,
  place: KeystorePlace,
  alias: string,
  content: AliasContent,
): Promise<void> {
  const previous = await tx.get('alias', place.aliases, alias)
  const before = previous === null ? [] : await chainOf(tx, place, alias)
  call.note(aliasDetail(alias, before, content.certificates))
  const body: AliasBody = {
    ...stamps(call, call.services.clock, previous?.body),
    ...content.body,
    fingerprints: content.certificates.map(({ sha256 }) => sha256),
  }
  await tx.put('alias', place.aliases, alias, {
    body,
    blob: Buffer.from(content.certificates.map(({ pem }) => pem).join('')),
    ...(content.key === undefined ? {} : { secret: content.key === null ? null : Buffer.from(content.key) }),
  })
  await nextGeneration(tx, call, place)
}

/** Creates an alias; 409 where it is there. */
export async function createAlias(
  tx: StateTransaction,
  call: ApiCall,
  place: KeystorePlace,
  alias: string,
  content: AliasContent,
): Promise<void> {
  if ((await tx.get('alias', place.aliases, alias)) !== null) {
    throw new ApiError(
      409,
      'messaging.config.beans.AliasAlreadyExists',
      `Alias ${alias} already exists in keystore ${place.name}`,
    )
  }
  await putAlias(tx, call, place, alias, content)
}

export async function deleteAlias(
  tx: StateTransaction,
  call: ApiCall,
  place: KeystorePlace,
  alias: string,
): Promise<void> {
  call.note(aliasDetail(alias, await chainOf(tx, place, alias), []))
  await tx.delete('alias', place.aliases, alias)
  await nextGeneration(tx, call, place)
}

export async function aliasOf(view: StateView, place: KeystorePlace, alias: string): Promise<StoredObject<'alias'>> {
  const found = await view.get('alias', place.aliases, alias)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.AliasNotFound',
    `Alias ${alias} does not exist in keystore ${place.name}`,
  )
}

/** By the name of the certificate, as the playbook asks; by that of the alias where none is called so. */
export async function aliasOfCertificate(
  view: StateView,
  place: KeystorePlace,
  certName: string,
): Promise<StoredObject<'alias'>> {
  const aliases = await view.list('alias', place.aliases)
  const found = aliases.find(({ body }) => body.certName === certName) ?? aliases.find(({ name }) => name === certName)
  if (found !== undefined) return found
  throw new ApiError(
    404,
    'messaging.config.beans.CertificateNotFound',
    `Certificate ${certName} does not exist in keystore ${place.name}`,
  )
}

/** The certificates of an alias, in their order. */
export async function chainOf(view: StateView, place: KeystorePlace, alias: string): Promise<readonly Certificate[]> {
  const blob = await view.blob('alias', place.aliases, alias)
  return blob === null ? [] : readBundle(blob, `alias ${alias}`).certificates
}

/** `alias a: "CN=old" (sha256 ...) -> "CN=new" (sha256 ...)`; of a key, that there is one, is in the alias itself. */
function aliasDetail(alias: string, before: readonly Certificate[], after: readonly Certificate[]): string {
  const [from, to] = [before, after].map(chainDetail)
  return `alias ${alias}: ${from} -> ${to}`
}

function chainDetail([first, ...rest]: readonly Certificate[]): string {
  if (first === undefined) return 'nothing'
  const subject = escapeControls(renderName(first.subject, 'edge')).slice(0, maxSubject)
  const more = rest.length === 0 ? '' : ` and ${rest.length} more`
  return `"${subject}" (sha256 ${first.sha256})${more}`
}

/** Characters; a subject can be as long as its certificate. */
const maxSubject = 200

/** A blank line between the certificates, as Edge wants it back. */
export const exportedPem = (chain: readonly Certificate[]): string => chain.map(({ pem }) => pem).join('\n')

export function keystoreBean(name: string, aliases: readonly StoredObject<'alias'>[]): Bean {
  return {
    aliases: aliases.map(({ name: aliasName, body }) => ({
      aliasName,
      cert: body.certName,
      ...(body.keyName === null ? {} : { key: body.keyName }),
    })),
    certs: aliases.map(({ body }) => body.certName),
    keys: aliases.filter(({ body }) => body.keyName !== null).map(({ name: alias }) => alias),
    name,
  }
}

async function nextGeneration(tx: StateTransaction, call: ApiCall, place: KeystorePlace): Promise<void> {
  // Asked anew: one change may touch more than one alias.
  const body = (await tx.get('keystore', place.scope, place.name))?.body ?? place.body
  await tx.put('keystore', place.scope, place.name, {
    body: { ...stamps(call, call.services.clock, body), generation: body.generation + 1 },
  })
}
