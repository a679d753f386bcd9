import { chainLines } from '../diagnosis/report-chain.ts'
import type { Report } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName, sameName } from '../x509/name.ts'

export interface StoreContent {
  /** What the target's configuration or SSLInfo names, and what that leads to: `ref://trust -> acme/test/partners`. */
  readonly names: readonly string[]
  readonly anchors: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
}

/** Every certificate of a list, decoded (apigee-edge.md 6.1, C4). */
export function certificateListing(title: string, certificates: readonly Certificate[]): string {
  const blocks = certificates.map((each, index) => `[${index}] ${factLines(each).join('\n    ')}\n`)
  return `${onOneLine(title)}: ${certificates.length}\n${blocks.join('\n')}`
}

export function storeListing({ names, anchors, intermediates }: StoreContent): string {
  const from = names.length === 0 ? "the system's roots" : names.map((name) => onOneLine(name)).join(', ')
  const parts = [certificateListing('Anchors', anchors)]
  if (intermediates.length > 0) parts.push(certificateListing('Intermediates, which anchor nothing', intermediates))
  return `Trusted: ${from}\n\n${parts.join('\n')}`
}

export const pemOf = (certificates: readonly Certificate[]): string => certificates.map(({ pem }) => pem).join('')

/**
 * What was served and what is trusted, side by side (apigee-edge.md 6.1, C5 and C6): by names as RFC 5280 compares them, by
 * fingerprints, and by key ids where both have one. The verdict's own words come first.
 */
export function comparison(
  report: Pick<Report, 'verdict' | 'chain'> | null,
  served: readonly Certificate[],
  store: StoreContent,
): string {
  const verdict =
    report === null
      ? []
      : [`Verdict: ${report.verdict.code}. ${onOneLine(report.verdict.summary, 2000)}`, '', ...chainLines(report), '']
  const rows = served.flatMap((certificate, index) => [
    `[${index}] ${nameOf(certificate)}`,
    `    in the store: ${placeInStore(certificate, store)}`,
    `    its issuer:   ${issuerOf(certificate, served, store)}`,
  ])
  const nothing = served.length === 0 ? ['No certificate was served.'] : []
  return `${[...verdict, `Served (${served.length}), against ${counted(store)}:`, ...nothing, ...rows].join('\n')}\n`
}

const counted = ({ anchors, intermediates }: StoreContent): string =>
  `${anchors.length} ${anchors.length === 1 ? 'anchor' : 'anchors'} and ${intermediates.length} ${intermediates.length === 1 ? 'intermediate' : 'intermediates'} of the store`

const nameOf = ({ subject }: Certificate): string => onOneLine(renderName(subject, 'edge') || '(empty name)')

function placeInStore({ sha256, subject }: Certificate, { anchors, intermediates }: StoreContent): string {
  const isIt = (each: Certificate): boolean => each.sha256 === sha256
  if (anchors.some(isIt)) return 'yes, an anchor'
  if (intermediates.some(isIt)) return 'yes, an intermediate'
  const namesake = [...anchors, ...intermediates].find((each) => sameName(each.subject, subject))
  return namesake === undefined ? 'no' : `no, but one of the same name: SHA-256 ${namesake.sha256}`
}

function issuerOf(
  certificate: Certificate,
  served: readonly Certificate[],
  { anchors, intermediates }: StoreContent,
): string {
  const name = onOneLine(renderName(certificate.issuer, 'edge') || '(empty name)')
  const isIssuer = (each: Certificate): boolean => sameName(each.subject, certificate.issuer)
  const fits = (each: Certificate): boolean =>
    each.subjectKeyId === null ||
    certificate.authorityKeyId === null ||
    each.subjectKeyId === certificate.authorityKeyId
  const places: readonly (readonly [string, readonly Certificate[]])[] = [
    ['an anchor', anchors],
    ['an intermediate of the store', intermediates],
    ['served', served.filter((each) => each.sha256 !== certificate.sha256)],
  ]
  const found = places.flatMap(([place, list]) => (list.some((each) => isIssuer(each) && fits(each)) ? [place] : []))
  if (found.length > 0) return `${name}: ${found.join(', ')}`
  const other = places.find(([, list]) => list.some(isIssuer))
  if (other !== undefined) return `${name}: ${other[0]} of that name has another key`
  if (certificate.selfIssued) return 'itself'
  const key = certificate.authorityKeyId === null ? '' : `, key id ${certificate.authorityKeyId}`
  return `${name}${key}: MISSING, neither served nor in the store`
}

function factLines(certificate: Certificate): readonly string[] {
  const { publicKey, subjectAltNames, basicConstraints } = certificate
  const names = subjectAltNames.map(({ kind, value }) => `${kind}:${value}`)
  const key = [publicKey.algorithm, publicKey.curve ?? publicKey.bits ?? ''].join(' ').trim()
  return [
    nameOf(certificate),
    `issuer:      ${onOneLine(renderName(certificate.issuer, 'edge') || '(empty name)')}`,
    `serial:      ${certificate.serial}`,
    `valid:       ${isoTime(certificate.notBefore)} to ${isoTime(certificate.notAfter)}`,
    `SHA-256:     ${certificate.sha256}`,
    `key:         ${key}, signed by ${certificate.signatureAlgorithm.name}`,
    ...(basicConstraints?.ca === true ? ['CA:          yes'] : []),
    ...(names.length === 0 ? [] : [`names:       ${onOneLine(names.join(', '), 2000)}`]),
    ...(certificate.subjectKeyId === null ? [] : [`key id:      ${certificate.subjectKeyId}`]),
    ...(certificate.authorityKeyId === null ? [] : [`issuer's:    ${certificate.authorityKeyId}`]),
  ]
}

const isoTime = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
