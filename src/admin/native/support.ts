import { z } from 'zod'
import type { PosternEvent } from '../../observe/events.ts'
import type { SupportQuestion } from '../../support/types.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute } from '../api.ts'
import { problemText } from '../body-problems.ts'
import type { NativeGateway } from '../gateway-view.ts'
import type { Operated } from '../operator-routes.ts'
import { placeOf } from './scope.ts'
import { collectBundle } from './support-collect.ts'

const Name = z.string().min(1).max(256)

const Question = z
  .strictObject({
    requestId: Name.nullable().default(null).meta({ description: 'Message id of a request.' }),
    proxy: Name.nullable().default(null).meta({ description: 'Every target of it.' }),
    target: Name.nullable().default(null).meta({ description: 'As `GET /api/targets` has it.' }),
    capture: z.boolean().default(false).meta({ description: 'With the handshakes of the probes as pcap files.' }),
    logs: z.boolean().default(true).meta({ description: "With the lines of the gateway's own log files." }),
  })
  .refine(({ requestId, proxy, target }) => requestId !== null || proxy !== null || target !== null, {
    message: 'one of requestId, proxy and target is needed',
  })
  .meta({ id: 'SupportQuestion' })

/** I10. */
const maxMs = 60_000
const maxEvents = 500

/** The must-gather list of the playbook in one archive (apigee-edge.md 6.1). */
export function supportRoutes(native: NativeGateway, operated: Operated): readonly ApiRoute[] {
  const recent: PosternEvent[] = []
  // As long as the gateway is there.
  native.subscribe((event) => {
    recent.push(event)
    if (recent.length > maxEvents) recent.shift()
  })
  let busy = false
  return [
    {
      method: 'POST',
      path: '/api/organizations/:org/environments/:env/support',
      role: 'operator',
      operation: 'SUPPORT',
      doc: {
        summary:
          'Everything about a request, proxy or target in one zip, without secrets: report, stores, trace, logs, configuration',
        body: Question,
        answerTypes: {
          'application/zip': z.string().meta({
            description: 'A zip. `manifest.json` says what each file is, what was hidden and what is missing.',
          }),
        },
        errors: { 429: 'A bundle is being made already.' },
      },
      async handle(call) {
        placeOf(native.stored, call)
        const question = await questionOf(call)
        if (busy) throw new ApiError(429, 'support-busy', 'a bundle is being made already; ask again in a minute')
        busy = true
        try {
          return await answer(call, question)
        } finally {
          busy = false
        }
      },
    },
  ]

  async function answer(call: ApiCall, question: SupportQuestion): Promise<ApiAnswer> {
    const { organization, environment, requestId, proxy, target } = question
    const parts = { native, operated, events: () => recent }
    const { zip } = await collectBundle(parts, call, question, AbortSignal.timeout(maxMs))
    const about = requestId ?? target ?? proxy ?? ''
    call.note(`support bundle of ${organization}/${environment}: ${about}`)
    const name = `postern-support-${about.replaceAll(/[^A-Za-z0-9._-]+/g, '-').slice(0, 80)}.zip`
    return {
      status: 200,
      bytes: zip,
      type: 'application/zip',
      headers: {
        'content-disposition': `attachment; filename="${name}"`,
        'cache-control': 'no-store',
      },
    }
  }
}

async function questionOf(call: ApiCall): Promise<SupportQuestion> {
  const parsed = Question.safeParse(await call.json())
  if (!parsed.success) {
    const problems = parsed.error.issues.map(problemText)
    throw new ApiError(400, 'bad-support', problems.join('; '), { problems })
  }
  const { org = '', env = '' } = call.params
  return { ...parsed.data, organization: org, environment: env }
}
