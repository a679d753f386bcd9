import type { ConnectionStory, TlsStory } from '../dial/story.ts'
import type { RecordedStep } from '../observe/recording.ts'
import { faultCode } from '../faults/rendering.ts'
import type { EdgePair } from './edge-model.ts'
import { endpointOf, maybe } from './edge-variables.ts'

type Connected = Extract<RecordedStep, { type: 'connected' }>
type Failed = Pick<Extract<RecordedStep, { type: 'connect-failed' }>, 'fault' | 'story'>
type Flows = readonly (readonly EdgePair[])[]

/** What Edge and X tell of the connection that was used, then its story (`postern.*`). @param at ms since the epoch */
export function connectionFlows({ story, reused, uses }: Connected, at: number): Flows {
  return [
    targetVariables(story),
    endpointVariables(story, { reused, uses, at }),
    ...subjectVariables(story.tls),
    [['postern.connection.reused', String(reused)], ['postern.connection.uses', String(uses)], ...wayPairs(story)],
    ...tlsFlows(story.tls),
  ]
}

/** Why a try came to nothing, and how far it had come. */
export function failedTryFlows({ fault, story }: Failed): Flows {
  const failure: EdgePair[] = [
    ['postern.attempt.failed', faultCode(fault)],
    ['postern.attempt.kind', fault.kind],
    ['postern.attempt.party', fault.party],
    ['postern.attempt.summary', fault.summary],
  ]
  if (story === null) return [failure]
  const phase = maybe('postern.connection.phase', story.failure?.phase ?? '')
  return [targetVariables(story), [...failure, ...phase], wayPairs(story), ...tlsFlows(story.tls)]
}

function targetVariables(story: ConnectionStory): readonly EdgePair[] {
  const [address, port] = splitAddress(story.address)
  return [
    ['target.name', endpointOf(story.target)],
    ...maybe('target.host', story.dns?.host ?? story.tls?.offered.serverName ?? address),
    ...maybe('target.ip', address),
    ...maybe('target.port', port),
    ['target.ssl.enabled', String(story.tls !== null)],
  ]
}

/** As X has them, of a connection that was opened; of none they are absent, not false (apigee-edge.md 3.5). */
function endpointVariables(
  story: ConnectionStory,
  use: { readonly reused: boolean; readonly uses: number; readonly at: number },
): readonly EdgePair[] {
  const { tls } = story
  const name = `targetendpoint_${endpointOf(story.target)}`
  const chosen = tls?.chosen ?? null
  return [
    [`${name}.resolvedAddress`, story.address],
    [`${name}.connectionStatus`, 'CONNECTED'],
    [`${name}.isTlsEnabled`, String(tls !== null)],
    ...(chosen === null ? [] : maybe(`${name}.tlsHandshakeStatus`, 'COMPLETED')),
    ...maybe(`${name}.actualTargetTlsProtocol`, chosen?.version ?? ''),
    ...maybe(`${name}.actualTargetCipherSuite`, chosen?.cipher ?? ''),
    [`${name}.protocol`, chosen?.alpn === 'h2' ? 'HTTP/2.0' : 'HTTP/1.1'],
    [`${name}.transport`, 'NIO'],
    ...maybe(`${name}.totalConnectionTimeMs`, millis(story.connectMs)),
    ...maybe(`${name}.connectionTlsHandshakeTimeMs`, millis(tls?.ms ?? null)),
    [`${name}.socketUseCount`, String(use.uses)],
    [`${name}.socketAgeMs`, String(Math.max(0, Math.round(use.at - story.startedAt)))],
    [`${name}.isFromClientPool`, String(use.reused)],
  ]
}

const subjectNames: Readonly<Record<string, string>> = {
  CN: 'target.cn',
  O: 'target.organization',
  OU: 'target.organization.unit',
  C: 'target.country',
  ST: 'target.state',
  L: 'target.locality',
  EMAIL: 'target.email.address',
  EMAILADDRESS: 'target.email.address',
}

function subjectVariables(tls: TlsStory | null): Flows {
  const subject = tls?.chain[0]?.subject ?? ''
  // Commas and pluses that are not escaped part the attributes (RFC 4514).
  const pairs = subject.split(/(?<!\\)[,+\n]/).flatMap((part): readonly EdgePair[] => {
    const [, type = '', value = ''] = /^\s*([A-Za-z]+)=(.*)$/.exec(part) ?? []
    const name = subjectNames[type.toUpperCase()]
    return name === undefined ? [] : maybe(name, value.replace(/\\(.)/g, '$1'))
  })
  return [pairs]
}

