import { isIP } from 'node:net'
import type { ServerPlan, TargetTlsPlan, TlsVersion } from '../proxy/plan.ts'
import { verdictCodes } from '../verdict/codes.ts'
import { cipherSuiteName, opensslCipherName } from '../wire/tls/cipher-suites.ts'
import type { ProbeConnection } from './probe-connection.ts'
import type { ProbeFacts } from './types.ts'

/** Connects again with another offer; null where there is no connection left, or the offer cannot be made. */
export type AskAgain = (change: Partial<TargetTlsPlan>, timeoutMs: number) => Promise<ProbeConnection | null>

export const noFacts: ProbeFacts = {
  versions: null,
  ciphers: null,
  defaultCiphers: null,
  serverName: null,
  alpn: null,
}

/** For a question on a server that has answered before, and on one that has not. */
const answerMs = 2000
const silentMs = 1000

/** Asks what the first connection leaves open; nothing where it tells the cause. */
export async function settleFacts(
  server: ServerPlan,
  plan: TargetTlsPlan,
  first: ProbeConnection,
  ask: AskAgain,
): Promise<ProbeFacts> {
  switch (questionOf(first)) {
    case 'hello':
      return settleHello(server, plan, first, ask)
    case 'server-name':
      return { ...noFacts, serverName: await settleServerName(server, plan, ask, answerMs) }
    case 'alpn':
      return { ...noFacts, alpn: await settleAlpn(plan, ask) }
    case 'silence':
      return settleSilence(server, plan, ask)
    default:
      return noFacts
  }
}

type Question = 'none' | 'hello' | 'server-name' | 'alpn' | 'silence'

function questionOf({ fault, handshake }: ProbeConnection): Question {
  if (fault === null || fault.verdict === null || verdictCodes[fault.verdict].stage !== 'handshake') return 'none'
  // Who got to its certificate, or asked for ours, had nothing against the hello.
  if (handshake === null || handshake.certificateRequest !== null || handshake.served.length > 0) return 'none'
  if (handshake.plainProtocol !== null) return 'none'
  const alert = handshake.alerts.findLast(({ level }) => level !== 1)?.description
  if (alert === 112) return 'server-name'
  if (alert === 120) return 'alpn'
  if (fault.verdict === 'handshake-timeout') return handshake.firstBytes.length === 0 ? 'silence' : 'none'
  return 'hello'
}

/** Everything that the TLS library can offer to a server that proves itself by certificate. */
const suites13 = [0x1302, 0x1303, 0x1301, 0x1304, 0x1305].map(cipherSuiteName)
const widest = 'ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0'

function allCiphersBut(refused: readonly string[]): string {
  const without = refused.filter((name) => !suites13.includes(name)).map((name) => `!${opensslCipherName(name)}`)
  return [...suites13.filter((name) => !refused.includes(name)), ...without, widest].join(':')
}

/** The server refused the offer as a whole: is it the versions, the ciphers or the name? */
async function settleHello(
  server: ServerPlan,
  plan: TargetTlsPlan,
  first: ProbeConnection,
  ask: AskAgain,
): Promise<ProbeFacts> {
  const wide = await ask({ minVersion: 'TLSv1', maxVersion: 'TLSv1.3', ciphers: allCiphersBut([]) }, answerMs)
  const chosen = versionOf(wide)
  if (wide === null || chosen === null) {
    return { ...noFacts, serverName: await settleServerName(server, plan, ask, answerMs) }
  }
  const wanted = tlsVersions.slice(tlsVersions.indexOf(plan.minVersion), tlsVersions.indexOf(plan.maxVersion) + 1)
  // What a server chooses is the newest it has. Older ones are asked for one at a time, those that the target wants first.
  const older = tlsVersions.slice(0, tlsVersions.indexOf(chosen)).reverse()
  const accepted = new Map([[chosen, wide]])
  let versions: readonly string[] | null = null
  if (!wanted.includes(chosen)) {
    for (const version of [...older].sort(
      (one, other) => Number(wanted.includes(other)) - Number(wanted.includes(one)),
    )) {
      const answer = await ask({ minVersion: version, maxVersion: version, ciphers: allCiphersBut([]) }, answerMs)
      if (answer !== null && versionOf(answer) === version) accepted.set(version, answer)
    }
    versions = tlsVersions.filter((version) => accepted.has(version))
  }
  const common = wanted.findLast((version) => accepted.has(version))
  const answer = common === undefined ? undefined : accepted.get(common)
  if (common === undefined || answer === undefined || offered(first, answer)) return { ...noFacts, versions }
  return { ...noFacts, versions, ...(await settleCiphers(plan, common, answer, ask)) }
}

