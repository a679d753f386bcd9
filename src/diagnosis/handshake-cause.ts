import type { Party } from '../core/errors.ts'
import type { Fault } from '../faults/fault.ts'
import { alertName } from '../faults/tls-alerts.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { Probe } from './types.ts'

/** A probe whose first connection failed. */
export type FailedProbe = Probe & { readonly fault: Fault }

/** What a probe tells of why a handshake failed. */
export interface Cause {
  readonly code: VerdictCode
  /** Without one: whoever the code is usually for. */
  readonly party?: Party
  readonly why: string
  readonly evidence: Readonly<Record<string, unknown>>
}

/** The alert that ended the connection: what the runtime was told, else the last one in the bytes that is no goodbye. */
export function alertOf({ fault, handshake }: FailedProbe): number | null {
  const { alert } = fault.evidence
  if (typeof alert === 'number') return alert
  const fatal = (level: number): boolean => level !== 1 || fault.verdict === 'handshake-closed'
  return handshake?.alerts.findLast(({ level, description }) => description !== 0 && fatal(level))?.description ?? null
}

/** OpenSSL here refused what it received: the backend has not refused anything. */
export function isOurs({ evidence }: Fault): boolean {
  const { runtimeCode } = evidence
  return typeof runtimeCode === 'string' && /^ERR_(?:SSL|OSSL)_/.test(runtimeCode)
}

export function alertText(alert: number): string {
  const name = alertName(alert)
  return name === '' ? String(alert) : `${alert} (${name})`
}

export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'nothing'
  const shown = names.length > 8 ? [...names.slice(0, 6), `${names.length - 6} more`] : names
  return shown.length === 1 ? (shown[0] as string) : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) as string}`
}

/** What somebody else sent, safe to print: ASCII as it is, everything else escaped. */
export function printable(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^ -~]|["\\]/g, (character) => escapes[character] ?? `\\x${hex(character.charCodeAt(0))}`)
}

const escapes: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t', '"': '\\"', '\\': '\\\\' }

const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
