import { type Finding, finding } from './finding.ts'
import type { SourceEntry } from './source.ts'

const soonMs = 30 * 24 * 60 * 60 * 1000

/** What the dates of a certificate say at `now`. */
export function validity(entry: SourceEntry, now: number): Finding[] {
  const { notBefore, notAfter } = entry.certificate
  const day = (time: number): string => new Date(time).toISOString()
  if (now < notBefore) return [finding('not-yet-valid', 'error', entry, `is not valid before ${day(notBefore)}`)]
  // OpenSSL checks the dates of anchors too, so nothing under an expired root verifies.
  if (now > notAfter) return [finding('expired', 'error', entry, `expired on ${day(notAfter)}`)]
  if (notAfter - now < soonMs) return [finding('expires-soon', 'warning', entry, `expires on ${day(notAfter)}`)]
  return []
}
