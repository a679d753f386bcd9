export type EventLevel = 'verbose' | 'info' | 'warn' | 'error'

/** What of an event its level hangs on; of an event itself, or of a line that tells one. */
export interface LevelledEvent {
  readonly type: string
  readonly verdict?: unknown
  readonly healthy?: unknown
  readonly state?: unknown
}

/** Whether somebody has to act on an event: one answer for every format, and for every receiver of lines. */
export function eventLevel({ type, verdict, healthy, state }: LevelledEvent): EventLevel {
  switch (type) {
    case 'worker-died':
      return 'error'
    case 'handshake':
      return verdict === 'trusted' ? 'verbose' : 'warn'
    case 'server-health':
      return healthy === true ? 'info' : 'warn'
    case 'breaker':
      return state === 'open' ? 'warn' : 'info'
    default:
      return calm.has(type) ? 'info' : 'warn'
  }
}

const calm: ReadonlySet<string> = new Set([
  'dns-resolution',
  'tls-offered',
  'certificate-presented',
  'pool-retired',
  'alert-resolved',
  'generation-committed',
  'trust-changed',
  'listening',
  'draining',
  'stopped',
])
