import { crossCheck } from './cross-checks.ts'
import { type ConfigDocument, type Draft, readDocument } from './document.ts'
import { printPath } from './raw.ts'
import { type Config, ConfigSchema } from './schema.ts'
import { type PlacedDraft, schemaProblems } from './schema-problems.ts'

/** One fault of a configuration file: where it is, what was found, and what to write instead. */
export interface ConfigProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** `targets.billing.tls.trust[0]`; '' for the file as a whole. */
  readonly path: string
  readonly message: string
  readonly instead: string
}

export type ParseResult =
  | {
      readonly ok: true
      readonly config: Config
      readonly warnings: readonly ConfigProblem[]
      /** Turns a fault found later (an unreadable certificate) into a problem with its place in the file. */
      readonly place: (draft: Draft & { readonly of?: 'key' | 'value' }) => ConfigProblem
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[]; readonly warnings: readonly ConfigProblem[] }

export interface ParseOptions {
  /** Decides which exceptions have ended; milliseconds since the epoch. */
  readonly now?: number
}

/** A file of 10,000 proxies has about 2 MiB; what is larger is not a configuration, and reading it is not bounded (I10). */
export const maxConfigBytes = 4 * 1024 * 1024

/**
 * Reads a configuration: every fault at once, each with its place. Touches neither files nor environment: certificates
 * are read by `resolveConfig`.
 */
export function parseConfig(text: string, fileName: string, options: ParseOptions = {}): ParseResult {
  if (Buffer.byteLength(text) > maxConfigBytes) {
    return refused(
      fileName,
      'the file is larger than 4 MiB',
      'a smaller file; certificates can stay in files of their own',
    )
  }
  const read = readDocument(text)
  if (!read.ok) {
    const problems = read.faults.map(({ path, ...fault }) => ({ file: fileName, ...fault, path: printPath(path) }))
    return { ok: false, problems: inFileOrder(problems), warnings: [] }
  }
  const { document } = read
  const place = placer(document, fileName)
  const parsed = ConfigSchema.safeParse(document.raw)
  const checked = crossCheck(document.raw, options.now ?? Date.now())
  const warnings = inFileOrder(checked.warnings.map(place))
  const drafts: PlacedDraft[] = [
    ...(parsed.error ? schemaProblems(document.raw, parsed.error.issues) : []),
    ...checked.problems,
  ]
  if (!parsed.success || drafts.length > 0) return { ok: false, problems: inFileOrder(drafts.map(place)), warnings }
  return { ok: true, config: parsed.data, warnings, place }
}

/** A refusal of the file as a whole. */
export function refused(
  file: string,
  message: string,
  instead: string,
): { ok: false; problems: ConfigProblem[]; warnings: [] } {
  return { ok: false, problems: [{ file, line: 1, column: 1, path: '', message, instead }], warnings: [] }
}

/** `postern.yaml:12:5  targets.billing.url  is missing: a URL`, and on a second line what to write instead. */
export function formatProblem(problem: ConfigProblem): string {
  const place = `${problem.file}:${problem.line}:${problem.column}`
  const instead = problem.instead === '' ? '' : `\n  instead: ${problem.instead.replaceAll('\n', '\n           ')}`
  return `${place}  ${problem.path === '' ? '' : `${problem.path}  `}${problem.message}${instead}`
}

function placer(
  document: ConfigDocument,
  file: string,
): (draft: Draft & { readonly of?: 'key' | 'value' }) => ConfigProblem {
  return ({ path, message, instead, of = 'value' }) => ({
    file,
    ...document.positionOf(path, of),
    path: printPath(path),
    message,
    instead,
  })
}

function inFileOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column)
}
