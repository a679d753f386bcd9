import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { messageOf } from '../../core/errors.ts'
import { writeZip } from '../../core/zip.ts'
import { ApiError } from '../api.ts'

/** A query that runs beside the call that asked for it. */
export interface QueryJob {
  readonly id: string
  readonly scope: string
  readonly name: string
  readonly created: number
  updated: number
  state: 'enqueued' | 'running' | 'completed' | 'failed'
  error: string
  rows: number
  /** A zip with one compressed file, as Edge has it. */
  result: Uint8Array | null
}

export interface QueryResult {
  readonly rows: readonly Readonly<Record<string, string>>[]
  readonly format: 'json' | 'csv'
}

/** I10: kept, their results in all, and those that have not ended. */
const limits = { jobs: 100, bytes: 16 * 1024 * 1024, waiting: 10 }

/** Queries in memory: they are gone with the process, or when newer ones need the room. */
export class QueryJobs {
  readonly #jobs = new Map<string, QueryJob>()
  readonly #clock: () => number
  #last: Promise<void> = Promise.resolve()

  constructor(clock: () => number) {
    this.#clock = clock
  }

  start(scope: string, name: string, work: () => Promise<QueryResult>): QueryJob {
    const open = [...this.#jobs.values()].filter(({ state }) => state === 'enqueued' || state === 'running')
    if (open.length >= limits.waiting) throw new ApiError(429, 'queries-busy', 'too many queries wait already')
    const now = this.#clock()
    const job: QueryJob = {
      id: randomUUID(),
      scope,
      name,
      created: now,
      updated: now,
      state: 'enqueued',
      error: '',
      rows: 0,
      result: null,
    }
    this.#jobs.set(job.id, job)
    // One after the other: a question may be large.
    this.#last = this.#last.then(() => this.#run(job, work))
    this.#prune()
    return job
  }

  get(scope: string, id: string): QueryJob | null {
    const job = this.#jobs.get(id)
    return job?.scope === scope ? job : null
  }

  list(scope: string): readonly QueryJob[] {
    return [...this.#jobs.values()].filter((job) => job.scope === scope).reverse()
  }

  async #run(job: QueryJob, work: () => Promise<QueryResult>): Promise<void> {
    job.state = 'running'
    try {
      const { rows, format } = await work()
      job.rows = rows.length
      job.result = await packed(job.id, textOf(rows, format), format)
      job.state = 'completed'
    } catch (error) {
      job.error = messageOf(error)
      job.state = 'failed'
    }
    job.updated = this.#clock()
    this.#prune()
  }

  #prune(): void {
    const size = (): number => [...this.#jobs.values()].reduce((sum, { result }) => sum + (result?.length ?? 0), 0)
    for (const job of this.#jobs.values()) {
      if (this.#jobs.size <= limits.jobs && size() <= limits.bytes) return
      if (job.state === 'completed' || job.state === 'failed') this.#jobs.delete(job.id)
    }
  }
}

const compress = promisify(gzip)

async function packed(id: string, text: string, format: string): Promise<Uint8Array> {
  return writeZip([[`QueryResults-${id}-000000000000.${format}.gz`, await compress(text)]])
}

function textOf(rows: QueryResult['rows'], format: QueryResult['format']): string {
  if (format === 'json') return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const names = Object.keys(rows[0] ?? {})
  const line = (cells: readonly string[]): string => `${cells.map(csvCell).join(',')}\n`
  return [line(names), ...rows.map((row) => line(names.map((name) => row[name] ?? '')))].join('')
}

/** RFC 4180. */
const csvCell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
