import { codeOf, type Party, PosternError } from '../core/errors.ts'
import { type VerdictCode, verdictCodes } from './codes.ts'
import type { CertificateRef, Chain, Finding, Remedy, RemedyKind, Verdict } from './model.ts'
import type { RemedyContext, StoreContext } from './remedy-context.ts'
import { onOneLine, shellWord } from './shell.ts'

/** What remedies are made from. */
export interface Diagnosed {
  readonly verdict: Verdict
  readonly findings: readonly Finding[]
  readonly chain: Chain
}

/** One case: what was found, and where. */
export interface Case extends Diagnosed {
  readonly context: RemedyContext
  /** What else the owner of the backend is to be asked for, in the same letter. */
  readonly furtherWishes: readonly string[]
  /** Told what each letter asks for. */
  readonly onWish?: (wish: string) => void
}

interface Parts {
  readonly party?: Party
  readonly action: string
  /** Called for its commands; what cannot be quoted leaves the remedy without any. */
  readonly commands?: () => readonly string[]
  readonly look?: () => readonly string[]
  readonly risk?: string
  readonly weakens?: boolean
  readonly message?: string
}

/** Every remedy is made here, so that what names a command cannot show takes away the commands and not the advice. */
export function remedy(kind: RemedyKind, parts: Parts): Remedy {
  const { action, risk = '', message = '', weakens = kind === 'exception' } = parts
  const party = parts.party ?? (kind === 'backend-chain' || kind === 'owner-message' ? 'backend' : 'gateway')
  return { kind, party, action, commands: runnable(parts.commands), look: runnable(parts.look), risk, weakens, message }
}

function runnable(commands: (() => readonly string[]) | undefined): readonly string[] {
  if (commands === undefined) return []
  try {
    return commands()
  } catch (error) {
    if (codeOf(error) === 'unquotable') return []
    throw error
  }
}

/** `"CN=Elsewhere Root CA, O=Lab" (SHA-256 5F6A...)`, fit for one line. */
export function named(certificate: CertificateRef): string {
  return `"${onOneLine(certificate.subject, 200)}" (SHA-256 ${hex(certificate.sha256)})`
}

/** `"CN=Elsewhere Root CA, O=Lab"`. */
export function quoted(text: string): string {
  return `"${onOneLine(text, 200)}"`
}

/** The backend as a person would call it. */
export function backendOf({ target, edge, host, port }: RemedyContext): string {
  const name = target?.name ?? edge?.stored?.target
  return name === undefined
    ? onOneLine(hostPort(host, port))
    : `${onOneLine(name)} (${onOneLine(hostPort(host, port))})`
}

