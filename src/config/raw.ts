import type { Path } from './document.ts'

/*
 * Reading values nobody has judged yet. The cross-checks look at the file as written, so that one fault does not hide
 * the next; whatever has the wrong type is simply absent here, because the schema reports it.
 */

export type RawRecord = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is RawRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function asRecord(value: unknown): RawRecord {
  return isRecord(value) ? value : {}
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function valueAt(raw: unknown, path: Path): unknown {
  let value = raw
  for (const step of path) value = typeof step === 'number' ? asList(value)[step] : ownValue(asRecord(value), step)
  return value
}

/** `targets.billing.tls.trust[0]`; names that would be misread are quoted: `targets["a.b"].url`. */
export function printPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z0-9_-]+$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

function ownValue(record: RawRecord, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
