import type { Certificate } from '../x509/certificate.ts'
import type { GeneralName } from '../x509/general-name.ts'
import { ipBytes } from '../x509/ip-address.ts'
import type { Name } from '../x509/name.ts'
import type { GeneralSubtree, NameConstraints } from '../x509/path-constraints.ts'
import { clip, labelOf } from './certificate-ref.ts'
import { type FaultFinding, fault } from './fault.ts'
import type { Work } from './work.ts'

/** Looking a name up costs about as much as comparing so many addresses. */
const lookup = 8

// OpenSSL's bound (NAME_CHECK_MAX), kept so that the modes agree; the check here grows with the names alone (I10).
const maxComparisons = 2 ** 20

/**
 * RFC 5280 sections 4.2.1.10 and 6.1.3 (b) and (c): every name of a certificate has to be within the permitted and outside
 * of the excluded subtrees of every CA above it. The anchor's own constraints count too: who trusts a constrained root
 * trusts it within its constraints. `path` is leaf first.
 */
export function nameConstraintFaults(path: readonly Certificate[], work: Pick<Work, 'compare'>): FaultFinding[] {
  const faults: FaultFinding[] = []
  for (let at = path.length - 1; at > 0; at -= 1) {
    const authority = path[at] as Certificate
    if (authority.nameConstraints === null) continue
    const check = checkOf(authority.nameConstraints)
    for (let below = at - 1; below >= 0; below -= 1) {
      const certificate = path[below] as Certificate
      // Section 6.1.3 (b): a CA that renews its own key is not bound by itself; a leaf always is.
      if (certificate.selfIssued && below > 0) continue
      const found = checkOne(certificate, below, authority, check, work)
      if (found !== null) faults.push(found)
    }
  }
  return faults
}

function checkOne(
  certificate: Certificate,
  at: number,
  authority: Certificate,
  check: Check,
  work: Pick<Work, 'compare'>,
): FaultFinding | null {
  const place = { at, certificate }
  const names = namesOf(certificate)
  const size = certificate.subject.rdns.length + certificate.subjectAltNames.length
  const addresses = names.filter(({ kind }) => kind === 'ip').length
  if (size * check.size > maxComparisons || !work.compare(names.length * lookup + addresses * check.ranges)) {
    const evidence = { names: size, constraints: check.size, limit: maxComparisons }
    return fault('too-complex', place, 'Too many names would have to be checked against too many constraints', evidence)
  }
  for (const name of names) {
    const why = check.refuses(name)
    if (why === null) continue
    const shown = 'value' in name ? clip(name.value) : labelOf(name.name)
    return fault(
      'name-constraint-violation',
      place,
      `"${labelOf(authority.subject)}" may not issue for the name "${shown}" of "${labelOf(certificate.subject)}"`,
      {
        name: shown,
        kind: name.kind,
        because: why,
        authority: labelOf(authority.subject),
        rule: 'RFC 5280 section 4.2.1.10',
      },
    )
  }
  return null
}

type Constrained = GeneralName | { readonly kind: 'directory'; readonly name: Name }

/** The names that constraints bind: alternative names, the subject, and what of the subject is used as if it were one. */
function namesOf(certificate: Certificate): readonly Constrained[] {
  const names: Constrained[] = [...certificate.subjectAltNames]
  if (certificate.subject.rdns.length > 0) names.push({ kind: 'directory', name: certificate.subject })
  const hasDns = certificate.subjectAltNames.some(({ kind }) => kind === 'dns')
  for (const { oid, text } of certificate.subject.rdns.flat()) {
    // The standard asks for the address in the subject only where there is no alternative name. It is one all the same.
    if (oid === '1.2.840.113549.1.9.1') names.push({ kind: 'email', value: text ?? '' })
    // There are still verifiers that take a common name for a host name; a CA may not get around its bounds by them.
    if (oid === '2.5.4.3' && !hasDns && text !== null && looksLikeHost.test(text) && ipBytes(text) === null)
      names.push({ kind: 'dns', value: text })
  }
  return names
}

const looksLikeHost = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)+$/i