export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** A path of the configuration, as `postern config set` reads it: `targets["a.b"].tls`. */
export function configPath(...steps: readonly (string | number)[]): string {
  return steps
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`
      if (!/^[A-Za-z0-9_-]+$/.test(step)) return `[${JSON.stringify(step)}]`
      return index === 0 ? step : `.${step}`
    })
    .join('')
}

/** `postern config set -c FILE ...`; none where no file is known. */
export function configSet(
  context: RemedyContext,
  changes: readonly (readonly [path: string, value: string])[],
  unset: readonly string[] = [],
): readonly string[] {
  if (context.configFile === null) return []
  const words = [...changes.flatMap(([path, value]) => [path, value]), ...unset.flatMap((path) => ['--unset', path])]
  return [
    `${context.posternCommand} config set ${configOf(context.configFile, context)} ${words.map(shellWord).join(' ')}`,
  ]
}

/** `-c FILE`, and who has what the file only names. */
function configOf(file: string, { admin }: RemedyContext): string {
  return `-c ${shellWord(file)}${admin === undefined ? '' : ` --admin ${shellWord(admin)}`}`
}

/** Path of a TLS setting of the target at hand. */
export function tlsPath(context: RemedyContext, setting: string): string {
  return configPath('targets', context.target?.name ?? '', 'tls', setting)
}

/** Words that tell `postern trust` where the missing certificate is to be taken from. Throws as `shellWord` does. */
export function takenFrom({ missing, target, configFile, admin, host, port, serverName }: RemedyContext): string {
  if (missing === null) return ''
  // Commands that read files do not see what the management API holds.
  if (missing.stored !== undefined) throw new PosternError('unquotable', `${missing.stored.store} is no file`)
  if (missing.file !== null) return `--file ${shellWord(missing.file)}`
  if (missing.url !== null) return `--url ${shellWord(missing.url)}`
  if (missing.from === 'known') return '--known'
  // A file that names managed stores cannot be read without them.
  if (target !== null && configFile !== null && admin === undefined) return `--from ${shellWord(target.name)}`
  const name = serverName === null || serverName === host ? '' : ` --server-name ${shellWord(serverName)}`
  return `--from ${shellWord(hostPort(host, port))}${name}`
}

/** `postern trust export ... > FILE`: the certificate as PEM, exactly that one. */
export function exportTo(context: RemedyContext, sha256: string, file: string): string {
  const from = takenFrom(context)
  const needsConfig = from.startsWith('--from') || from === '--known'
  const isReadable = context.configFile !== null && context.admin === undefined
  const config = needsConfig && isReadable ? ` -c ${shellWord(context.configFile ?? '')}` : ''
  return `${context.posternCommand} trust export${config} --sha256 ${hex(sha256)} ${from} > ${shellWord(file)}`
}

/** The store that a certificate would go to: the first that a command can write to, else the first. */
export function storeToChange(stores: readonly StoreContext[]): StoreContext | null {
  return stores.find(isWritable) ?? stores[0] ?? null
}

export function isWritable(store: StoreContext): boolean {
  return store.sources.some(({ kind }) => kind === 'file' || kind === 'directory')
}

/** How anybody with OpenSSL sees the same. */
export function opensslCommand({ host, port, serverName }: RemedyContext, more = ''): string {
  const name = serverName === null ? '-noservername' : `-servername ${shellWord(serverName)}`
  return `openssl s_client -connect ${shellWord(hostPort(host, port))} ${name} -showcerts${more} </dev/null`
}

/** How anybody with OpenSSL sees the certificate at fault: the leaf, or the one of the others that it is. */
export function seeCommand({ context, chain, verdict }: Diagnosed & { readonly context: RemedyContext }): string {
  const { certificate, code } = verdict
  const weak = code === 'weak-key' || code === 'weak-signature'
  const whole = opensslCommand(context, weak ? ' -cipher DEFAULT@SECLEVEL=0' : '')
  const index = chain.served.findIndex(({ sha256 }) => sha256 === certificate?.sha256)
  const print = certificatePrinters[code]
  if (certificate === null || index === -1 || print === undefined) return whole
  const nth = index === 0 ? '' : ` | awk '/BEGIN CERTIFICATE/ { n += 1 } n == ${index + 1}'`
  return `${whole} 2>/dev/null${nth} | openssl x509 -noout ${print}`
}

/** What of a certificate shows the fault; a code without one needs the chain or the handshake as a whole. */
const certificatePrinters: Readonly<Partial<Record<VerdictCode, string>>> = {
  expired: '-subject -issuer -serial -dates',
  'not-yet-valid': '-subject -issuer -serial -dates',
  'issuer-not-ca': '-subject -issuer -ext basicConstraints,keyUsage',
  'issuer-key-usage': '-subject -issuer -ext basicConstraints,keyUsage',
  'wrong-purpose': '-subject -issuer -ext keyUsage,extendedKeyUsage',
  'path-length-exceeded': '-subject -issuer -ext basicConstraints',
  'name-constraint-violation': '-subject -issuer -ext nameConstraints,subjectAltName',
  'weak-key': "-text | grep -E 'Subject:|Public-Key'",
  'weak-signature': "-text | grep -E 'Subject:|Signature Algorithm'",
  'bad-signature': '-subject -issuer -serial -ext authorityKeyIdentifier,subjectKeyIdentifier',
  'unknown-critical-extension': "-text | grep -A 1 -E 'Subject:|critical'",
  'policy-violation': '-subject -issuer -ext certificatePolicies',
  revoked: '-subject -issuer -serial -ext crlDistributionPoints',
  'revocation-unknown': '-subject -issuer -serial -ext crlDistributionPoints',
  distrusted: '-subject -issuer -serial -fingerprint -sha256',
  'name-mismatch': '-subject -ext subjectAltName',
  'no-subject-alternative-name': '-subject -ext subjectAltName',
  'self-signed-leaf': '-subject -issuer -dates -fingerprint -sha256',
}

/** A command whose value only the reader knows: the shell refuses to run it before it is said. */
export function whenSet(
  context: RemedyContext,
  variable: string,
  meaning: string,
  path: string,
  value: string,
): readonly string[] {
  if (context.configFile === null) return []
  const [command = ''] = configSet(context, [[path, 'VALUE']])
  const quotedValue = `"${value.replaceAll('"', String.raw`\"`)}"`
  return [`${variable}="\${${variable}:?${meaning}}"; ${command.replace(/VALUE$/, () => quotedValue)}`]
}

/**
 * The last resort, graded: one check of one target, with an owner, a reason and an end. Never for what no exception can
 * make right (a signature that does not match, a revoked certificate).
 */
