import type { z } from 'zod'
import { ApiError, type ApiCall } from './api.ts'

/** The body of a native call, or 400 `bad-body` with each place that is wrong. Values are not repeated: they may be secrets (I7). */
export async function parseBody<T extends z.ZodType>(call: ApiCall, schema: T): Promise<z.output<T>> {
  const parsed = schema.safeParse(await call.json())
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))
  const first = problems[0]
  const where = first === undefined || first.path === '' ? '' : `${first.path}: `
  throw new ApiError(400, 'bad-body', `the request body is not as it must be: ${where}${first?.message ?? ''}`, {
    problems,
  })
}
