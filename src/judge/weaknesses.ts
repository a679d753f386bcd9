import type { Finding } from '../verdict/model.ts'
import type { Certificate } from '../x509/certificate.ts'
import { covers } from '../x509/host-names.ts'
import { commonNameOf } from '../x509/name.ts'
import { isoDate, labelOf, refOf } from './certificate-ref.ts'
import { weakness } from './fault.ts'
import type { JudgeInput, PathElement } from './types.ts'

const dayMs = 86_400_000
const soonMs = 30 * dayMs
/** BR section 6.3.2: 398 days until 2026-03-15, and ever fewer after it. */
const longLifeMs = 398 * dayMs

/** What of a path refuses nothing and is worth a word, for all modes. */
export function weaknesses(
  input: Pick<JudgeInput, 'served' | 'time' | 'anchors' | 'names'>,
  path: readonly PathElement[],
  complete: boolean,
  /** More than one path leads to an anchor. */
  choices: boolean,
): readonly Finding[] {
  return [
    ...malformedServed(input),
    ...order(input, path),
    ...extras(input, path, complete),
    ...roots(input),
    ...expiry(path, input.time),
    ...stored(path),
    ...(choices ? crossSigned(path) : []),
    ...sha1(path),
    ...commonNameOnly(input, path),
    ...longLife(path),
  ]
}

const nowhere = { at: null, certificate: null } as const

function malformedServed({ served }: Pick<JudgeInput, 'served'>): Finding[] {
  return served.flatMap((presented, index) =>
    index === 0 || presented.malformed === null
      ? []
      : [
          weakness('malformed-certificate', 'warning', nowhere, `Served certificate ${index + 1} cannot be read`, {
            index,
            ...presented.malformed,
          }),
        ],
  )
}

/** Places in the served list of the path's certificates, leaf first. */
function servedPlaces({ served }: Pick<JudgeInput, 'served'>, path: readonly PathElement[]): number[] {
  const place = new Map<string, number>()
  for (const [index, { certificate }] of served.entries()) {
    if (certificate !== null && !place.has(certificate.sha256)) place.set(certificate.sha256, index)
  }
  return path.flatMap(({ certificate }) => place.get(certificate.sha256) ?? [])
}

function order(input: Pick<JudgeInput, 'served'>, path: readonly PathElement[]): Finding[] {
  const places = servedPlaces(input, path)
  if (places.every((place, index) => index === 0 || place > (places[index - 1] as number))) return []
  const summary = 'The certificates are not served in the order of the path; some clients refuse that'
  return [weakness('chain-order', 'warning', nowhere, summary, { served: places.map((place) => place + 1) })]
}

function extras(input: Pick<JudgeInput, 'served'>, path: readonly PathElement[], complete: boolean): Finding[] {
  // What no path needs is only known once there is one.
  if (!complete) return []
  const used = new Set(path.map(({ certificate }) => certificate.sha256))
  const seen = new Set<string>()
  const unused = input.served.flatMap(({ certificate }) => {
    if (certificate === null) return []
    const extra = seen.has(certificate.sha256) || (!used.has(certificate.sha256) && !certificate.selfSignedForm)
    seen.add(certificate.sha256)
    return extra ? [certificate] : []
  })
  if (unused.length === 0) return []
  const names = unused.map(({ subject }) => `"${labelOf(subject)}"`)
  return [
    weakness('extra-certificates', 'info', nowhere, `The path needs no ${shorten(names)}, which the backend serves`, {
      certificates: unused.slice(0, 16).map(refOf),
      count: unused.length,
    }),
  ]
}

function roots({ served }: Pick<JudgeInput, 'served'>): Finding[] {
  return served.slice(1).flatMap(({ certificate }, index) => {
    if (certificate === null || !certificate.selfSignedForm) return []
    return [
      weakness(
        'root-served',
        'info',
        { at: null, certificate },
        `The backend serves the root "${labelOf(certificate.subject)}", which no client believes`,
        { index: index + 1 },
      ),
    ]
  })
}

function expiry(path: readonly PathElement[], time: number): Finding[] {
  return path.flatMap(({ certificate }, at) => {
    const left = certificate.notAfter - time
    if (left < 0 || left > soonMs || certificate.notBefore > time) return []
    const days = Math.floor(left / dayMs)
    const subject = labelOf(certificate.subject)
    return [
      weakness('expires-soon', 'warning', { at, certificate }, `"${subject}" ends in ${days} days`, {
        notAfter: isoDate(certificate.notAfter),
        days,
      }),
    ]
  })
}

function stored(path: readonly PathElement[]): Finding[] {
  return path.flatMap(({ certificate, origin }, at) =>
    origin !== 'stored'
      ? []
      : [
          weakness(
            'relies-on-stored-intermediate',
            'warning',
            { at, certificate },
            `The backend does not serve "${labelOf(certificate.subject)}"; only the trust store supplies it`,
          ),
        ],
  )
}

function crossSigned(path: readonly PathElement[]): Finding[] {
  const anchor = path.at(-1)?.certificate
  return [
    weakness('cross-signed', 'info', nowhere, 'There is more than one path to an anchor', {
      chosen: anchor === undefined ? null : labelOf(anchor.subject),
    }),
  ]
}

function sha1(path: readonly PathElement[]): Finding[] {
  return path.flatMap(({ certificate, origin }, at) =>
    origin === 'anchor' || certificate.signatureAlgorithm.hash !== 'sha1' || certificate.selfSignedForm
      ? []
      : [
          weakness(
            'sha1-in-chain',
            'warning',
            { at, certificate },
            `"${labelOf(certificate.subject)}" is signed with SHA-1`,
            {
              algorithm: certificate.signatureAlgorithm.name,
            },
          ),
        ],
  )
}

function commonNameOnly({ names }: Pick<JudgeInput, 'names'>, path: readonly PathElement[]): Finding[] {
  const leaf = path[0]?.certificate
  if (leaf === undefined) return []
  const commonName = commonNameOf(leaf.subject)
  if (commonName === null) return []
  // Beside alternative names it is worth a word only where it is the one that was expected and they are not.
  const wanted = names !== null && names.includes(commonName) && !names.some((name) => covers(leaf, name))
  if (hasHostName(leaf) && !wanted) return []
  return [
    weakness(
      'common-name-only',
      'warning',
      { at: 0, certificate: leaf },
      `"${commonName}" stands in the common name only, which does not count`,
      { commonName },
    ),
  ]
}

const hasHostName = ({ subjectAltNames }: Certificate): boolean =>
  subjectAltNames.some(({ kind }) => kind === 'dns' || kind === 'ip')

function longLife(path: readonly PathElement[]): Finding[] {
  const leaf = path[0]
  if (leaf === undefined || leaf.origin === 'anchor') return []
  const { certificate } = leaf
  const life = certificate.notAfter - certificate.notBefore
  if (life <= longLifeMs) return []
  const days = Math.round(life / dayMs)
  return [
    weakness(
      'long-validity',
      'info',
      { at: 0, certificate },
      `"${labelOf(certificate.subject)}" is valid for ${days} days, longer than public CAs may issue`,
      { days, limitDays: longLifeMs / dayMs },
    ),
  ]
}

const shorten = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
