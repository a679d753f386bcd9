import {
  altNames,
  basicConstraints,
  type CertificateSpec,
  dns,
  type KeyName,
  keyOf,
  keyUsage,
  makeCertificate,
  purposes,
  serverAuth,
} from './make-certificate.ts'
import { type ParityCase, usualName } from './expect-parity.ts'

type Change = Partial<CertificateSpec>

export const caExtensions: readonly Buffer[] = [basicConstraints(true), keyUsage(5, 6)]
export const leafExtensions: readonly Buffer[] = [
  basicConstraints(false),
  keyUsage(0),
  purposes(serverAuth),
  altNames(dns(usualName)),
]

/** A chain of root, `Issuing CA` and leaf, of which each may be changed. */
export function chainOf(change: { readonly root?: Change; readonly ca?: Change; readonly leaf?: Change } = {}) {
  const rootKey: KeyName = change.root?.key ?? 'p256:root'
  const caKey: KeyName = change.ca?.key ?? 'p256:ca'
  const leafKey: KeyName = change.leaf?.key ?? 'p256:leaf'
  const rootName = change.root?.subject ?? 'Root'
  const caName = change.ca?.subject ?? 'Issuing CA'
  const root = makeCertificate({
    subject: rootName,
    issuer: rootName,
    key: rootKey,
    signer: rootKey,
    extensions: caExtensions,
    ...change.root,
  })
  const ca = makeCertificate({
    subject: caName,
    issuer: rootName,
    key: caKey,
    signer: rootKey,
    extensions: caExtensions,
    ...change.ca,
  })
  const leaf = makeCertificate({
    subject: 'leaf',
    issuer: caName,
    key: leafKey,
    signer: caKey,
    extensions: leafExtensions,
    ...change.leaf,
  })
  return { root, ca, leaf, leafKey: keyOf(leafKey).privateKey }
}

/** The same chain as it may be served and stored. */
export function arrangements(what: string, { root, ca, leaf, leafKey }: ReturnType<typeof chainOf>): ParityCase[] {
  const plain = { leafKey, anchors: [root] }
  return [
    { ...plain, what, served: [leaf, ca] },
    { ...plain, what: `${what}, root served`, served: [leaf, ca, root] },
    { ...plain, what: `${what}, wrong order`, served: [leaf, root, ca] },
    { ...plain, what: `${what}, intermediate stored`, served: [leaf], intermediates: [ca] },
    { ...plain, what: `${what}, intermediate served and stored`, served: [leaf, ca], intermediates: [ca] },
    { ...plain, what: `${what}, intermediate missing`, served: [leaf] },
    {
      ...plain,
      what: `${what}, partial chain to the intermediate`,
      served: [leaf, ca],
      anchors: [ca],
      partialChain: true,
    },
    { ...plain, what: `${what}, partial chain to the root`, served: [leaf, ca], partialChain: true },
    { ...plain, what: `${what}, partial chain to the leaf`, served: [leaf, ca], anchors: [leaf], partialChain: true },
    { ...plain, what: `${what}, intermediate as anchor`, served: [leaf, ca], anchors: [ca] },
    { ...plain, what: `${what}, chain skipped`, served: [leaf, ca], skipChain: true },
  ]
}