interface Check {
  readonly size: number
  /** Address ranges, which are the only constraints that are not looked up. */
  readonly ranges: number
  /** The reason, or null where nothing forbids the name. */
  refuses(name: Constrained): string | null
}

interface Matcher {
  readonly constrains: boolean
  /** False where one of the subtrees cannot be processed, so that no name of the kind can be cleared by it. */
  readonly understood: boolean
  matches(name: Constrained): boolean
}

/** A CA stands in many paths; its constraints are taken apart once. */
function checkOf(constraints: NameConstraints): Check {
  let check = checks.get(constraints)
  if (check === undefined) checks.set(constraints, (check = compile(constraints)))
  return check
}

const checks = new WeakMap<NameConstraints, Check>()

function compile({ permitted, excluded }: NameConstraints): Check {
  const size = permitted.length + excluded.length
  const permits = matchers(permitted)
  const excludes = matchers(excluded, coversExcluded)
  return {
    size,
    ranges: [...permitted, ...excluded].filter(({ kind }) => kind === 'ip').length,
    refuses(name) {
      const kind = kindOf(name)
      const permit = permits(kind)
      const exclude = excludes(kind)
      // Section 4.2.1.10: constraints on a form of name that is not processed refuse every name of that form.
      const understood = !kind.startsWith('other:') && permit.understood && exclude.understood
      if (!understood && (permit.constrains || exclude.constrains))
        return 'the constraints of this kind are not understood'
      if (!permit.constrains && !exclude.constrains) return null
      // The same section for URIs without a host name; any other name that is none could mean anything to its reader.
      if (!isWhole(name)) return 'the name is not one of its kind'
      if (exclude.matches(name)) return 'the name is excluded'
      return permit.constrains && !permit.matches(name) ? 'the name is not among the permitted ones' : null
    },
  }
}

/** Whether it can be told what the name is a name of. */
function isWhole(name: Constrained): boolean {
  switch (name.kind) {
    case 'dns':
      return name.value === '' || name.value.split('.').every((label) => label !== '')
    case 'email':
      return /^[^@]+@[^@]+$/.test(name.value)
    case 'uri':
      return hostOfUri(name.value) !== null
    case 'other':
      return name.tag !== 7
    default:
      return true
  }
}

// An address of an impossible length is still an address to be refused.
const kindOf = (name: Constrained): string =>
  name.kind !== 'other' ? name.kind : name.tag === 7 ? 'ip' : `other:${name.tag}`

/** One matcher for each kind of name; exact and suffix matches by lookup, so that many constraints cost no more than one. */
function matchers(
  subtrees: readonly GeneralSubtree[],
  more: (group: readonly GeneralSubtree[]) => (name: Constrained) => boolean = () => () => false,
): (kind: string) => Matcher {
  const groups = Map.groupBy(subtrees, (it) => (it.kind === 'other' ? `other:${it.tag}` : it.kind))
  const made = new Map<string, Matcher>()
  return (kind) => {
    const known = made.get(kind)
    if (known !== undefined) return known
    const group = groups.get(kind) ?? []
    const understood = group.every(
      (it) => it.minimum === 0 && it.maximum === null && (it.kind !== 'ip' || it.mask.length === it.address.length),
    )
    const [within, also] = [matcherOf(group), more(group)]
    const matcher = {
      constrains: group.length > 0,
      understood,
      matches: (name: Constrained) => within(name) || also(name),
    }
    made.set(kind, matcher)
    return matcher
  }
}

/** A wildcard is for every host below it, so it is for one that is excluded too. */
function coversExcluded(group: readonly GeneralSubtree[]): (name: Constrained) => boolean {
  const parents = new Set<string>()
  for (const subtree of group) {
    const dot = subtree.kind === 'dns' ? subtree.value.indexOf('.') : -1
    if (subtree.kind === 'dns' && dot > 0) parents.add(subtree.value.slice(dot + 1).toLowerCase())
  }
  return (name) => name.kind === 'dns' && name.value.startsWith('*.') && parents.has(name.value.slice(2).toLowerCase())
}

