import { codeOf, type Party } from '../core/errors.ts'
import { verdictCodes } from './codes.ts'
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
}

interface Parts {
  readonly party?: Party
  readonly action: string
  /** Called for its commands; what cannot be quoted leaves the remedy without any. */
  readonly commands?: () => readonly string[]
  readonly risk?: string
  readonly message?: string
}

/** Every remedy is made here, so that what names a command cannot show takes away the commands and not the advice. */
export function remedy(kind: RemedyKind, parts: Parts): Remedy {
  const { action, risk = '', message = '' } = parts
  const party = parts.party ?? (kind === 'backend-chain' || kind === 'owner-message' ? 'backend' : 'gateway')
  return { kind, party, action, commands: runnable(parts.commands), risk, message }
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
export function backendOf({ target, host, port }: RemedyContext): string {
  return target === null
    ? onOneLine(hostPort(host, port))
    : `${onOneLine(target.name)} (${onOneLine(hostPort(host, port))})`
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
  return [`${context.posternCommand} config set -c ${shellWord(context.configFile)} ${words.map(shellWord).join(' ')}`]
}

/** Path of a TLS setting of the target at hand. */
export function tlsPath(context: RemedyContext, setting: string): string {
  return configPath('targets', context.target?.name ?? '', 'tls', setting)
}

/** Words that tell `postern trust` where the missing certificate is to be taken from. Throws as `shellWord` does. */
export function takenFrom({ missing, target, configFile, host, port, serverName }: RemedyContext): string {
  if (missing === null) return ''
  if (missing.file !== null) return `--file ${shellWord(missing.file)}`
  if (missing.url !== null) return `--url ${shellWord(missing.url)}`
  if (missing.from === 'known') return '--known'
  if (target !== null && configFile !== null) return `--from ${shellWord(target.name)}`
  const name = serverName === null || serverName === host ? '' : ` --server-name ${shellWord(serverName)}`
  return `--from ${shellWord(hostPort(host, port))}${name}`
}

/** `postern trust export ... > FILE`: the certificate as PEM, exactly that one. */
export function exportTo(context: RemedyContext, sha256: string, file: string): string {
  const from = takenFrom(context)
  const needsConfig = from.startsWith('--from') || from === '--known'
  const config = needsConfig && context.configFile !== null ? ` -c ${shellWord(context.configFile)}` : ''
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

/**
 * The last resort, graded: one check of one target, with an owner, a reason and an end. Never for what no exception can
 * make right (a signature that does not match, a revoked certificate).
 */
export function exception(context: RemedyContext, skip: 'chain' | 'name', code: string): readonly Remedy[] {
  const { target } = context
  if (target === null || context.configFile === null) return []
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
        `OWNER="\${OWNER:?who answers for it}"; ${context.posternCommand} config set -c ${shellWord(context.configFile ?? '')} ${shellWord(`${tlsPath(context, 'exceptions')}[+]`)} ${doubleQuoted(entry)}`,
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
  const where = hostPort(context.host, context.port)
  const lines = [
    `Subject: TLS of ${where}: ${verdict.code}`,
    '',
    `Our gateway connects to ${where}${context.serverName === null ? '' : ` as ${context.serverName}`} and ${verdict.stage === 'chain' || verdict.stage === 'identity' ? 'cannot accept what it is shown' : 'gets no further'}:`,
    sentence(verdict.summary),
    '',
    ...[...certificateFacts(verdict.certificate), ...facts, ...servedFacts(the.chain), ...furtherFaults(the)].map(
      (fact) => `- ${fact}`,
    ),
    '',
    wish,
    '',
    ...runnable(() => [`To see it: ${opensslCommand(context)}`]),
    `Seen at ${new Date(context.now).toISOString()}. ${verdict.code}: ${verdictCodes[verdict.code].summary}`,
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

/** One visit to the server is better than two. */
function furtherFaults({ findings, verdict }: Case): readonly string[] {
  const others = findings.filter(
    ({ severity, code, at }) => severity === 'fault' && (code !== verdict.code || at !== verdict.at),
  )
  return others.slice(0, 8).map(({ code, summary }) => `also wrong: ${code}: ${summary}`)
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