export function exception(context: RemedyContext, skip: 'chain' | 'name', code: string): readonly Remedy[] {
  const { target } = context
  // What is not so yet, or no longer, needs none; and an end counted from another moment would not be near.
  if (target === null || context.configFile === null || context.asOf !== null) return []
  const until = new Date(context.now + 7 * 24 * 3_600_000).toISOString().slice(0, 10)
  const entry = `{ skip: ${skip}, owner: "$OWNER", reason: "${code}", until: ${until} }`
  const what =
    skip === 'chain'
      ? 'who issued the certificate, its dates and its chain; anybody who can answer at this address gets the requests'
      : 'whom the certificate names; any holder of a certificate of the trusted CAs gets the requests'
  return [
    remedy('exception', {
      action: `Only if requests must flow before the fault is mended: stop checking the ${skip} of ${onOneLine(target.name)} until ${until}, under the name of somebody who answers for it.`,
      commands: () => [
        // the owner is the reader's to name; the shell refuses to go on without
        `OWNER="\${OWNER:?who answers for it}"; ${context.posternCommand} config set ${configOf(context.configFile ?? '', context)} ${shellWord(`${tlsPath(context, 'exceptions')}[+]`)} ${doubleQuoted(entry)}`,
      ],
      risk: `Until then nobody checks ${what}. It is shown in every output and ends by itself.`,
    }),
  ]
}

/** For text of our own alone: `$OWNER` is to be expanded. */
function doubleQuoted(text: string): string {
  return `"${text.replaceAll('"', String.raw`\"`)}"`
}

/** What to send to whoever owns the backend: facts, evidence, and how to see it. */
export function ownerMessage(the: Case, wish: string, facts: readonly string[] = []): Remedy {
  const { context, verdict } = the
  the.onWish?.(wish)
  const { asOf } = context
  const judged = verdict.stage === 'chain' || verdict.stage === 'identity'
  const moment = asOf === null || !judged ? '' : `, judged as of ${new Date(asOf).toISOString()},`
  const where = hostPort(context.host, context.port)
  const lines = [
    `Subject: TLS of ${where}: ${verdict.code}`,
    '',
    `Our gateway connects to ${where}${context.serverName === null ? '' : ` as ${context.serverName}`} and ${judged ? `cannot accept${moment} what it is shown` : 'gets no further'}:`,
    sentence(verdict.summary),
    '',
    ...listOf([...certificateFacts(verdict.certificate), ...facts, ...servedFacts(the.chain), ...alsoWrong(the)]),
    wish,
    ...the.furtherWishes,
    '',
    ...runnable(() => [`To see it: ${seeCommand(the)}`]),
    `Seen at ${new Date(context.now).toISOString()}${moment.slice(0, -1)}. ${verdict.code}: ${verdictCodes[verdict.code].summary}`,
  ]
  return remedy('owner-message', {
    action: `Send this to the owner of ${backendOf(context)}.`,
    message: lines.map((line) => onOneLine(line, 600)).join('\n'),
  })
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function certificateFacts(certificate: CertificateRef | null): readonly string[] {
  if (certificate === null) return []
  const { subject, issuer, serial, sha256, notBefore, notAfter, authorityKeyId } = certificate
  return [
    `certificate: ${subject}`,
    `issued by: ${issuer}${authorityKeyId === null ? '' : ` (key id ${authorityKeyId})`}`,
    `serial ${serial}, SHA-256 ${sha256}`,
    `valid ${notBefore} to ${notAfter}`,
  ]
}

function listOf(facts: readonly string[]): readonly string[] {
  return facts.length === 0 ? [] : [...facts.map((fact) => `- ${fact}`), '']
}

/** One visit to the server is better than two. */
function alsoWrong(the: Case): readonly string[] {
  return furtherFaults(the)
    .slice(0, 8)
    .map(({ code, summary }) => `also wrong: ${code}: ${sentence(summary)}`)
}

/** What would refuse the backend as well, once the verdict's own fault is mended. */
export function furtherFaults({ findings, verdict }: Diagnosed): readonly Finding[] {
  return findings.filter(
    ({ severity, code, at }) => severity === 'fault' && (code !== verdict.code || at !== verdict.at),
  )
}

function servedFacts({ served }: Chain): readonly string[] {
  if (served.length === 0) return []
  const shown = served.slice(0, 10).map((element) => (element.malformed === null ? element.subject : 'unreadable'))
  return [`served: ${served.length} ${served.length === 1 ? 'certificate' : 'certificates'}: ${shown.join('; ')}`]
}

/** Of a fingerprint: what is not hexadecimal is not one, and goes nowhere near a command. */
export function hex(text: string): string {
  return text.replaceAll(/[^0-9A-Fa-f]/g, '').toUpperCase()
}

/** The names in evidence, where the judge put them. */
export function namesIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : []
}