/** Which ciphers the server takes in a version that both sides speak: each answer names one, the next offer leaves it out. */
async function settleCiphers(
  plan: TargetTlsPlan,
  version: TlsVersion,
  first: ProbeConnection,
  ask: AskAgain,
): Promise<Pick<ProbeFacts, 'ciphers' | 'defaultCiphers'>> {
  const byDefault = plan.ciphers === null ? null : await ask({ ciphers: null }, answerMs)
  const ciphers = [cipherOf(first)]
  for (;;) {
    const answer = await ask({ minVersion: version, maxVersion: version, ciphers: allCiphersBut(ciphers) }, answerMs)
    const cipher = answer === null || versionOf(answer) !== version ? '' : cipherOf(answer)
    if (cipher === '' || ciphers.includes(cipher)) break
    ciphers.push(cipher)
  }
  return { ciphers, defaultCiphers: byDefault === null ? null : versionOf(byDefault) !== null }
}

/** Whether the server goes on with another name than the one that is sent: none, or one where none is sent. */
async function settleServerName(
  server: ServerPlan,
  plan: TargetTlsPlan,
  ask: AskAgain,
  timeoutMs: number,
): Promise<ProbeFacts['serverName']> {
  if (plan.serverName !== null) {
    const answer = await ask({ serverName: null }, timeoutMs)
    return answer === null ? null : { withName: false, withoutName: showsCertificate(answer), sameCertificate: false }
  }
  const name = [...plan.verifyNames, server.host].find((each) => isIP(each) === 0)
  if (name === undefined) return null
  const answer = await ask({ serverName: name }, timeoutMs)
  return answer === null ? null : { withName: showsCertificate(answer), withoutName: false, sameCertificate: false }
}

const commonProtocols = ['h2', 'http/1.1', 'http/1.0', 'mqtt', 'postgresql']

async function settleAlpn(plan: TargetTlsPlan, ask: AskAgain): Promise<readonly string[]> {
  const accepted: string[] = []
  for (;;) {
    const alpn = commonProtocols.filter((name) => !plan.alpn.includes(name) && !accepted.includes(name))
    const answer = alpn.length === 0 ? null : await ask({ alpn }, answerMs)
    const chosen = answer?.handshake?.alpn ?? null
    if (chosen === null || !alpn.includes(chosen)) return accepted
    accepted.push(chosen)
  }
}

/** Nothing came back at all. Boxes on the way drop hellos for the name in them, or for being of TLS 1.3. */
async function settleSilence(server: ServerPlan, plan: TargetTlsPlan, ask: AskAgain): Promise<ProbeFacts> {
  const [serverName, old] = await Promise.all([
    settleServerName(server, plan, ask, silentMs),
    plan.minVersion === 'TLSv1.3' || plan.maxVersion !== 'TLSv1.3' ? null : ask({ maxVersion: 'TLSv1.2' }, silentMs),
  ])
  const version = versionOf(old)
  return { ...noFacts, serverName, versions: version === null ? null : [version] }
}

/** The version that the server agreed to, whatever came of the connection afterwards. */
function versionOf(connection: ProbeConnection | null): TlsVersion | null {
  const version = connection?.handshake?.version
  return tlsVersions.find((each) => each === version) ?? null
}

function cipherOf({ handshake }: ProbeConnection): string {
  return handshake?.cipher ?? ''
}

function showsCertificate({ handshake }: ProbeConnection): boolean {
  return handshake !== null && handshake.served.length > 0
}

/** Whether the first hello had offered what the server now chose: then it was refused for something else. */
function offered({ hello }: ProbeConnection, answer: ProbeConnection): boolean {
  return hello?.ciphers.some((number) => cipherSuiteName(number) === cipherOf(answer)) ?? false
}

const tlsVersions: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
