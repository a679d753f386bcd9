import type { ServerPlan } from '../proxy/plan.ts'
import { isoDate } from '../judge/certificate-ref.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import { signatureSchemeName } from '../wire/tls/signature-schemes.ts'
import type { Certificate } from '../x509/certificate.ts'
import { DerError, readWhole } from '../x509/der.ts'
import { readName, renderName } from '../x509/name.ts'
import { readBundle } from '../x509/pem.ts'
import { issuerText } from './issuer-text.ts'

/** What a server asks for that wants to know who the gateway is, against what the gateway has to show. */
export interface ClientAuthentication {
  readonly asked: boolean
  /** Names of the authorities it accepts; empty: any, or it did not ask. */
  readonly acceptableIssuers: readonly string[]
  /** IANA names of what it accepts signatures by; empty where it did not say. */
  readonly signatureAlgorithms: readonly string[]
  /** null: the gateway has nothing to show to it. */
  readonly held: {
    readonly subject: string
    /** Issuers of the chain, the leaf's first. */
    readonly issuers: readonly string[]
    /** `rsa 2048`, `ec P-256` */
    readonly key: string
    readonly notBefore: string
    readonly notAfter: string
  } | null
  /** null: there is nothing to match. */
  readonly matches: boolean | null
  /** One sentence, whatever came of it. */
  readonly why: string
}

/** Compares the CertificateRequest of a handshake (RFC 8446 section 4.3.2, RFC 5246 section 7.4.4) with the identity in force. */
export function clientAuthentication(
  server: Pick<ServerPlan, 'tls'>,
  handshake: CapturedHandshake | null,
  now: number,
): ClientAuthentication {
  const chain = server.tls?.clientCertificate?.chain ?? null
  const certificates = chain === null ? [] : readBundle(Buffer.from(chain), 'client certificate').certificates
  const [leaf] = certificates
  const held = leaf === undefined ? null : heldBy(leaf, certificates)
  const request = handshake?.certificateRequest ?? null
  if (request === null) {
    const why = handshake === null ? 'No handshake was seen.' : 'The server did not ask for a client certificate.'
    return { asked: false, acceptableIssuers: [], signatureAlgorithms: [], held, matches: null, why }
  }
  const acceptableIssuers = request.issuers.slice(0, maxIssuers).map(issuerText)
  const signatureAlgorithms = request.signatureAlgorithms.map(signatureSchemeName)
  const common = { asked: true, acceptableIssuers, signatureAlgorithms, held }
  if (leaf === undefined) {
    return {
      ...common,
      matches: false,
      why: 'The server asks for a client certificate and the gateway has none to show.',
    }
  }
  const against = [
    ...issuerMismatch(request.issuers, certificates),
    ...algorithmMismatch(request.signatureAlgorithms, leaf, handshake?.version ?? ''),
    ...(leaf.notAfter < now ? [`the certificate ended ${isoDate(leaf.notAfter)}`] : []),
    ...(leaf.notBefore > now ? [`the certificate begins ${isoDate(leaf.notBefore)}`] : []),
    ...(leaf.extendedKeyUsage !== null && !leaf.extendedKeyUsage.some((oid) => forClients.has(oid))
      ? ['its extended key usage does not have clientAuth']
      : []),
  ]
  if (against.length > 0) return { ...common, matches: false, why: `What is held does not fit: ${against.join('; ')}.` }
  const issuers =
    request.issuers.length === 0
      ? 'The server names no authorities'
      : 'The chain leads to an authority that the server names'
  return { ...common, matches: true, why: `${issuers}, and it accepts signatures of the key.` }
}

/** I10: a server may name thousands; the first are shown, all are compared. */
const maxIssuers = 200
/** clientAuth, anyExtendedKeyUsage (RFC 5280 section 4.2.1.12). */
const forClients: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'])

function heldBy(leaf: Certificate, chain: readonly Certificate[]): NonNullable<ClientAuthentication['held']> {
  const { algorithm, bits, curve } = leaf.publicKey
  return {
    subject: renderName(leaf.subject, 'edge'),
    issuers: [...new Set(chain.map(({ issuer }) => renderName(issuer, 'edge')))],
    key: [algorithm, curve ?? bits ?? ''].join(' ').trim(),
    notBefore: isoDate(leaf.notBefore),
    notAfter: isoDate(leaf.notAfter),
  }
}

/** RFC 8446 section 4.2.4: some certificate of the chain is issued by one of them. */
function issuerMismatch(issuers: readonly Buffer[], chain: readonly Certificate[]): readonly string[] {
  if (issuers.length === 0) return []
  const accepted = new Set(issuers.flatMap((der) => canonicalOf(der) ?? []))
  if (chain.some(({ issuer }) => accepted.has(issuer.canonical))) return []
  const ours = [...new Set(chain.map(({ issuer }) => `"${renderName(issuer, 'edge')}"`))].join(', ')
  return [`its chain is issued by ${ours}, none of which the server names`]
}

function canonicalOf(der: Buffer): string | null {
  try {
    return readName(readWhole(der), 'issuer').canonical
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

function algorithmMismatch(
  accepted: readonly number[],
  { publicKey }: Certificate,
  version: string,
): readonly string[] {
  if (accepted.length === 0) return []
  const possible = schemesOf(publicKey, version)
  if (possible === null || possible.some((scheme) => accepted.includes(scheme))) return []
  return [
    `its key is ${[publicKey.algorithm, publicKey.curve ?? publicKey.bits].join(' ')}, and the server accepts signatures by ${accepted.map(signatureSchemeName).join(', ')} only`,
  ]
}

/** What a key can sign a handshake with (RFC 8446 section 4.2.3); null: not known here. */
function schemesOf({ algorithm, curve }: Certificate['publicKey'], version: string): readonly number[] | null {
  const later = version === 'TLSv1.3'
  switch (algorithm) {
    case 'rsa':
      return later ? pssOfRsa : [...pssOfRsa, 0x0201, 0x0401, 0x0501, 0x0601]
    case 'rsa-pss':
      return [0x0809, 0x080a, 0x080b]
    case 'ec': {
      if (!later) return [0x0203, 0x0403, 0x0503, 0x0603]
      const scheme = curve === null ? undefined : ofCurve[curve]
      return scheme === undefined ? null : [scheme]
    }
    case 'ed25519':
      return [0x0807]
    case 'ed448':
      return [0x0808]
    default:
      return null
  }
}

const pssOfRsa: readonly number[] = [0x0804, 0x0805, 0x0806]

const ofCurve: Readonly<Record<string, number>> = {
  'P-256': 0x0403,
  prime256v1: 0x0403,
  'P-384': 0x0503,
  secp384r1: 0x0503,
  'P-521': 0x0603,
  secp521r1: 0x0603,
}
