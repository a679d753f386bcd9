import type { AgentOptions } from 'node:https'
import { getCACertificates } from 'node:tls'
import type { TelemetryTlsPlan } from '../observer/plan.ts'

/** How a receiver of telemetry is verified, and what it is shown. A receiver is always verified. */
export function receiverTls(plan: TelemetryTlsPlan | null): AgentOptions {
  const { anchors = null, serverName = '', clientCertificate = null } = plan ?? {}
  return {
    ca: [...(anchors ?? systemAnchors())],
    // Said although it is the default: the default can be turned off from outside, by the environment.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(serverName === '' ? {} : { servername: serverName }),
    ...(clientCertificate === null ? {} : { cert: clientCertificate.chain, key: clientCertificate.key }),
  }
}

/** The system's; images without a store of their own have none, and the runtime's are what is left. */
function systemAnchors(): readonly string[] {
  const system = getCACertificates('system')
  return system.length > 0 ? system : getCACertificates('bundled')
}
