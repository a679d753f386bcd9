import type { PosternEvent, RequestRef } from './events.ts'
import type { EventLevel } from './event-level.ts'

import { apimError, apimTable } from '../faults/apim.ts'
import { faultCode } from '../faults/rendering.ts'
import { describeEvent } from './event-text.ts'

/** An event in the self-hosted gateway's vocabulary. Text and JSON form order these parts differently. */
export interface ApimEvent {
  readonly level: EventLevel
  readonly eventType: string
  readonly source: string
  readonly message?: string
  readonly failure?: ApimFailure
  /** Ours; always after the vendor's. */
  readonly own: readonly (readonly [name: string, value: string | number])[]
}

/** What only `FailedToProcessRequest` has. */
export interface ApimFailure {
  readonly request: RequestRef
  readonly exception: string
  /** Lines of the original's stack, for `multiline`. */
  readonly stack: readonly string[]
  readonly transportError: number
}

/** null where neither the original nor an operator has a use for a line. */
export function apimEvent(event: PosternEvent): ApimEvent | null {
  switch (event.type) {
    case 'dns-resolution':
      return {
        level: 'info',
        eventType: 'DnsResolutionScheduled',
        message: event.host,
        source: 'RoundRobinNameResolver',
        own: connectionFields(event),
      }
    case 'tls-offered':
      return {
        level: 'info',
        eventType: 'OutgoingTlsProtocolsSet',
        message: event.versions.map(dotnetProtocol).join(', '),
        source: 'TcpChannelFactory',
        own: connectionFields(event),
      }
    case 'certificate-presented': {
      const { leaf } = event
      return {
        level: 'info',
        eventType: 'CertificateInfoVerificationScheduled',
        message: `thumbprint: ${leaf.thumbprint}, subjectName: ${leaf.subjectWindows} (CRL URLs: ${leaf.crlUrls.join(', ')}; AIA URLs: ${leaf.aiaUrls.join(', ')})`,
        source: '',
        own: [
          ['issuer', leaf.issuer],
          ['notAfter', new Date(leaf.notAfter).toISOString()],
          ['sha256', leaf.sha256],
          ...connectionFields(event),
        ],
      }
    }
    case 'request-failed':
      return requestFailed(event)
    case 'generation-committed':
      // The first one is what the original calls the end of its initial synchronisation.
      return event.generation === 1
        ? {
            level: 'info',
            eventType: 'ConfigInitialSyncCompleted',
            source: 'ConfigurationRepositoryProvider',
            own: [['generation', 1]],
          }
        : plain(event)
    case 'handshake':
      // The certificate event before and the request's lines after say it; the original has no line for it either.
      return null
    case 'diagnosed':
    case 'pool-retired':
    case 'server-health':
    case 'server-ejected':
    case 'breaker':
    case 'alert-fired':
    case 'alert-resolved':
    case 'generation-refused':
    case 'trust-changed':
    case 'trust-refused':
    case 'warning':
    case 'exception-in-force':
    case 'listening':
    case 'worker-died':
    case 'draining':
    case 'stopped':
      return plain(event)
    default:
      return event satisfies never
  }
}

function requestFailed(event: Extract<PosternEvent, { type: 'request-failed' }>): ApimEvent {
  const { fault } = event
  const error = apimError(fault, { address: event.remoteAddress, target: event.target })
  const type = apimTable[fault.kind].exception
  const snapshot = fault.evidence['snapshot']
  return {
    level: 'warn',
    eventType: 'FailedToProcessRequest',
    source: error.source,
    message: error.message,
    failure: {
      request: event.request,
      exception: `${type}: ${error.message}`,
      stack: type === apimTable['tls-untrusted'].exception ? handshakeStack : [],
      transportError: error.transportErrorCode ?? 0,
    },
    own: [
      ['verdict', faultCode(fault)],
      ['party', fault.party],
      ['summary', fault.summary],
      ['target', event.target],
      ...(typeof snapshot === 'string' ? ([['trustVersion', snapshot]] as const) : []),
    ],
  }
}

const handshakeStack = [
  'at System.Net.Security.SslStream.SendAuthResetSignal(ReadOnlySpan`1 alert, ExceptionDispatchInfo exception)',
  'at System.Net.Security.SslStream.CompleteHandshake(SslAuthenticationOptions sslAuthenticationOptions)',
]

/** An event of ours without a counterpart: our name in the original's spelling, and who speaks. */
function plain(event: PosternEvent): ApimEvent {
  const { level, message } = describeEvent(event)
  const eventType = event.type.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return { level, eventType, message, source: 'postern', own: [] }
}

function connectionFields(event: { target: string; request: RequestRef | null }): readonly [string, string][] {
  const target: [string, string] = ['target', event.target]
  return event.request === null ? [target] : [['correlationId', event.request.id], target]
}

/** .NET's names of the versions: `Tls` is 1.0. */
function dotnetProtocol(version: string): string {
  return version === 'TLSv1' ? 'Tls' : version.replace('TLSv', 'Tls').replace('.', '')
}
