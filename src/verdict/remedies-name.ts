import type { Remedy } from './model.ts'
import {
  type Case,
  backendOf,
  configSet,
  exception,
  namesIn,
  ownerMessage,
  quoted,
  remedy,
  seeCommand,
  tlsPath,
} from './remedy-parts.ts'
import { shellWord } from './shell.ts'

/* Identity: the certificate is good and names somebody else, or nobody. */

export function nameRemedies(the: Case, code: 'name-mismatch' | 'no-subject-alternative-name'): readonly Remedy[] {
  const { context, verdict } = the
  const expected = context.verifyNames.length > 0 ? context.verifyNames : namesIn(verdict.evidence['expected'])
  const presented = namesIn(verdict.evidence['presented'])
  const reissue = [
    remedy('backend-chain', {
      action: `Reissue the certificate of ${backendOf(context)} with ${expected.map(quoted).join(' or ')} as a subject alternative name.`,
      commands: () => csrCommand(expected),
      look: () => [seeCommand(the)],
    }),
    ownerMessage(
      the,
      `Please reissue the certificate with ${expected.map(quoted).join(' or ')} as a subject alternative name, or tell us which name to ask for.`,
      [
        `asked for: ${expected.join(', ')}`,
        `names in the certificate: ${presented.length === 0 ? 'none' : presented.slice(0, 20).join(', ')}`,
      ],
    ),
  ]
  const [best] = code === 'name-mismatch' ? candidates(expected, presented, context.host) : []
  const rename = best === undefined ? [] : [renameRemedy(the, best.name)]
  return [
    ...(best?.plausible === true ? [...rename, ...reissue] : [...reissue, ...rename]),
    ...exception(context, 'name', code),
  ]
}

/** `subjectAltNames` decides where it is set; else `serverName`, which is what is asked for as well (SNI). */
function renameRemedy({ context }: Case, name: string): Remedy {
  const { target } = context
  const alone = isAddress(name) || target?.hasSubjectAltNames === true
  const path = alone ? tlsPath(context, 'subjectAltNames') : (target?.serverNamePath ?? '')
  const sni = alone ? '' : ' The name is asked for as well (SNI), so the backend may answer with another certificate.'
  return remedy('gateway', {
    action: `If ${quoted(name)} is this backend: expect that name.`,
    commands: () => (target === null ? [] : configSet(context, [[path, alone ? JSON.stringify([name]) : name]])),
    risk: `Whoever holds a certificate of the trusted CAs for ${quoted(name)} is then taken for ${backendOf(context)}.${sni}`,
  })
}

interface Candidate {
  readonly name: string
  /** Something besides the certificate says that it is the same backend. */
  readonly plausible: boolean
}

/** Names of the certificate that could be expected in place of the wrong one, the likeliest first. */
function candidates(expected: readonly string[], presented: readonly string[], host: string): readonly Candidate[] {
  const wanted = [...expected, host].map((name) => name.toLowerCase())
  return presented
    .flatMap((pattern) => concrete(pattern.toLowerCase(), wanted))
    .filter((name) => isAddress(name) || isDnsName(name))
    .map((name) => ({ name, score: Math.max(...wanted.map((other) => kinship(name, other))) }))
    .sort((a, b) => b.score - a.score)
    .map(({ name, score }) => ({ name, plausible: score > 0 }))
}

/** A wildcard is no name to expect; under it, the wanted name's own first label may be. */
function concrete(pattern: string, wanted: readonly string[]): readonly string[] {
  if (!pattern.startsWith('*.')) return [pattern]
  return [
    ...new Set(wanted.filter((name) => !isAddress(name)).map((name) => `${name.split('.')[0]}${pattern.slice(1)}`)),
  ]
}

/** The host that is dialled: best. One host's short and long name, or a common parent of two labels: likely. */
function kinship(name: string, other: string): number {
  if (name === other) return 4
  if (isAddress(name) || isAddress(other)) return 0
  if (name.startsWith(`${other}.`) || other.startsWith(`${name}.`)) return 3
  const [a, b] = [name.split('.'), other.split('.')]
  if (a[0] === b[0]) return 2
  return a.length > 2 && b.length > 2 && a.slice(-2).join('.') === b.slice(-2).join('.') ? 1 : 0
}

function isAddress(name: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) || /^[0-9a-f:.]*:[0-9a-f:.]*$/.test(name)
}

function isDnsName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/.test(name)
  )
}

function csrCommand(expected: readonly string[]): readonly string[] {
  const names = expected.filter((name) => isAddress(name) || isDnsName(name.toLowerCase()))
  if (names.length === 0) return []
  const altNames = names.map((name) => (isAddress(name) ? `IP:${name}` : `DNS:${name}`)).join(',')
  return [
    `openssl req -new -newkey rsa:3072 -nodes -keyout server.key -out server.csr -subj ${shellWord(`/CN=${names[0]}`)} -addext ${shellWord(`subjectAltName=${altNames}`)}`,
  ]
}
