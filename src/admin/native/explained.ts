import { z } from 'zod'
import { openCollection } from '../../support/collection.ts'
import { explainingRemedies, explainingReport, explanationText } from '../../support/explanation.ts'
import type { SupportQuestion } from '../../support/types.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { Remedy, Report, Time } from './documents.ts'
import { faultPlace } from './fault-place.ts'
import { requestGone } from './monitoring-query.ts'
import { placeOf } from './scope.ts'
import { knownRequest, maskedRequest, requestFrom } from './support-request.ts'
import { proxiesHere, targetsHere } from './support-scope.ts'
import { serversSeen } from './support-servers.ts'
import { masksFor } from './trace-start.ts'

const Query = z.object({
  format: z.enum(['json', 'text']).optional().meta({ description: '`text`: a page for a person.' }),
})

const FoundRequest = z
  .object({
    id: z.string(),
    at: Time,
    method: z.string(),
    request: z.string(),
    host: z.string(),
    client: z.string(),
    listener: z.string(),
    proxy: z.string(),
    revision: z.string(),
    target: z.string(),
    status: z.number().meta({ description: '0: nothing was sent.' }),
    targetStatus: z.number().meta({ description: '0: none came.' }),
    fault: z.string(),
    verdict: z.string(),
    party: z.string().meta({ description: 'Whose side it is; empty where nothing failed.' }),
    faultCode: z.string(),
    faultSource: z.string(),
    summary: z.string(),
    totalMs: z.number(),
    backend: z.string().meta({ description: 'Address of its connection.' }),
    snapshot: z.string(),
    traceId: z.string(),
    from: z.enum(['monitoring', 'debug session', 'log']).meta({ description: 'Where it is known from.' }),
  })
  .meta({ id: 'FoundRequest' })

const Explained = z
  .object({
    request: FoundRequest,
    servers: z
      .array(
        z.object({
          target: z.string(),
          server: z.string(),
          verdict: z.string().nullable().meta({ description: 'Of the last report; null: there is none.' }),
          at: Time.nullable(),
        }),
      )
      .meta({ description: 'Of its target, as they were seen last; nobody is asked for this.' }),
    report: Report.nullable().meta({ description: 'The last report with the same verdict.' }),
    remedy: z.array(Remedy).meta({ description: 'What to do, best first; without what weakens the gateway.' }),
    debugSessions: z.array(z.string()).meta({
      description: 'Ids of the debug sessions that have recorded it: `GET .../traces/ID/transactions/REQUEST`.',
    }),
  })
  .meta({ id: 'ExplainedRequest' })

/** One request by its message id: what is known of it, and what to do. */
export function explainedRoutes(native: NativeGateway): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/organizations/:org/environments/:env/requests/:id',
      role: 'viewer',
      doc: {
        summary: 'Why a request failed, and what to do: cause, side, backend as it was seen last, remedies',
        operationId: 'explainRequest',
        query: Query,
        answer: Explained,
        answerTypes: { 'text/plain': z.string().meta({ description: 'For a person.' }) },
        errors: { 503: 'The store of the rollups does not answer, and no debug session has the request.' },
      },
      async handle(call) {
        placeOf(native.stored, call)
        const { org = '', env = '', id = '' } = call.params
        return explained(native, call, { ...nothing, organization: org, environment: env, requestId: id })
      },
    },
  ]
}

const nothing = { proxy: null, target: null, capture: false, logs: false }

async function explained(
  native: NativeGateway,
  call: ApiCall,
  question: SupportQuestion & { readonly requestId: string },
): Promise<ApiAnswer> {
  const format = call.query.get('format') ?? 'json'
  if (format !== 'json' && format !== 'text') throw new ApiError(400, 'bad-query', 'format is json or text')
  const into = openCollection(new AbortController().signal)
  const known = await knownRequest(native, question.requestId, question, into)
  const found = requestFrom(known)
  const [lack] = into.missing
  if (found === null && lack !== undefined) throw new ApiError(503, 'monitoring-unavailable', lack.why)
  if (found === null) throw requestGone(question.requestId, question)
  const { request } = maskedRequest(found, await masksFor(call, question.organization, found.proxy))
  const targets = targetsHere(native, question).filter(({ name }) => name === request.target)
  const servers = serversSeen(native, targets, question.organization)
  const named = proxiesHere(native, question).filter(({ name }) => name === request.proxy)
  const exact = named.filter(({ revision }) => revision === request.revision)
  const proxies = exact.length > 0 ? exact : named
  const facts = { question, request, servers, proxies, place: faultPlace(native, targets, request) }
  if (format === 'text') return { status: 200, bytes: explanationText(facts), type: 'text/plain; charset=utf-8' }
  return json(200, {
    request,
    servers: servers.map(({ target, server, before }) => ({
      target,
      server,
      verdict: before?.report.verdict.code ?? null,
      at: before === null ? null : new Date(before.at).toISOString(),
    })),
    report: explainingReport(facts),
    remedy: explainingRemedies(facts),
    debugSessions: known.transactions.map(({ session }) => session),
  })
}
