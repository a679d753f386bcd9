import { createPrivateKey, type KeyObject } from 'node:crypto'

import { codeOf, PosternError } from '../core/errors.ts'
import { derKind } from '../x509/der-kind.ts'

/**
 * Opens the one private key in PEM or DER bytes. No error of this file quotes the input or carries the runtime's error as
 * cause: key bytes must not reach a log (I7).
 */
export function openPrivateKey(label: string, bytes: Buffer, passphrase?: string): KeyObject {
  const kind = derKind(bytes)
  if (kind === 'pkcs12')
    throw refused(
      label,
      'pkcs12',
      'is PKCS#12 (PFX); take the key out with: openssl pkcs12 -in FILE -nocerts -nodes -out key.pem',
    )
  if (kind === 'private-key' || kind === 'encrypted-private-key') return openDer(label, bytes, kind, passphrase)
  const blocks = [...bytes.toString('latin1').matchAll(keyBlock)]
  const [block, second] = blocks
  if (block === undefined) throw refused(label, 'missing', emptyText(bytes))
  if (second !== undefined)
    throw refused(label, 'ambiguous', `holds ${blocks.length} private keys; exactly one is needed`)
  const text = block[0]
  const encrypted = block[1] === 'ENCRYPTED ' || text.includes('Proc-Type: 4,ENCRYPTED')
  if (encrypted && passphrase === undefined) throw noPassphrase(label)
  return attempt(label, encrypted, () =>
    createPrivateKey({ key: text, format: 'pem', ...(encrypted ? { passphrase } : {}) }),
  )
}

const keyBlock = /-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----[^-]*(?:-(?!----)[^-]*)*-----END \1PRIVATE KEY-----/g

function openDer(
  label: string,
  key: Buffer,
  kind: 'private-key' | 'encrypted-private-key',
  passphrase?: string,
): KeyObject {
  const encrypted = kind === 'encrypted-private-key'
  if (encrypted && passphrase === undefined) throw noPassphrase(label)
  const types = encrypted ? (['pkcs8'] as const) : (['pkcs8', 'sec1', 'pkcs1'] as const)
  for (const type of types.slice(0, -1)) {
    try {
      return createPrivateKey({ key, format: 'der', type })
    } catch {
      // Not of this form; the last form's error is the one reported.
    }
  }
  const last = types.at(-1) as 'pkcs8' | 'pkcs1'
  return attempt(label, encrypted, () =>
    createPrivateKey({ key, format: 'der', type: last, ...(encrypted ? { passphrase } : {}) }),
  )
}

function attempt(label: string, encrypted: boolean, open: () => KeyObject): KeyObject {
  try {
    return open()
  } catch (error) {
    const code = codeOf(error)
    const reason = encrypted
      ? 'cannot be opened with the passphrase given, or is damaged'
      : 'cannot be read; it is damaged or of an unknown kind'
    throw refused(label, encrypted ? 'wrong-passphrase' : 'malformed', `${reason}${code === '' ? '' : ` (${code})`}`)
  }
}

function emptyText(bytes: Buffer): string {
  if (bytes.toString('latin1').trim() === '') return 'is empty'
  return bytes.includes('PRIVATE KEY-----')
    ? 'is damaged: its BEGIN and END lines do not form one block'
    : 'holds no private key'
}

const noPassphrase = (label: string): PosternError =>
  refused(label, 'encrypted', 'is encrypted and no passphrase is given')

const refused = (label: string, fault: string, reason: string): PosternError =>
  new PosternError('identity-refused', `${label}: the private key ${reason}`, { evidence: { label, fault } })