function matcherOf(group: readonly GeneralSubtree[]): (name: Constrained) => boolean {
  const values = new Set<string>()
  const ranges: { address: Buffer; mask: Buffer }[] = []
  const directories = new Set<string>()
  for (const subtree of group) {
    switch (subtree.kind) {
      case 'dns':
      case 'uri':
        values.add(subtree.value.toLowerCase())
        break
      case 'email':
        values.add(foldMailbox(subtree.value))
        break
      case 'ip':
        ranges.push(subtree)
        break
      case 'directory':
        directories.add(subtree.name.canonical)
        break
      case 'other':
        break
      default:
        subtree satisfies never
    }
  }
  return (name) => {
    switch (name.kind) {
      case 'dns':
        return dnsMatches(name.value.toLowerCase(), values)
      case 'email':
        return emailMatches(name.value, values)
      case 'uri':
        return uriMatches(name.value, values)
      case 'ip':
        return ipMatches(ipBytes(name.value), ranges)
      case 'directory':
        return directoryMatches(name.name, directories)
      case 'other':
        return false
      default:
        return name satisfies never
    }
  }
}

/** The name itself and everything below it; `.example.com`, which the standard does not know, only what is below. */
function dnsMatches(name: string, values: ReadonlySet<string>): boolean {
  if (values.size === 0) return false
  const host = name.startsWith('*.') ? name.slice(2) : name
  if (values.has('') || (name !== host && values.has(`.${host}`))) return true
  for (let rest = host, at = 0; ; ) {
    if (values.has(rest) || (at > 0 && values.has(`.${rest}`))) return true
    const dot = rest.indexOf('.')
    if (dot === -1) return false
    rest = rest.slice(dot + 1)
    at += 1
  }
}

/** A mailbox, all mailboxes of a host, or all mailboxes of the hosts below `.example.com`. */
function emailMatches(address: string, values: ReadonlySet<string>): boolean {
  if (values.size === 0) return false
  const parts = address.split('@')
  // Not a mailbox: no permitted subtree holds it.
  if (parts.length !== 2 || parts[0] === '' || parts[1] === '') return false
  return values.has(foldMailbox(address)) || hostMatches((parts[1] as string).toLowerCase(), values)
}

// RFC 5321 section 2.4: the local part is the host's own business, case included.
function foldMailbox(value: string): string {
  const at = value.lastIndexOf('@')
  return at === -1 ? value.toLowerCase() : value.slice(0, at) + value.slice(at).toLowerCase()
}

/** The host of the URI; one without a host name is in no subtree. */
function uriMatches(uri: string, values: ReadonlySet<string>): boolean {
  const host = hostOfUri(uri)
  return host !== null && hostMatches(host, values)
}

function hostOfUri(uri: string): string | null {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]
  if (authority === undefined) return null
  const host = authority.replace(/^.*@/, '').replace(/:\d*$/, '').toLowerCase()
  return host === '' || host.startsWith('[') || ipBytes(host) !== null ? null : host
}

/** Exactly the host, or, for a constraint with a leading dot, any host below. */
function hostMatches(host: string, values: ReadonlySet<string>): boolean {
  if (values.has(host) || values.has('')) return true
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1))
    if (values.has(host.slice(dot))) return true
  return false
}

const ipMatches = (bytes: Buffer | null, ranges: readonly { address: Buffer; mask: Buffer }[]): boolean =>
  bytes !== null &&
  ranges.some(
    ({ address, mask }) =>
      address.length === bytes.length &&
      mask.length === bytes.length &&
      bytes.every((byte, at) => (byte & (mask[at] as number)) === ((address[at] as number) & (mask[at] as number))),
  )

/** The constraint is the beginning of the name. */
function directoryMatches(name: Name, directories: ReadonlySet<string>): boolean {
  if (directories.size === 0) return false
  if (directories.has('')) return true
  const { canonical } = name
  if (directories.has(canonical)) return true
  for (let slash = canonical.indexOf('/'); slash !== -1; slash = canonical.indexOf('/', slash + 1)) {
    // A slash inside of a value is no boundary; a prefix that ends there is no canonical name of a constraint.
    if (directories.has(canonical.slice(0, slash))) return true
  }
  return false
}
