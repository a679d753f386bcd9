import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { onOneLine, shellWord } from '../verdict/shell.ts'
import { type AdminPlace, authorizationFrom, callAdmin, downloadAdmin } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { commandName } from './command-name.ts'
import { parseOptions } from './parse-options.ts'
import { configuredPlace } from './support-admin.ts'
import { placeWords } from './why.ts'

const help = `usage: postern trace --admin URL PROXY [--failures] [--status 5xx]... [--header NAME=VALUE]... [--query NAME=VALUE]...
                     [--revision N] [--count N] [--for SECONDS]
       postern trace --admin URL --request ID

Records requests of a proxy as they come, and prints each: what came and went, what conditions read, how the connection to the
backend was opened, what was offered, chosen and served, and the verdict. Without --failures and --status every request is taken.
It ends when --count requests were recorded, or after the time; the session is kept for 24 hours under /api/.../traces.
With --request it prints a request that was recorded before.

  --failures        only requests that end in a fault, or with 500 and above
  --status S        only answers with this status: 503, 5xx, 500-504
  --header, --query only requests that have it; all must hold
  --count N         requests to record (default 1, at most 200)
  --for SECONDS     how long to wait for them (default 600, at most 3600)
  --admin URL       of the management API, http://127.0.0.1:8090
  --org, --env      default: those of the gateway's configuration
  --token-env NAME  the variable with an API token; default POSTERN_TOKEN, else POSTERN_USER and POSTERN_PASSWORD
  --json            each request as the API has it, one line each
Exit status: 0 what was asked for was recorded, 1 it was not, or was refused, 2 wrong usage, or no answer.
`

/** `postern trace`: a debug session from a shell. */
export async function traceCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  if (args.includes('--help') || args.includes('-h') || args[0] === 'help') {
    io.stdout(help)
    return 0
  }
  try {
    return await run(args, io, signal)
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown
    const code = codeOf(thrown)
    if (code === 'interrupted') return 1
    io.stderr(
      `postern trace: ${onOneLine(messageOf(thrown))}\n${code === 'usage' ? 'See: postern trace --help\n' : ''}`,
    )
    return code === refused ? 1 : 2
  }
}

const refused = 'trace-refused'

async function run(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseOptions({
    args: [...args],
    options: {
      admin: { type: 'string' },
      org: { type: 'string' },
      env: { type: 'string' },
      'token-env': { type: 'string' },
      request: { type: 'string' },
      revision: { type: 'string' },
      failures: { type: 'boolean', default: false },
      status: { type: 'string', multiple: true, default: [] },
      header: { type: 'string', multiple: true, default: [] },
      query: { type: 'string', multiple: true, default: [] },
      count: { type: 'string', default: '1' },
      for: { type: 'string', default: '600' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const [proxy, more] = positionals
  if (more !== undefined) throw new PosternError('usage', `${JSON.stringify(more)} is one word too many`)
  if (values.admin === undefined) throw new PosternError('usage', '--admin is missing')
  if ((proxy === undefined) === (values.request === undefined)) {
    throw new PosternError('usage', 'name a proxy, or a request with --request')
  }
  const api: AdminPlace = { admin: values.admin, authorization: authorizationFrom(process.env, values['token-env']) }
  const { admin } = values
  const show = async (trace: Trace, { id, code }: Transaction): Promise<void> => {
    const path = `${pathOf(trace)}/${trace.id}/transactions/${encodeURIComponent(id)}`
    if (values.json) {
      io.stdout(`${JSON.stringify(await callAdmin(api, { method: 'GET', path, refused }, signal))}\n`)
      return
    }
    const call = { method: 'GET' as const, path: `${path}?format=text`, refused }
    const text = (await downloadAdmin(api, call, 'text/plain', signal)).toString('utf8')
    const command = `${commandName(process.env)} why ${shellWord(id)} ${placeWords(admin, trace)}`
    io.stdout(`${text}${code === '' ? '' : `What to do: ${command}\n`}\n`)
  }
  if (values.request !== undefined) {
    const path = `/api/traces?requestId=${encodeURIComponent(values.request)}`
    const { found } = Found.parse(await callAdmin(api, { method: 'GET', path, refused }, signal))
    for (const { trace, transaction } of found) await show(trace, transaction)
    if (found.length > 0) return 0
    throw new PosternError(refused, `no debug session has recorded request ${values.request}`)
  }
  const where = await configuredPlace(
    { organization: values.org ?? null, environment: values.env ?? null },
    api,
    signal,
  )
  const body = {
    proxy,
    revision: values.revision ?? null,
    failuresOnly: values.failures,
    statuses: values.status,
    headers: values.header.map((text) => pairOf('--header', text)),
    query: values.query.map((text) => pairOf('--query', text)),
    maxTransactions: wholeNumber('--count', values.count),
    timeoutSeconds: wholeNumber('--for', values.for),
  }
  const text = JSON.stringify(body)
  const start = {
    method: 'POST' as const,
    path: pathOf(where),
    body: { type: 'application/json' as const, text },
    refused,
  }
  const trace = Trace.parse(await callAdmin(api, start, signal))
  io.stderr(`debug session ${trace.name} of ${onOneLine(proxy ?? '')} waits for requests until ${trace.until}\n`)
  return follow(trace, body.maxTransactions, api, show, signal)
}

/** Shows what comes, until it is all, or the session is over. */
async function follow(
  trace: Trace,
  wanted: number,
  api: AdminPlace,
  show: (trace: Trace, transaction: Transaction) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const shown = new Set<string>()
  for (;;) {
    const path = `${pathOf(trace)}/${trace.id}`
    const { active, transactions } = Detail.parse(await callAdmin(api, { method: 'GET', path, refused }, signal))
    for (const transaction of transactions) {
      if (shown.has(transaction.id)) continue
      shown.add(transaction.id)
      await show(trace, transaction)
    }
    if (shown.size >= wanted) return 0
    if (!active) throw new PosternError(refused, `the session is over; ${shown.size} of ${wanted} requests came`)
    await sleep(500, undefined, { signal }).catch((cause: unknown) => {
      throw new PosternError('interrupted', 'interrupted', { cause })
    })
  }
}

const Trace = z.object({
  id: z.string(),
  name: z.string(),
  organization: z.string(),
  environment: z.string(),
  until: z.string(),
})
type Trace = z.output<typeof Trace>

const Transaction = z.object({ id: z.string(), code: z.string() })
type Transaction = z.output<typeof Transaction>
const Detail = z.object({ active: z.boolean(), transactions: z.array(Transaction) })
const Found = z.object({ found: z.array(z.object({ trace: Trace, transaction: Transaction })) })

function pathOf({ organization, environment }: Pick<Trace, 'organization' | 'environment'>): string {
  return `/api/organizations/${encodeURIComponent(organization)}/environments/${encodeURIComponent(environment)}/traces`
}

function pairOf(option: string, text: string): { readonly name: string; readonly value: string } {
  const at = text.indexOf('=')
  if (at < 1) throw new PosternError('usage', `${option} takes NAME=VALUE, not ${JSON.stringify(text)}`)
  return { name: text.slice(0, at), value: text.slice(at + 1) }
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new PosternError('usage', `${option} takes a whole number, not ${JSON.stringify(text)}`)
  return Number(text)
}