function wayPairs(story: ConnectionStory): readonly EdgePair[] {
  const { dns } = story
  return [
    ['postern.connection.server', story.server],
    ...maybe('postern.dns.host', dns?.host ?? ''),
    ...maybe('postern.dns.addresses', dns?.addresses.join(' ') ?? ''),
    ...maybe('postern.dns.ms', millis(dns?.ms ?? null)),
    ...maybe('postern.dns.cached', dns === null ? '' : String(dns.cached)),
    ...maybe('postern.connect.attempts', story.attempts.map(attemptText).join('; ')),
    ...maybe('postern.connect.address', story.address),
    ...maybe('postern.connect.local', story.localAddress),
    ...maybe('postern.connect.via', story.via),
    ...maybe('postern.connect.ms', millis(story.connectMs)),
  ]
}

const attemptText = ({ address, ms, error }: ConnectionStory['attempts'][number]): string =>
  `${address} ${error === '' ? 'connected' : error} after ${millis(ms)} ms`

/** ClientHello, ServerHello, chain, and how it ended. */
function tlsFlows(tls: TlsStory | null): Flows {
  if (tls === null) return []
  const { offered, chosen, alert } = tls
  return [
    [
      ['postern.tls.verdict', tls.verdict],
      ['postern.tls.snapshot', tls.snapshot],
      ['postern.tls.resumed', String(tls.resumed)],
      ...maybe('postern.tls.ms', millis(tls.ms)),
      ...maybe('postern.tls.alert', alert === null ? '' : `${alert.name} (${alert.code}) from ${alert.from}`),
      ['postern.tls.clientCertificate.asked', String(tls.clientCertificateAsked)],
      ...maybe('postern.tls.skipped', tls.skipped.join(' ')),
      ['postern.tls.captured', String(tls.captured)],
    ],
    [
      ...maybe('postern.tls.offered.serverName', offered.serverName),
      ...maybe('postern.tls.offered.versions', offered.versions.join(' ')),
      ...maybe('postern.tls.offered.ciphers', offered.ciphers.join(' ')),
      ...maybe('postern.tls.offered.groups', offered.groups.join(' ')),
      ...maybe('postern.tls.offered.signatureAlgorithms', offered.signatureAlgorithms.join(' ')),
      ...maybe('postern.tls.offered.alpn', offered.alpn.join(' ')),
      ...maybe('postern.tls.offered.clientCertificate', offered.clientCertificate),
    ],
    [
      ...maybe('postern.tls.chosen.version', chosen?.version ?? ''),
      ...maybe('postern.tls.chosen.cipher', chosen?.cipher ?? ''),
      ...maybe('postern.tls.chosen.group', chosen?.group ?? ''),
      ...maybe('postern.tls.chosen.alpn', chosen?.alpn ?? ''),
    ],
    tls.chain.flatMap((certificate, at): readonly EdgePair[] => [
      [`postern.tls.chain.${at}.subject`, certificate.subject],
      [`postern.tls.chain.${at}.issuer`, certificate.issuer],
      [`postern.tls.chain.${at}.serialNumber`, certificate.serialNumber],
      [`postern.tls.chain.${at}.sha256`, certificate.sha256],
      [`postern.tls.chain.${at}.notBefore`, dateText(certificate.notBefore)],
      [`postern.tls.chain.${at}.notAfter`, dateText(certificate.notAfter)],
      ...maybe(`postern.tls.chain.${at}.names`, certificate.names.join(' ')),
    ]),
  ]
}

const millis = (ms: number | null): string => (ms === null ? '' : String(Math.round(ms)))

/** Certificates may say any date. */
const dateText = (at: number): string => (Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : '')

/** `IP:port`, an IPv6 address in brackets. */
function splitAddress(text: string): readonly [address: string, port: string] {
  const colon = text.lastIndexOf(':')
  return colon === -1 ? [text, ''] : [text.slice(0, colon).replace(/^\[|\]$/g, ''), text.slice(colon + 1)]
}
