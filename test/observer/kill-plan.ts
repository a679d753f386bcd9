import type { ObserverPlan } from '../../src/observer/protocol.ts'

export function planOf(file: string): ObserverPlan {
  const day = 86_400_000
  return {
    resource: { organization: 'acme', environment: 'test', region: '', hostName: 'gw', version: '1', instance: 'one' },
    monitoring: { file, minutesMs: 7 * day, hoursMs: 30 * day, daysMs: 365 * day, maxBytes: 64 * 1024 * 1024 },
    otlp: null,
    outlets: [],
  }
}
