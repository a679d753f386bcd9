import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, PosternError } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { issued } from '../x509/issued.ts'
import { readBundle } from '../x509/pem.ts'
import { titleOf } from './bundle.ts'
import { keyPairFromPem } from './keys.ts'
import { type Identity, identityOf, pemOf } from './make.ts'

/** Files that belong together: `NAME.crt`, `NAME.key`, and for an authority below a root `NAME-ca.crt`. */
export interface IdentityFiles {
  /** The certificate and the intermediates above it: what a server presents. */
  readonly certificate: string
  readonly key: string
  /** An authority's own path up to its root: what a client trusts. A root is that itself. */
  readonly bundle: string | null
}

/** Writes certificate, key (mode 0600) and, for an intermediate, the bundle. All or none of the names must be free. */
export async function writeIdentity(
  directory: string,
  name: string,
  identity: Identity,
  options: { readonly isAuthority: boolean; readonly force: boolean },
): Promise<IdentityFiles> {
  const hasBundle = options.isAuthority && identity.issuers.length > 0
  const files = {
    certificate: join(directory, `${name}.crt`),
    key: join(directory, `${name}.key`),
    bundle: hasBundle ? join(directory, `${name}-ca.crt`) : null,
  }
  await mkdir(directory, { recursive: true })
  const contents: NewFile[] = [
    { path: files.key, text: identity.keyPem, mode: 0o600 },
    { path: files.certificate, text: identity.chainPem },
  ]
  if (files.bundle !== null)
    contents.push({ path: files.bundle, text: pemOf(identity.certificate, ...identity.issuers) })
  await writeNewFiles(contents, options.force)
  return files
}

export interface NewFile {
  readonly path: string
  readonly text: string
  readonly mode?: number
}

/** Refuses to replace anything unless forced, and looks at every name before it writes the first file. */
export async function writeNewFiles(files: readonly NewFile[], force: boolean): Promise<void> {
  for (const { path } of files) {
    if (!force && (await exists(path))) throw new PosternError('file-exists', `${path} exists; replace it with --force`)
  }
  for (const { path, text, mode = 0o644 } of files) {
    // Removed first: a new file gets the mode asked for, and a link is replaced instead of followed.
    if (force) await rm(path, { force: true })
    await writeFile(path, text, { mode, flag: 'wx' })
  }
}

/** An authority that `writeIdentity` wrote, by the common part of its file names. */
export async function readIssuer(path: string): Promise<Identity> {
  const prefix = path.replace(/\.(crt|key|pem)$/, '')
  const file = `${prefix}.crt`
  const [issuer, ...above] = readBundle(await readFile(file), file).certificates
  if (issuer === undefined) throw new PosternError('issuer-refused', `${file} holds no certificate`)
  if (issuer.basicConstraints?.ca !== true) {
    throw new PosternError(
      'issuer-refused',
      `${file}: "${titleOf(issuer)}" is no certificate authority (CA:TRUE is missing)`,
    )
  }
  const keys = keyPairFromPem(await readFile(`${prefix}.key`, 'utf8'), `${prefix}.key`)
  if (!keys.publicKey.export({ format: 'der', type: 'spki' }).equals(issuer.publicKey.spki)) {
    throw new PosternError('issuer-refused', `${prefix}.key is not the key of "${titleOf(issuer)}" in ${file}`)
  }
  const bundle = `${prefix}-ca.crt`
  const stored = (await exists(bundle)) ? readBundle(await readFile(bundle), bundle).certificates : []
  return identityOf(issuer.der, keys, pathAbove(issuer, [...above, ...stored]))
}

function pathAbove(certificate: Certificate, candidates: readonly Certificate[]): Buffer[] {
  const path: Buffer[] = []
  let at = certificate
  // Bounded by the candidates, since cross-signs can form a ring (I10).
  while (!at.selfSigned && path.length < candidates.length) {
    const issuer = candidates.find((it) => it.sha256 !== at.sha256 && issued(it, at))
    if (issuer === undefined) break
    path.push(issuer.der)
    at = issuer
  }
  return path
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return false
    throw thrown
  }
}
