import type { Collection } from './collection.ts'
import { logBudget, logExcerpt } from './log-lines.ts'
import { recordOf } from './found-request.ts'

/** A place that the gateway writes log lines to. */
export interface LogPlace {
  readonly format: string
  /** null: it is no file. */
  readonly path: string | null
  /** What it is instead; '' for a file. */
  readonly kind: string
}

export interface LogQuestion {
  /** null: no request is asked about, or its lines are nobody's here. */
  readonly requestId: string | null
  /** Around it events of the targets are told too; ms since the epoch. null: the newest ones. */
  readonly at: number | null
  readonly targets: readonly string[]
  readonly signal: AbortSignal
}

/** Milliseconds before and after the request. */
const around = 5000
/** I10: events of the targets that are told. */
const maxEvents = 200

/** @returns the records found, of all files */
export async function addLogFiles(
  into: Collection,
  logs: readonly LogPlace[],
  question: LogQuestion,
): Promise<readonly string[]> {
  const budget = logBudget()
  const { requestId, targets, signal } = question
  const needles = [
    ...(requestId === null ? [] : [requestId]),
    ...targets.map((name) => `"target":${JSON.stringify(name)}`),
  ]
  const all: string[] = []
  if (needles.length === 0) return all
  for (const [index, { format, path, kind }] of logs.entries()) {
    const name = `logs/${index + 1}-${format}.log`
    if (path === null) {
      into.lack(name, `this sink is ${kind} and no file; look for ${requestId ?? targets.join(', ')} there`)
      continue
    }
    let events = 0
    const wanted = (record: string): boolean => {
      if (requestId !== null && names(record, requestId)) return true
      if (!isEvent(record, question) || events === maxEvents) return false
      events++
      return true
    }
    const found = await into.attempt(name, () => logExcerpt(path, { needles, wanted, signal }, budget))
    if (found === null) continue
    if (found.records === 0) {
      const read = found.files.length === 0 ? 'there is no such file' : 'nothing in it is about the question'
      into.lack(name, found.stopped === '' ? read : `${read}, as far as it was read: ${found.stopped}`)
      continue
    }
    all.push(...found.text.split('\n'))
    const more = found.stopped === '' ? '' : ` There may be more: ${found.stopped}.`
    into.add({
      name,
      what: `Lines of the request, and events of its targets at that time, from the ${format} log.${more}`,
      source:
        found.files.length === 1 ? 'the log file' : `the log file and ${found.files.length - 1} that it was rotated to`,
      content: found.text,
      unmasked: true,
    })
  }
  return all
}

/** The id and not one that begins or ends with it: that is another request, and may be somebody else's. */
function names(record: string, id: string): boolean {
  for (let at = record.indexOf(id); at !== -1; at = record.indexOf(id, at + 1)) {
    if (!partOfId.test(record.charAt(at - 1)) && !partOfId.test(record.charAt(at + id.length))) return true
  }
  return false
}

const partOfId = /[A-Za-z0-9_-]/

/** Accesses of others go to the same targets, and are none of this question's. */
function isEvent(record: string, { at, targets }: LogQuestion): boolean {
  const fields = recordOf(record)
  if (fields === null || fields['type'] === 'access' || fields['type'] === 'request-failed') return false
  if (typeof fields['target'] !== 'string' || !targets.includes(fields['target'])) return false
  if (at === null) return true
  const time = typeof fields['time'] === 'string' ? Date.parse(fields['time']) : Number.NaN
  return Math.abs(time - at) <= around
}
