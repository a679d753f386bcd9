import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../src/pki/make.ts'

/** The name the backend's certificate carries and every proxy must verify. */
export const backendName = 'backend.bench.test'

/** A server's certificate and key as the configurations of proxies name them. */
export interface IdentityFiles {
  /** Leaf, then intermediate. */
  readonly chainFile: string
  readonly keyFile: string
  /** Chain and key in one file, as HAProxy wants it. */
  readonly bundleFile: string
}

export interface BenchCertificates {
  readonly rootFile: string
  readonly backend: IdentityFiles
  readonly gateway: IdentityFiles
  /** Same names, another root: what no proxy may forward to. */
  readonly strangerRootFile: string
  readonly stranger: IdentityFiles
}

/** Root, intermediate, leaf, all P-256; the private keys live as long as the run's folder. */
export async function makeCertificates(folder: string): Promise<BenchCertificates> {
  mkdirSync(folder, { recursive: true })
  const ours = await makeAuthority('Bench')
  const theirs = await makeAuthority('Stranger')
  return {
    rootFile: writeRoot(folder, 'root', ours.root),
    backend: writeIdentity(folder, 'backend', await ours.issue([backendName])),
    gateway: writeIdentity(folder, 'gateway', await ours.issue(['gateway.bench.test', '127.0.0.1'])),
    strangerRootFile: writeRoot(folder, 'stranger-root', theirs.root),
    stranger: writeIdentity(folder, 'stranger', await theirs.issue([backendName])),
  }
}

async function makeAuthority(name: string) {
  const root = await createRoot({ commonName: `${name} Root` })
  const issuing = await createIntermediate(root, { commonName: `${name} Issuing` })
  return { root, issue: (names: readonly string[]) => createLeaf(issuing, { names }) }
}

function writeRoot(folder: string, name: string, { certificatePem }: Identity): string {
  const file = join(folder, `${name}.pem`)
  writeFileSync(file, certificatePem)
  return file
}

function writeIdentity(folder: string, name: string, { chainPem, keyPem }: Identity): IdentityFiles {
  const files = {
    chainFile: join(folder, `${name}-chain.pem`),
    keyFile: join(folder, `${name}.key`),
    bundleFile: join(folder, `${name}-bundle.pem`),
  }
  writeFileSync(files.chainFile, chainPem)
  writeFileSync(files.keyFile, keyPem, { mode: 0o600 })
  writeFileSync(files.bundleFile, chainPem + keyPem, { mode: 0o600 })
  return files
}
