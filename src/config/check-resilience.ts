import type { Sink } from './check-tls.ts'
import type { Path } from './document.ts'
import { asList, isRecord, type RawRecord } from './raw.ts'
import { Duration, durationText } from './scalars.ts'
import { ejectionDefaults } from './schema-resilience.ts'

/** Health checks, ejection and retries that contradict themselves, or can have no effect. */
export function checkResilience(path: Path, target: RawRecord, sink: Sink): void {
  const { health, ejection, retries } = target
  if (isRecord(health)) checkHealth([...path, 'health'], health, sink)
  if (isRecord(ejection)) checkEjection([...path, 'ejection'], ejection, serverCount(target), sink)
  if (isRecord(retries)) checkRetries([...path, 'retries'], retries, sink)
}

function serverCount(target: RawRecord): number {
  return Object.hasOwn(target, 'servers') ? asList(target['servers']).length : 1
}

function checkHealth(path: Path, health: RawRecord, sink: Sink): void {
  const [tcp, http] = [Object.hasOwn(health, 'tcp'), Object.hasOwn(health, 'http')]
  if (tcp && http) {
    const message = 'a check is tcp or http; http opens a connection as well'
    sink.problem([...path, 'tcp'], message, 'http alone', 'key')
  } else if (!tcp && !http) {
    const instead = 'http: { path: /healthz }, or tcp: true where nothing can be asked'
    sink.problem(path, 'does not say what is checked', instead, 'key')
  }
}

function checkEjection(path: Path, ejection: RawRecord, count: number, sink: Sink): void {
  const base = durationOf(ejection['base'], ejectionDefaults.base)
  const max = durationOf(ejection['max'], ejectionDefaults.max)
  if (base !== null && max !== null && base > max) {
    const stated = Object.hasOwn(ejection, 'max') ? 'max' : 'base'
    sink.problem(
      [...path, stated],
      `the first time, ${durationText(base)}, is longer than the longest, ${durationText(max)}`,
      'max of at least base',
    )
  }
  const percent = ejection['maxPercent'] ?? ejectionDefaults.maxPercent
  if (typeof percent === 'number' && percent > 0 && count > 0 && Math.floor((count * percent) / 100) === 0) {
    const servers = count === 1 ? 'one server' : `${count} servers`
    const message = `${percent} percent of ${servers} is none, so none is ever left out`
    sink.warning(path, message, 'more servers, or a higher maxPercent', 'key')
  }
}

function checkRetries(path: Path, retries: RawRecord, sink: Sink): void {
  const { on, statuses, attempts } = retries
  if (!Array.isArray(on) || on.length > 0 || asList(statuses).length > 0 || attempts === 0) return
  sink.problem([...path, 'on'], 'names no cause, so nothing is tried again', 'causes, statuses, or no retries')
}

/** Milliseconds; null for what the schema refuses. */
function durationOf(value: unknown, fallback: number): number | null {
  if (value === undefined) return fallback
  const parsed = Duration.safeParse(value)
  return parsed.success ? parsed.data : null
}
