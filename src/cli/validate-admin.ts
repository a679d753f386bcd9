import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { type ConfigProblem, maxConfigBytes } from '../config/load.ts'
import { PosternError } from '../core/errors.ts'
import { type AdminPlace, callAdmin } from './admin-client.ts'
import { fileProblem } from './file-problem.ts'

export interface GatewayValidation {
  readonly ok: boolean
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigProblem[]
}

/** What a running gateway says of a text in the place of its own file: POST /api/config/validate. */
export async function validateByGateway(
  file: string,
  text: string,
  place: AdminPlace,
  signal: AbortSignal,
): Promise<GatewayValidation> {
  const body = { type: 'application/yaml' as const, text }
  const answer = await callAdmin(
    place,
    { method: 'POST', path: '/api/config/validate', body, refused: 'validate-refused' },
    signal,
  )
  const read = Validation.safeParse(answer)
  if (!read.success) throw new PosternError('admin-unreachable', `${place.admin} answered with what is no validation`)
  const { ok, problems, warnings } = read.data
  const placed = (all: typeof problems): readonly ConfigProblem[] => all.map((problem) => ({ file, ...problem }))
  return { ok, problems: placed(problems), warnings: placed(warnings) }
}

const Problem = z.object({
  path: z.string(),
  line: z.number(),
  column: z.number(),
  message: z.string(),
  instead: z.string(),
})
const Validation = z.object({ ok: z.boolean(), problems: z.array(Problem), warnings: z.array(Problem) })

/** Of the size that a gateway takes. Throws `config-unreadable`. */
export async function configText(file: string): Promise<string> {
  try {
    const facts = await stat(file)
    if (!facts.isFile()) throw new PosternError('config-unreadable', `${file}: it is not a file`)
    if (facts.size > maxConfigBytes) throw new PosternError('config-unreadable', `${file}: it is larger than 4 MiB`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof PosternError) throw error
    throw new PosternError('config-unreadable', `${file}: ${fileProblem(error)}`, { cause: error })
  }
}
