import { resolve } from 'node:path'
import { formatProblem, parseConfig } from '../config/load.ts'
import { printPath } from '../config/raw.ts'
import { type Resolved, resolveConfig } from '../config/resolve.ts'
import { PosternError } from '../core/errors.ts'
import type { Environment } from '../trust/source.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'
import type { CommandIo } from './command-io.ts'
import { changedLines } from './changed-lines.ts'
import { readConfig, resolveText } from './config.ts'
import { editConfig } from './config-edit.ts'
import { createFile, replaceFile, withFileBeside } from '../config/replace-file.ts'
import { appended, destinationFor, type Destination, type Role, type StorePlace } from './trust-destination.ts'
import { listedSome } from './tls-endpoint.ts'
import { choiceOptions, choose, readChoice, titled, usage } from './trust-choice.ts'
import { parseOptions } from './parse-options.ts'

/** `postern trust add`: one certificate into one store, whole or not at all (I3). */
export async function trustAdd(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const { values } = parseOptions({
    args: [...args],
    options: {
      ...choiceOptions,
      store: { type: 'string' },
      as: { type: 'string', default: 'anchor' },
      'new-file': { type: 'string' },
      'allow-expired': { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const { config, store, as } = values
  if (config === undefined) throw usage('-c FILE is missing')
  if (store === undefined) throw usage('--store NAME is missing')
  if (as !== 'anchor' && as !== 'intermediate') throw usage(`--as ${as}: anchor or intermediate`)
  const choice = readChoice(values)
  const place: StorePlace = { ...readStore(config, store), role: as }
  const certificate = await choose(choice, process.env, signal)
  const notes = suitability(certificate, place, values['allow-expired'], Date.now())
  const done = await add(place, certificate, values['new-file'] ?? null, process.env, !values['dry-run'])
  if (values.json)
    io.stdout(
      `${JSON.stringify({ store, role: as, subject: renderName(certificate.subject, 'edge'), sha256: certificate.sha256, ...done, notes }, null, 2)}\n`,
    )
  else
    io.stdout(
      `${[...report(place, certificate, done, values['dry-run']), ...notes.map((note) => `note: ${note}`)].join('\n')}\n`,
    )
  return 0
}

interface Done {
  /** Files that were written, the configuration among them. */
  readonly files: readonly string[]
  /** What changed in the configuration. */
  readonly lines: readonly string[]
  readonly anchors: Counted
  readonly intermediates: Counted
}

/** Of the store; null: it could not be read before. */
interface Counted {
  readonly before: number | null
  readonly after: number
}

function readStore(config: string, name: string): Omit<StorePlace, 'role'> {
  const configPath = resolve(config)
  const configText = readConfig(configPath).toString('utf8')
  const parsed = parseConfig(configText, config)
  if (!parsed.ok) {
    throw new PosternError(
      'config-refused',
      ['the configuration has faults', ...parsed.problems.map(formatProblem)].join('\n'),
    )
  }
  const store = parsed.config.trustStores[name]
  if (store === undefined) {
    const names = Object.keys(parsed.config.trustStores)
    throw usage(`--store ${name}: there is no such store in ${config}; there are ${listedSome(names)}`)
  }
  return { configPath, configText, name, store }
}

/** Refuses what would do nothing or do more than it seems to; says what is odd and still good. */
function suitability(
  certificate: Certificate,
  { role, store, name }: StorePlace,
  allowExpired: boolean,
  now: number,
): readonly string[] {
  const title = `"${renderName(certificate.subject, 'edge')}"`
  const refuse = (why: string): PosternError => new PosternError('certificate-unsuitable', `${title} ${why}`)
  const isCa = certificate.basicConstraints?.ca === true
  const notes: string[] = []
  if (certificate.notAfter < now) {
    const ended = `ended ${new Date(certificate.notAfter).toISOString()}`
    if (!allowExpired)
      throw refuse(
        `${ended}; a path through it is refused, so it would help nobody (--allow-expired adds it all the same)`,
      )
    notes.push(`it ${ended}`)
  }
  if (certificate.notBefore > now) notes.push(`it begins ${new Date(certificate.notBefore).toISOString()}`)
  if (role === 'intermediate') {
    if (certificate.selfSignedForm)
      throw refuse(
        'is self-signed: it would be an anchor, never an intermediate; add it with --as anchor if you mean to trust it',
      )
    if (!isCa) throw refuse('is no CA certificate, so it helps to build no path')
    return notes
  }
  if (certificate.selfSignedForm && !certificate.selfSigned)
    throw refuse('looks self-signed, and its signature does not verify with its own key')
  if (!certificate.selfSigned && !store.partialChain) {
    const issuer = renderName(certificate.issuer, 'edge')
    throw refuse(
      `is not self-signed, so it anchors nothing in ${name}; add its root "${issuer}", or add it with --as intermediate`,
    )
  }
  if (!isCa)
    notes.push('it is no CA: it is trusted for itself alone (pinned), and has to be added anew when it is renewed')
  return notes
}

/** Decides where it goes, checks the whole configuration with it, and only then writes. */
async function add(
  place: StorePlace,
  certificate: Certificate,
  newFile: string | null,
  env: Environment,
  write: boolean,
): Promise<Done> {
  const { configPath, name, role } = place
  const before = await resolveConfig(configPath, env)
  if (before.ok && holds(before, name, certificate, role)) {
    return { files: [], lines: [], ...countedIn(name, before, before) }
  }
  const destination = destinationFor(place, certificate, newFile)
  const text = editedConfig(place, destination)
  const content =
    destination.existing === null ? certificate.pem : appended(destination.existing, certificate, destination.path)
  // the configuration as it will be, with the file as it will be under another name
  const after = await withFileBeside(destination.path, content, 0o600, (temporary) =>
    resolveText(configPath, trialConfig(text, destination, temporary), env),
  )
  const problem = newProblem(before, after, name)
  if (problem !== null) throw new PosternError('change-refused', `nothing was changed, because then:\n${problem}`)
  if (after.ok && !holds(after, name, certificate, role)) {
    throw new PosternError(
      'change-refused',
      `nothing was changed: ${titled(certificate)} would not become ${role === 'anchor' ? 'an anchor' : 'an intermediate'} of ${name}`,
    )
  }
  const changesConfig = text !== place.configText
  if (write) {
    if (destination.existing === null) await createFile(destination.path, content)
    else await replaceFile(destination.path, content, destination.existing)
    // The file is there before the configuration names it; should this fail, an unnamed file is left and nothing else.
    if (changesConfig) await replaceFile(configPath, text, Buffer.from(place.configText))
  }
  return {
    files: [destination.path, ...(changesConfig ? [configPath] : [])],
    lines: changedLines(place.configText, text),
    ...countedIn(name, before, after),
  }
}

function editedConfig({ configText, name, role }: StorePlace, { source }: Destination): string {
  if (source === null) return configText
  const part = role === 'anchor' ? 'sources' : 'intermediates'
  return editConfig(configText, { path: ['trustStores', name, part, '+'], value: source })
}

/** The file as it will be stands under another name; a directory does not read it there, so it is a source of its own. */
function trialConfig(text: string, { at }: Destination, temporary: string): string {
  return editConfig(text, { path: at, value: { file: temporary } })
}

function holds(resolved: Extract<Resolved, { ok: true }>, name: string, { sha256 }: Certificate, role: Role): boolean {
  const store = resolved.input.stores.get(name)
  return (store?.entries ?? []).some((entry) => entry.role === role && entry.certificate.sha256 === sha256)
}

/** A fault of something else that is there already is not this change's; any of the store itself is, and a new one. */
function newProblem(before: Resolved, after: Resolved, store: string): string | null {
  if (after.ok) return null
  const known = new Set(before.ok ? [] : before.problems.map(({ path, message }) => `${path} ${message}`))
  const own = printPath(['trustStores', store])
  const ours = after.problems.filter(({ path, message }) => {
    return path === own || path.startsWith(`${own}.`) || !known.has(`${path} ${message}`)
  })
  return ours.length === 0 ? null : ours.map(({ path, message }) => `  ${path}  ${message}`).join('\n')
}

function countedIn(name: string, before: Resolved, after: Resolved): Pick<Done, 'anchors' | 'intermediates'> {
  const count = (of: Resolved, list: 'anchors' | 'intermediates'): number | null =>
    of.ok ? (of.input.stores.get(name)?.[list].length ?? 0) : null
  const counted = (list: 'anchors' | 'intermediates'): Counted => {
    return { before: count(before, list), after: count(after, list) ?? 0 }
  }
  return { anchors: counted('anchors'), intermediates: counted('intermediates') }
}

function report(
  { name, role, configPath }: StorePlace,
  certificate: Certificate,
  done: Done,
  dryRun: boolean,
): readonly string[] {
  const { files, lines } = done
  const what = `${role} ${titled(certificate)}`
  if (files.length === 0) return [`${printPath(['trustStores', name])} has it already: ${what}`]
  const noun = role === 'anchor' ? 'anchors' : 'intermediates'
  const { before, after } = done[noun]
  const counted = before === null ? `${after} ${noun}` : `${before} -> ${after} ${noun}`
  return [
    `${dryRun ? 'Would add' : 'Added'} to ${printPath(['trustStores', name])}: ${what}`,
    ...files.filter((file) => file !== configPath).map((file) => `  file ${file}`),
    ...(lines.length === 0 ? [] : [`  ${configPath}`, ...lines.map((line) => `    ${line}`)]),
    `  ${counted}; a running gateway takes it up by itself`,
  ]
}
