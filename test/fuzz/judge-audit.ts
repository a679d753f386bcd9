import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { JudgeInput, Judgement } from '../../src/judge/types.ts'
import type { Certificate } from '../../src/x509/certificate.ts'
import { claimsHost, claimsOf } from './names-oracle.ts'
import { extensionsOf, partsOf } from './plain-der.ts'
import { Disagreement } from './target.ts'

const subjectAltName = Buffer.from('0603551d11', 'hex')
const basicConstraints = Buffer.from('0603551d13', 'hex')
/** SM2 signatures, which the runtime does not verify with the key alone. */
const sm2 = '1.2.156.10197.1.501'

/**
 * What must be true where the judge says `trusted`, found with the runtime's own reader and a plain one, and with nothing of
 * the judge: where the path comes from, signatures, dates, CA bits, the name, the bytes that were signed.
 *
 * @param genuine signed parts that somebody with a key has signed
 * @param told for who reads a finding
 */
export function audit(input: JudgeInput, { path }: Judgement, genuine: readonly Buffer[], told: object): void {
  const bad = (kind: string, detail?: object): never => {
    throw new Disagreement(`trusted, and ${kind}`, { ...told, ...detail })
  }
  const leaf = input.served[0]
  if (leaf === undefined) return bad('nothing was served')
  // Where the frame alone is not DER, the runtime writes it again, and that is what the gateway reads names in.
  auditName(input, input.mode === 'runtime' ? open(leaf.der, bad).raw : leaf.der, bad)
  // The runtime accepts what is not DER around the signed part; such a path is shown as far as it can be read.
  const certificates = path.map(({ certificate }) => certificate)
  const top = certificates.at(-1)
  if (top === undefined) return bad('there is no path')
  const anchored = input.anchors.some(({ der }) => der.equals(top.der))
  if (path.at(-1)?.origin === 'anchor' && !anchored) bad('the last certificate is no anchor')
  if (input.mode !== 'runtime' && (!anchored || !certificates[0]?.der.equals(leaf.der)))
    bad('the path does not go from leaf to anchor')

  const given = [...input.served.map(({ der }) => der), ...input.anchors.map(({ der }) => der)]
  for (const { der } of input.intermediates) given.push(der)
  const chain = certificates.map((certificate) => {
    if (given.some((it) => it.equals(certificate.der))) return certificate.der
    return (input.mode === 'runtime' ? servedAs(certificate, input) : null) ?? bad('a certificate of nowhere')
  })
  for (const [at, der] of chain.slice(0, -1).entries()) {
    if (!genuine.some((tbs) => der.includes(tbs))) bad('a certificate that nobody signed', { at })
  }
  auditChain(certificates, chain, input, bad)
}

type Bad = (kind: string, detail?: object) => never

function auditName({ names }: JudgeInput, der: Buffer, bad: Bad): void {
  if (names === null) return
  const list = partsOf(der)
  const found = list?.[0] === undefined ? null : extensionsOf(list[0].whole)
  const value = found?.find(({ id }) => id.equals(subjectAltName))?.value
  const claims = value === undefined ? null : claimsOf(value)
  if (claims === null || !names.some((host) => claimsHost(claims, host)))
    bad('the leaf has none of the names', { names })
  const x509 = open(der, bad)
  const accepted = names.some((host) =>
    isIP(host) > 0
      ? x509.checkIP(host) !== undefined
      : // OpenSSL compares what it is given; a root's dot is ours to drop.
        x509.checkHost(host.replace(/\.$/, ''), { subject: 'never', partialWildcards: false }) !== undefined,
  )
  if (!accepted) bad('the runtime finds none of the names', { names })
}

function auditChain(certificates: readonly Certificate[], chain: readonly Buffer[], input: JudgeInput, bad: Bad): void {
  const read = chain.map((der) => open(der, bad))
  const now = Math.floor(input.time / 1000) * 1000
  for (const [at, x509] of read.slice(0, -1).entries()) {
    const above = read[at + 1] as X509Certificate
    const oid = certificates[at]?.signatureAlgorithm.oid
    if (oid !== sm2 && !verifies(x509, above)) bad('a signature does not verify', { at })
    if (!(x509.validFromDate.getTime() <= now && now <= x509.validToDate.getTime()))
      bad('a certificate is not of this time', { at })
    // The runtime reads the extension in other forms than DER too.
    const isAuthority = input.mode === 'runtime' ? x509.ca : isCa(certificates[at] as Certificate)
    if (at > 0 && !isAuthority && input.proxyCertificates !== true) bad('an issuer is no CA', { at })
  }
}

/** In runtime mode a certificate that is not DER is shown as DER would have it; the signature is over what was served. */
const servedAs = ({ publicKey }: Certificate, { served }: JudgeInput): Buffer | null =>
  served.find(({ der, malformed }) => malformed !== null && der.includes(publicKey.keyBytes))?.der ?? null

/** Exactly one extension says so. Not by `X509Certificate.ca`, which is false for any certificate with an extension twice. */
function isCa({ tbs }: Certificate): boolean {
  const found = extensionsOf(tbs)?.filter(({ id }) => id.equals(basicConstraints)) ?? []
  const flag = found[0] === undefined ? undefined : partsOf(found[0].value)?.[0]
  return found.length === 1 && flag?.tag === 0x01 && flag.content.equals(Buffer.from([0xff]))
}

function open(der: Buffer, bad: Bad): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (error) {
    return bad('the runtime cannot read it', { error: String(error) })
  }
}

function verifies(x509: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return x509.verify(issuer.publicKey)
  } catch {
    return false
  }
}
