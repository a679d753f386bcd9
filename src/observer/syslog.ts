import { connect, isIP } from 'node:net'
import tls, { checkServerIdentity } from 'node:tls'
import type { Outlet } from './outlet.ts'
import type { OutletPlan } from './plan.ts'
import type { ObserverPlan } from './protocol.ts'

import { PosternError } from '../core/errors.ts'
import { SyslogDatagrams } from './syslog-datagrams.ts'
import { createSyslogFormatter } from './syslog-message.ts'
import { type SyslogHooks, type SyslogLimits, syslogLimits } from './syslog-outage.ts'
import { SyslogStream } from './syslog-stream.ts'

export type SyslogPlan = Extract<OutletPlan, { kind: 'syslog' }>

/**
 * Lines as RFC 5424 messages, one each, to a server that may be away: it is connected to again and again, and what it does
 * not take is dropped and counted (I10). What is lost on the way is known only in part; see the transports.
 */
export function openSyslog(
  plan: SyslogPlan,
  resource: ObserverPlan['resource'],
  hooks: SyslogHooks,
  limits: Partial<SyslogLimits> = {},
): Outlet {
  const { transport, host, port } = plan
  const options = {
    place: placeOf(plan),
    hooks,
    limits: { ...syslogLimits, ...limits },
    format: createSyslogFormatter({
      facility: plan.facility,
      hostName: resource.hostName,
      appName: plan.appName,
      procId: String(process.pid),
      enterprise: plan.enterprise ?? null,
    }),
  }
  switch (transport) {
    case 'udp':
      return new SyslogDatagrams({ ...options, host, port })
    case 'tcp':
      return new SyslogStream({ ...options, connect: (ready) => connect({ host, port }, ready) })
    case 'unix':
      return new SyslogStream({ ...options, connect: (ready) => connect({ path: host }, ready) })
    case 'tls':
      return new SyslogStream({ ...options, connect: tlsConnector(plan) })
    default:
      return transport satisfies never
  }
}

function placeOf({ transport, host, port }: SyslogPlan): string {
  if (transport === 'unix') return `unix:${host}`
  return `${transport}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

function tlsConnector({ host, port, tls: receiver }: SyslogPlan): (ready: () => void) => tls.TLSSocket {
  const name = receiver?.serverName || host
  const identity = receiver?.clientCertificate ?? null
  const secureContext = tls.createSecureContext({
    ca: [...(receiver?.anchors ?? tls.getCACertificates('system'))],
    minVersion: 'TLSv1.2',
    ...(identity === null ? {} : { cert: identity.chain, key: identity.key }),
  })
  return (ready) => {
    let mismatch: Error | undefined
    const socket = tls.connect({
      host,
      port,
      secureContext,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      checkServerIdentity: (_host, certificate) => (mismatch = checkServerIdentity(name, certificate)),
    })
    socket.once('secureConnect', () => {
      // The environment can switch the runtime's own refusal off; nothing is sent to who is not verified all the same.
      if (socket.authorized) return ready()
      const why = mismatch?.message ?? String(socket.authorizationError)
      socket.destroy(new PosternError('syslog-unverified', `certificate not verified: ${why}`))
    })
    return socket
  }
}
