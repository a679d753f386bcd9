import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { type ConfigProblem, maxConfigBytes, parseConfig } from '../../config/load.ts'
import { replaceFile } from '../../config/replace-file.ts'
import { codeOf, messageOf, PosternError } from '../../core/errors.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'

const Problem = z
  .object({
    path: z.string().meta({ description: 'In the configuration; of a stored object, its name.' }),
    line: z.number(),
    column: z.number(),
    message: z.string(),
    instead: z.string().meta({ description: 'What would be good there; empty where that cannot be said.' }),
  })
  .meta({ id: 'ConfigProblem' })

const Facts = z.object({
  etag: z.string().meta({ description: 'Of the file as it is on disk; what If-Match of a PUT must say.' }),
  generation: z.number(),
  inForce: z.boolean().meta({ description: 'The file on disk is what runs.' }),
  lastRefusal: z.string().meta({ description: 'Why the file, or what it names, is not what runs; empty when it is.' }),
})

const Config = Facts.extend({
  config: z
    .record(z.string(), z.unknown())
    .nullable()
    .meta({ description: 'As parsed, defaults filled in; null where the file cannot be parsed.' }),
}).meta({ id: 'Config' })

const Validation = z
  .object({ ok: z.boolean(), problems: z.array(Problem), warnings: z.array(Problem) })
  .meta({ id: 'ConfigValidation' })

const Applied = Facts.extend({ changed: z.boolean() }).meta({ id: 'ConfigApplied' })

const Format = z.object({
  format: z.enum(['text', 'json']).optional().meta({ description: 'Default: the text of the file as it is.' }),
})

const bodyType = 'application/yaml'
const Text = z.string().meta({ description: 'YAML or JSON, as the file holds it.' })

/** The configuration file over HTTP: read, tried, and replaced under a precondition (RFC 9110 section 13). */
export function configRoutes(gateway: NativeGateway): readonly ApiRoute[] {
  // One change at a time: each is checked against the file that the one before left.
  let turn: Promise<unknown> = Promise.resolve()
  return [
    {
      method: 'GET',
      path: '/api/config',
      role: 'operator',
      doc: {
        summary: 'The configuration file, as text or parsed, and whether it is in force',
        query: Format,
        answer: Config,
        answerTypes: { [bodyType]: Text },
      },
      async handle(call) {
        const format = call.query.get('format') ?? 'text'
        if (format !== 'text' && format !== 'json') throw new ApiError(400, 'bad-query', 'format is text or json')
        const bytes = await fileOf(gateway)
        const facts = factsOf(gateway, bytes)
        if (format === 'json') return json(200, { ...facts, config: parsedOf(gateway, bytes) })
        return {
          status: 200,
          bytes,
          type: bodyType,
          headers: {
            etag: facts.etag,
            'postern-generation': String(facts.generation),
            'postern-in-force': String(facts.inForce),
          },
        }
      },
    },
    {
      method: 'GET',
      path: '/api/config/last-good',
      role: 'operator',
      doc: { summary: 'The text of the configuration that runs', answerTypes: { [bodyType]: Text } },
      async handle() {
        const bytes = Buffer.from(gateway.resolved.text)
        return { status: 200, bytes, type: bodyType, headers: { etag: etagOf(bytes) } }
      },
    },
    {
      method: 'POST',
      path: '/api/config/validate',
      // As for a change: whoever has files of their choice read learns what is there.
      role: 'admin',
      operation: 'VALIDATE',
      maxBody: maxConfigBytes,
      doc: {
        summary: 'What `serve` would say of a configuration in the place of the file; nothing is changed',
        body: Text,
        bodyTypes: [bodyType, 'application/json'],
        answer: Validation,
      },
      async handle(call) {
        const resolved = await resolvedText(gateway, await textOf(call))
        const problems = resolved.ok ? [] : resolved.problems
        return json(200, { ok: resolved.ok, problems: shown(problems), warnings: shown(resolved.warnings) })
      },
    },
    {
      method: 'PUT',
      path: '/api/config',
      role: 'admin',
      maxBody: maxConfigBytes,
      doc: {
        summary: 'Replace the configuration file and take it up; whatever is wrong with it leaves everything as it was',
        body: Text,
        bodyTypes: [bodyType, 'application/json'],
        answer: Applied,
        headers: { 'If-Match': 'The ETag of GET /api/config.' },
        errors: {
          412: 'The file was changed meanwhile.',
          422: 'It cannot run; `problems` says why.',
          428: 'If-Match is missing.',
        },
      },
      handle(call) {
        const work = turn.then(() => apply(gateway, call))
        turn = work.catch(() => {})
        return work
      },
    },
  ]
}

