import type { ServerPlan } from '../../src/proxy/plan.ts'

/** A server on loopback with short times; for what dials without a configuration. */
export function serverPlan(change: Partial<ServerPlan> & Pick<ServerPlan, 'port' | 'tls'>): ServerPlan {
  return {
    target: 'backend',
    name: 'backend',
    scheme: change.tls === null ? 'http' : 'https',
    host: '127.0.0.1',
    h2c: false,
    weight: 1,
    fallback: false,
    timeouts: {
      connectMs: 2000,
      handshakeMs: 2000,
      firstByteMs: 2000,
      bodyIdleMs: 2000,
      keepAliveMs: 2000,
      drainMs: 2000,
    },
    limits: { connections: 1, streams: 100, pending: 1, responseHeaderBytes: 4096 },
    dns: { servers: [], refreshMs: 30_000 },
    egress: null,
    authority: null,
    ...change,
  }
}
