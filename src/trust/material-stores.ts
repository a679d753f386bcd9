import type { KeyObject } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Certificate } from '../x509/certificate.ts'
import { DerError } from '../x509/der.ts'
import { readJks } from './jks.ts'
import { isCutOff, readCertificate } from './material-certificates.ts'
import { MaterialError } from './material-error.ts'
import { holderOf, holdsKey, keyFromPkcs8 } from './material-key.ts'
import { ownChain } from './own-chain.ts'
import { type Pkcs12Certificate, type Pkcs12Content, type Pkcs12Key, readPkcs12 } from './pkcs12.ts'

/** One alias of a store. */
export interface MaterialEntry {
  /** As the store names it; null where it does not. */
  readonly alias: string | null
  /** Leaf first where there is a key. */
  readonly certificates: readonly Certificate[]
  /** For memory only (I7). */
  readonly key: KeyObject | null
}

export interface StoreReading {
  readonly entries: readonly MaterialEntry[]
  readonly notes: readonly string[]
}

/** Every alias of a PKCS#12 file; keys with their chains first, then the other certificates. */
export async function readPkcs12Entries(bytes: Buffer, password: string | undefined): Promise<StoreReading> {
  const content = await contentOfPkcs12(bytes, password)
  const notes = content.others.map((what) => `${what} left out`)
  const certificates = content.certificates.map((held, index) => ({
    ...held,
    certificate: readCertificate(held.der, `certificate ${index + 1}`),
  }))
  const left = new Set(certificates)
  const entries: MaterialEntry[] = []
  checkKeys(content.keys.length)
  for (const held of content.keys) {
    // Each takes some signatures.
    await setImmediate()
    const key = keyFromPkcs8(held.pkcs8)
    const leaf = leafOf(held, key, certificates)
    const { chain } = ownChain(
      leaf.certificate,
      certificates.map(({ certificate }) => certificate),
    )
    for (const each of certificates) if (chain.includes(each.certificate)) left.delete(each)
    entries.push({ alias: held.alias ?? leaf.alias, certificates: chain, key })
  }
  for (const { alias, certificate } of left) entries.push({ alias, certificates: [certificate], key: null })
  if (entries.length === 0) {
    throw new MaterialError(
      'material-no-certificate',
      `holds no certificate${content.others.length > 0 ? `, only ${content.others.join(', ')}` : ''}`,
    )
  }
  return { entries, notes }
}

async function contentOfPkcs12(bytes: Buffer, password: string | undefined): Promise<Pkcs12Content> {
  try {
    return await readPkcs12(bytes, { password, keys: true })
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    if (isCutOff(bytes)) throw new MaterialError('material-truncated', 'the PKCS#12 is cut off')
    throw new MaterialError('material-malformed', `the PKCS#12 is damaged: ${error.message}`)
  }
}

function checkKeys(count: number): void {
  if (count <= mostKeys) return
  throw new MaterialError('material-unsupported', `holds ${count} private keys; at most ${mostKeys} are read`)
}

/** I10. One is meant; a store that several services share has some more. */
const mostKeys = 64

function leafOf<T extends Pkcs12Certificate & { readonly certificate: Certificate }>(
  held: Pkcs12Key,
  key: KeyObject,
  certificates: readonly T[],
): T {
  if (certificates.length === 0)
    throw new MaterialError('material-no-certificate', 'holds a private key and no certificate for it')
  // The identifier is a hint: it is the key that decides.
  const hinted = certificates.filter(({ localKeyId }) => localKeyId !== null && localKeyId === held.localKeyId)
  const order = [...hinted, ...certificates]
  const holder = holderOf(
    key,
    order.map(({ certificate }) => certificate),
  )
  const leaf = order.find(({ certificate }) => certificate === holder)
  if (leaf !== undefined) return leaf
  throw new MaterialError('material-key-mismatch', 'the private key belongs to none of the certificates beside it')
}

/** Every alias of a Java key store, as it has them. */
export function readJksEntries(bytes: Buffer, password: string | undefined): StoreReading {
  const { entries: held, checked } = readJks(bytes, { password, keys: true })
  checkKeys(held.filter(({ key }) => key !== null).length)
  const entries = held.map(({ alias, certificates: ders, key: pkcs8 }): MaterialEntry => {
    const certificates = ders.map((der, index) =>
      readCertificate(der, `alias ${JSON.stringify(alias)}, certificate ${index + 1}`),
    )
    const key = pkcs8 === null ? null : keyFromPkcs8(pkcs8)
    const [leaf] = certificates
    if (leaf === undefined)
      throw new MaterialError('material-no-certificate', `alias ${JSON.stringify(alias)} has a key and no certificate`)
    if (key === null) return { alias, certificates, key }
    if (!holdsKey(leaf, key))
      throw new MaterialError(
        'material-key-mismatch',
        `alias ${JSON.stringify(alias)}: the private key is not that of its certificate`,
      )
    return { alias, certificates: ownChain(leaf, certificates).chain, key }
  })
  if (entries.length === 0) throw new MaterialError('material-no-certificate', 'is a Java key store without entries')
  const notes = checked ? [] : ['no password was given: whether the Java key store was altered could not be checked']
  return { entries, notes }
}