async function apply(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const condition = call.headers['if-match']
  if (condition === undefined) {
    throw new ApiError(428, 'precondition-required', 'If-Match is missing: the ETag of GET /api/config')
  }
  const before = await fileOf(gateway)
  const etag = etagOf(before)
  if (!matches(condition, etag)) throw changedMeanwhile(etag)
  const text = await textOf(call)
  const resolved = await resolvedText(gateway, text)
  if (!resolved.ok) throw refused(resolved.problems)
  await replaced(gateway, text, before)
  await gateway.reload()
  if (gateway.lastRefusal === '' && gateway.resolved.text === text) {
    const after = Buffer.from(text)
    const facts = factsOf(gateway, after)
    return { ...json(200, { ...facts, changed: !after.equals(before) }), headers: { etag: facts.etag } }
  }
  const why = gateway.lastRefusal || 'the file was changed by somebody else while it was being taken up'
  await replaceFile(gateway.configFile, before.toString('utf8'), Buffer.from(text)).catch((error: unknown) => {
    // Somebody else has written it since: what they wrote stays.
    if (codeOf(error) !== 'file-changed') throw error
  })
  await gateway.reload()
  throw new ApiError(422, 'config-refused', `the workers did not take it up, and the file is as it was: ${why}`, {
    problems: why.split('\n').map((message) => ({ path: '', line: 1, column: 1, message, instead: '' })),
  })
}

async function replaced(gateway: NativeGateway, text: string, before: Buffer): Promise<void> {
  try {
    await replaceFile(gateway.configFile, text, before)
  } catch (error) {
    if (codeOf(error) === 'file-changed') throw changedMeanwhile(etagOf(await fileOf(gateway)))
    if (!(error instanceof PosternError)) throw error
    // Where it lies is nothing to a client; that it cannot be written is.
    throw new ApiError(
      409,
      'config-unwritable',
      `the configuration ${messageOf(error).replace(gateway.configFile, 'file')}`,
      {},
      error,
    )
  }
}

const changedMeanwhile = (etag: string): ApiError =>
  new ApiError(412, 'precondition-failed', 'the configuration file is another one than If-Match says', { etag })

function refused(problems: readonly ConfigProblem[]): ApiError {
  const [first] = problems
  const where = first === undefined || first.path === '' ? '' : `${first.path}: `
  return new ApiError(422, 'config-refused', `${where}${first?.message ?? 'it cannot run'}`, {
    problems: shown(problems),
  })
}

/** I10. */
const maxProblems = 200

/** Without the path of the file, which is none of a client's business. */
function shown(problems: readonly ConfigProblem[]): z.output<typeof Problem>[] {
  return problems.slice(0, maxProblems).map(({ path, line, column, message, instead }) => {
    return { path, line, column, message, instead }
  })
}

async function resolvedText(gateway: NativeGateway, text: string) {
  try {
    return await gateway.resolveText(text)
  } catch (error) {
    if (codeOf(error) !== 'file-unwritable') throw error
    throw new ApiError(409, 'config-unwritable', 'the directory of the configuration cannot be written to', {}, error)
  }
}

async function textOf(call: ApiCall): Promise<string> {
  const bytes = await call.body()
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (codeOf(error) !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error
    throw new ApiError(400, 'bad-body', 'the body is not UTF-8', {}, error)
  }
}

/** What is on disk; where that cannot be read, what runs. */
async function fileOf(gateway: NativeGateway): Promise<Buffer> {
  try {
    return await readFile(gateway.configFile)
  } catch (error) {
    throw new ApiError(
      409,
      'config-unreadable',
      'the configuration file cannot be read',
      { reason: codeOf(error) },
      error,
    )
  }
}

function factsOf(gateway: NativeGateway, bytes: Buffer): z.output<typeof Facts> {
  return {
    etag: etagOf(bytes),
    generation: gateway.plan.generation,
    inForce: gateway.lastRefusal === '' && new TextDecoder().decode(bytes) === gateway.resolved.text,
    lastRefusal: gateway.lastRefusal,
  }
}

/** Secrets are named by place in a configuration, never written in it, so that it can be shown (I7). */
function parsedOf(gateway: NativeGateway, bytes: Buffer): Record<string, unknown> | null {
  const parsed = parseConfig(bytes.toString('utf8'), gateway.configFile)
  return parsed.ok ? { ...parsed.config } : null
}

const etagOf = (bytes: Uint8Array): string => `"${createHash('sha256').update(bytes).digest('hex')}"`

/** RFC 9110 section 13.1.1: strong comparison. */
function matches(condition: string, etag: string): boolean {
  if (condition.trim() === '*') return true
  return condition.split(',').some((each) => each.trim() === etag)
}
