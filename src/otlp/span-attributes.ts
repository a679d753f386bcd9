import type { CertificateFacts, TlsStory } from '../dial/story.ts'
import type { RecordedFault, RecordedTransaction } from '../observe/recording.ts'

import { knownMethods } from '../observe/known-methods.ts'
import { jsonSafe } from '../observe/line-safe.ts'
import { type AttributeValue, isoTime } from './messages.ts'
import { hostPort, httpVersion, tlsVersion, urlParts } from './places.ts'
import { redactPath, redactQuery } from './redact.ts'

/*
 * Attributes by the semantic conventions of OpenTelemetry (HTTP and network: stable; TLS: in development), and ours under
 * `postern.`.
 */

type Values = Readonly<Record<string, AttributeValue>>

/** A method for the name of a span. */
export function methodName(method: string): string {
  return knownMethods.has(method) ? method : 'HTTP'
}

export function methodAttributes(method: string): Values {
  if (knownMethods.has(method)) return { 'http.request.method': method }
  return { 'http.request.method': '_OTHER', 'http.request.method_original': method }
}

/** Of the request as it came from the client. */
export function serverAttributes(transaction: RecordedTransaction): Values {
  const { client, proxy, backend, fault, status, host } = transaction
  const url = urlParts(transaction.uri)
  const scheme = client.tls === '' ? 'http' : 'https'
  const server = hostPort(url.authority === '' ? host : url.authority)
  const sent = transaction.steps.findLast((step) => step.type === 'response-sent')
  const chosen = transaction.steps.findLast((step) => step.type === 'server-chosen')
  return {
    ...methodAttributes(transaction.method),
    'url.path': transaction.uri === '' ? null : redactPath(url.path),
    'url.query': redactQuery(url.query),
    'url.scheme': scheme,
    'http.route': proxy?.basePath,
    'http.response.status_code': status === 0 ? null : status,
    'server.address': server.host,
    'server.port': server.host === '' ? null : (server.port ?? (scheme === 'https' ? 443 : 80)),
    'client.address': client.address,
    'network.peer.address': client.address,
    'network.peer.port': client.address === '' ? null : client.port,
    'network.protocol.version': httpVersion(client.protocol),
    'tls.protocol.version': tlsVersion(client.tls),
    'postern.request.id': transaction.id,
    'postern.organization': proxy?.organization,
    'postern.environment': proxy?.environment,
    'postern.proxy': proxy?.name,
    'postern.revision': proxy?.revision,
    'postern.listener': transaction.listener,
    'postern.worker': transaction.worker,
    'postern.target': backend?.target ?? chosen?.target,
    'postern.server': chosen?.server,
    ...(fault === null ? {} : faultAttributes(fault)),
    'postern.fault.code': sent?.code,
    'postern.fault.source': sent?.source,
  }
}

export function faultAttributes({ kind, verdict, party }: RecordedFault): Values {
  return { 'postern.fault.kind': kind, 'postern.verdict': verdict, 'postern.party': party }
}

/** More evidence than this helps nobody in a span (I10). */
const maxEvidence = 4000

/** Of the event `fault`. */
export function faultEventAttributes(fault: RecordedFault): Values {
  const evidence = jsonSafe(withoutTimings(fault.evidence))
  return {
    ...faultAttributes(fault),
    'postern.fault.summary': fault.summary,
    'postern.fault.evidence': evidence === '{}' || evidence.length > maxEvidence ? '' : evidence,
  }
}

/** What a class of failures is called: the verdict where a backend was judged, else the kind. */
export function errorType({ verdict, kind }: { readonly verdict: string | null; readonly kind: string }): string {
  return verdict ?? kind
}

/** Of the handshake with a backend. */
export function tlsAttributes(tls: TlsStory): Values {
  const { chosen, offered, chain, alert } = tls
  return {
    'tls.protocol.name': 'tls',
    'tls.protocol.version': tlsVersion(chosen?.version ?? ''),
    'tls.cipher': chosen?.cipher,
    'tls.curve': chosen?.group,
    'tls.next_protocol': chosen?.alpn,
    'tls.resumed': tls.resumed,
    'tls.established': tls.verdict === 'trusted',
    'tls.client.server_name': offered.serverName,
    'server.address': offered.serverName,
    ...(chain[0] === undefined ? {} : leafAttributes(chain[0])),
    'postern.tls.chain_length': chain.length === 0 ? null : chain.length,
    'postern.tls.client_certificate': offered.clientCertificate,
    'postern.tls.client_certificate_asked': tls.clientCertificateAsked ? true : null,
    'postern.tls.alert': alert?.name,
    'postern.tls.alert_from': alert?.from,
    'postern.tls.skipped': tls.skipped,
    'postern.trust.snapshot': tls.snapshot,
    'postern.verdict': tls.verdict,
  }
}

function leafAttributes(leaf: CertificateFacts): Values {
  return {
    // The conventions want it in upper case, without colons.
    'tls.server.hash.sha256': leaf.sha256.replaceAll(':', '').toUpperCase(),
    'tls.server.subject': leaf.subject,
    'tls.server.issuer': leaf.issuer,
    'tls.server.not_before': isoTime(leaf.notBefore),
    'tls.server.not_after': isoTime(leaf.notAfter),
  }
}

/** The spans beside it say them. */
function withoutTimings({ timings: _timings, ...rest }: RecordedFault['evidence']): RecordedFault['evidence'] {
  return rest
}
