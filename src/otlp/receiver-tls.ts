import type { AgentOptions } from 'node:https'
import { createSecureContext, getCACertificates } from 'node:tls'
import type { TelemetryTlsPlan } from '../observer/plan.ts'

/** How a receiver of telemetry is verified, and what it is shown. A receiver is always verified. */
export function receiverTls(plan: TelemetryTlsPlan | null): AgentOptions {
  const { anchors = null, serverName = '', clientCertificate = null } = plan ?? {}
  return {
    // Made once: the system's anchors are many, and reading them for every connection would cost more than the handshake.
    secureContext: createSecureContext({
      ca: [...(anchors ?? systemAnchors())],
      minVersion: 'TLSv1.2',
      ...(clientCertificate === null ? {} : { cert: clientCertificate.chain, key: clientCertificate.key }),
    }),
    // Said although it is the default: the default can be turned off from outside, by the environment.
    rejectUnauthorized: true,
    ...(serverName === '' ? {} : { servername: serverName }),
  }
}

/** The system's; images without a store of their own have none, and the runtime's are what is left. */
function systemAnchors(): readonly string[] {
  const system = getCACertificates('system')
  return system.length > 0 ? system : getCACertificates('bundled')
}
