import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { onOneLine, shellWord } from '../verdict/shell.ts'
import { type AdminPlace, authorizationFrom, callAdmin, downloadAdmin } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { commandName } from './command-name.ts'
import { parseOptions } from './parse-options.ts'
import { configuredPlace } from './support-admin.ts'

const help = `usage: postern why ID --admin URL [--org ORG --env ENV] [--json]

Says why a request failed, from the id in the client's answer: what was counted of it, whose side it is, what its backend showed
when it was seen last, and what to do, with commands. Nobody is asked but the gateway.

  ID                message id of a request: of the response header, a log line, or a fault
  --admin URL       of the management API, http://127.0.0.1:8090
  --org, --env      default: those of the gateway's configuration
  --token-env NAME  the variable with an API token; default POSTERN_TOKEN, else POSTERN_USER and POSTERN_PASSWORD
  --json            as the API has it: GET /api/organizations/ORG/environments/ENV/requests/ID
Exit status: 0 it is known, 1 it is not, or was refused, 2 wrong usage, or no answer.
`

const refused = 'why-refused'

/** `postern why`: from a message id to the cause and the remedy. */
export async function whyCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  if (args.includes('--help') || args.includes('-h') || args[0] === 'help') {
    io.stdout(help)
    return 0
  }
  try {
    return await run(args, io, signal)
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown
    const code = codeOf(thrown)
    if (code === 'interrupted') throw thrown
    io.stderr(
      `postern why: ${onOneLine(messageOf(thrown), 2000)}\n${code === 'usage' ? 'See: postern why --help\n' : ''}`,
    )
    return code === refused ? 1 : 2
  }
}

async function run(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseOptions({
    args: [...args],
    options: {
      admin: { type: 'string' },
      org: { type: 'string' },
      env: { type: 'string' },
      'token-env': { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const [id, more] = positionals
  if (more !== undefined) throw new PosternError('usage', `${JSON.stringify(more)} is one word too many`)
  if (id === undefined || id === '') throw new PosternError('usage', 'the id of a request is missing')
  if (values.admin === undefined) throw new PosternError('usage', '--admin is missing')
  const api: AdminPlace = { admin: values.admin, authorization: authorizationFrom(process.env, values['token-env']) }
  const given = { organization: values.org ?? null, environment: values.env ?? null }
  const where = await configuredPlace(given, api, signal)
  const path = `/api/organizations/${encodeURIComponent(where.organization)}/environments/${encodeURIComponent(where.environment)}/requests/${encodeURIComponent(id)}`
  const answer = await known(api, path, signal)
  if (values.json) {
    io.stdout(`${JSON.stringify(answer, null, 2)}\n`)
    return 0
  }
  const call = { method: 'GET' as const, path: `${path}?format=text`, refused }
  const text = (await downloadAdmin(api, call, 'text/plain', signal)).toString('utf8')
  const place = placeWords(values.admin, where)
  io.stdout(`${text}\n${nextLines(Explained.parse(answer), place).join('\n')}\n`)
  return 0
}

/** `--admin URL --org ORG --env ENV`, for a command that is printed. */
export function placeWords(
  admin: string,
  { organization, environment }: { readonly organization: string; readonly environment: string },
): string {
  return `--admin ${shellWord(admin)} --org ${shellWord(organization)} --env ${shellWord(environment)}`
}

const Explained = z.object({
  request: z.object({ id: z.string(), proxy: z.string() }),
  debugSessions: z.array(z.string()),
})

function nextLines(
  { request: { id, proxy }, debugSessions }: z.output<typeof Explained>,
  place: string,
): readonly string[] {
  const postern = commandName(process.env)
  return [
    ...(debugSessions.length > 0
      ? [`Every step of it: ${postern} trace --request ${shellWord(id)} ${place}`]
      : proxy === ''
        ? []
        : [`To record the next one: ${postern} trace ${shellWord(proxy)} --failures ${place}`]),
    `For somebody else: ${postern} support --request ${shellWord(id)} ${place}`,
  ]
}

/** Milliseconds: what the workers count is told once a second. */
const patience = 2500

async function known(api: AdminPlace, path: string, signal: AbortSignal): Promise<unknown> {
  const until = Date.now() + patience
  for (;;) {
    try {
      return await callAdmin(api, { method: 'GET', path, refused }, signal)
    } catch (error) {
      const isUnknown = error instanceof PosternError && error.evidence['code'] === 'request-unknown'
      if (!isUnknown || Date.now() >= until) throw error
    }
    await sleep(250, undefined, { signal }).catch((cause: unknown) => {
      throw new PosternError('interrupted', 'interrupted', { cause })
    })
  }
}
