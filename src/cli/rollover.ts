import { z } from 'zod'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { onOneLine, shellWord } from '../verdict/shell.ts'
import type { CommandIo } from './command-io.ts'
import { parseOptions } from './parse-options.ts'
import { authorizationFrom, callRollovers, type RolloverPlace } from './rollover-client.ts'

const help = `usage: postern rollover begin  --admin URL --org ORG --env ENV --reference NAME --to STORE
       postern rollover show   --admin URL --org ORG --env ENV [ID]
       postern rollover check  --admin URL --org ORG --env ENV ID
       postern rollover switch --admin URL --org ORG --env ENV ID [--force --reason TEXT]
       postern rollover prove  --admin URL --org ORG --env ENV ID
       postern rollover finish --admin URL --org ORG --env ENV ID [--keep-store | --delete-store] [--force --reason TEXT]
       postern rollover cancel --admin URL --org ORG --env ENV ID

Moves trust, or the certificate that backends are shown, from one store to another by a reference, while requests flow. begin
asks every server of the reference: whether its chain verifies under the new store, and whether it takes the new certificate.
check asks them again and changes nothing; show tells what was seen last. switch asks again and lets the reference lead to the
new store, once all are proved; prove asks them under what is in force then; finish ends it; cancel goes back. Where no server
can be asked there is no proof, and switch and finish need --force with a reason.

finish deletes the old store if nobody uses it. One that holds a private key, and any after a forced finish, is kept and
named, unless --delete-store is given.

  --admin URL       of the management API, http://127.0.0.1:8090
  --token-env NAME  the variable with an API token; default POSTERN_TOKEN, else POSTERN_USER and POSTERN_PASSWORD
  --json            the API's answer as it is
Exit status: 0 done and nothing stands against the next step, 1 refused or not proved, 2 wrong usage, or no answer.
`

const Rollover = z.object({
  id: z.string(),
  reference: z.string(),
  from: z.string(),
  to: z.string(),
  state: z.string(),
  next: z.array(z.string()),
  proof: z.object({ servers: z.number(), failed: z.number() }).nullable(),
})
const Detail = Rollover.extend({
  notes: z.array(z.object({ text: z.string() })),
  ready: z.boolean(),
  refused: z.string(),
  users: z.array(z.object({ kind: z.string(), name: z.string(), endpoint: z.string() })),
  servers: z.array(
    z.object({
      target: z.string(),
      server: z.string(),
      proved: z.boolean(),
      why: z.string(),
      identity: z.object({ acceptableIssuers: z.array(z.string()) }).nullable(),
    }),
  ),
  unasked: z.array(z.object({ user: z.string(), why: z.string() })),
  identities: z.array(z.object({ user: z.string(), fits: z.boolean(), why: z.string() })),
})
type Detail = z.output<typeof Detail>

const steps = ['check', 'switch', 'prove', 'finish', 'cancel'] as const

/** `postern rollover`: the guided rollover of the management API, from a shell. */
export async function rolloverCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const [name = '', ...rest] = args
  if (name === '' || name === 'help' || args.includes('--help') || args.includes('-h')) {
    io.stdout(help)
    return name === '' ? 2 : 0
  }
  try {
    return await run(name, rest, io, signal)
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown
    const code = codeOf(thrown)
    io.stderr(
      `postern rollover ${name}: ${messageOf(thrown)}\n${code === 'usage' ? 'See: postern rollover --help\n' : ''}`,
    )
    return code === 'rollover-refused' ? 1 : 2
  }
}

async function run(name: string, args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseOptions({
    args: [...args],
    options: {
      admin: { type: 'string' },
      org: { type: 'string' },
      env: { type: 'string' },
      'token-env': { type: 'string' },
      reference: { type: 'string' },
      to: { type: 'string' },
      force: { type: 'boolean', default: false },
      reason: { type: 'string' },
      'keep-store': { type: 'boolean', default: false },
      'delete-store': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const place: RolloverPlace = {
    admin: required(values.admin, '--admin'),
    organization: required(values.org, '--org'),
    environment: required(values.env, '--env'),
    authorization: authorizationFrom(process.env, values['token-env']),
  }
  const [id, more] = positionals
  if (more !== undefined) throw new PosternError('usage', `${JSON.stringify(more)} is one word too many`)
  if (name === 'show' && id === undefined) {
    const answer = await callRollovers(place, 'GET', '', null, signal)
    const { rollovers } = z.object({ rollovers: z.array(Rollover) }).parse(answer)
    io.stdout(
      values.json ? `${JSON.stringify(answer, null, 2)}\n` : rollovers.map((each) => `${line(each)}\n`).join(''),
    )
    return 0
  }
  const answer = await call()
  const detail = Detail.parse(answer)
  io.stdout(values.json ? `${JSON.stringify(answer, null, 2)}\n` : text(detail, commandFor(values, detail.id)))
  return stands(detail) ? 0 : 1

  function call(): Promise<unknown> {
    if (name === 'begin') {
      if (id !== undefined) throw new PosternError('usage', 'begin takes --reference and --to, and no id')
      const body = { reference: required(values.reference, '--reference'), to: required(values.to, '--to') }
      return callRollovers(place, 'POST', '', body, signal)
    }
    const path = `/${encodeURIComponent(required(id, 'the id of the rollover'))}`
    if (name === 'show') return callRollovers(place, 'GET', path, null, signal)
    const step = steps.find((each) => each === name)
    if (step === undefined) throw new PosternError('usage', `there is no command "${name}"`)
    return callRollovers(place, 'POST', `${path}/${step}`, bodyOf(step), signal)
  }

  function bodyOf(step: (typeof steps)[number]): object {
    const forced = { force: values.force, ...(values.reason === undefined ? {} : { reason: values.reason }) }
    if (step === 'switch') return forced
    return step === 'finish' ? { ...forced, keepStore: values['keep-store'], deleteStore: values['delete-store'] } : {}
  }
}

/** What to type for a step, with the words that this call was made with. */
function commandFor(
  { admin, org, env, 'token-env': tokenEnv }: Readonly<Partial<Record<'admin' | 'org' | 'env' | 'token-env', string>>>,
  id: string,
): (step: string) => string {
  const options = Object.entries({ admin, org, env, 'token-env': tokenEnv })
  const place = options.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, shellWord(value)]))
  return (step) => ['postern rollover', step, ...place, shellWord(id)].join(' ')
}

/** Nothing stands against the next step. */
function stands({ state, ready, proof }: Detail): boolean {
  if (state === 'prepared') return ready
  return state !== 'switched' || proof === null || (proof.failed === 0 && proof.servers > 0)
}

function text(detail: Detail, command: (step: string) => string): string {
  const { servers, identities, refused, users, unasked, next, state } = detail
  const open = state === 'prepared' || state === 'switched'
  const found = [
    `  used by ${users.length === 0 ? 'nobody' : users.map(userText).join(', ')}`,
    ...(refused === '' ? [] : [`  refused: ${onOneLine(refused)}`]),
    ...servers.map(serverText),
    ...(servers.length === 0 ? ['  no server could be asked, which is no proof'] : []),
    ...unasked.map(({ user, why }) => `  --  ${onOneLine(user)}: ${onOneLine(why)}`),
    ...identities.flatMap(({ user, fits, why }) => (fits ? [] : [`  NO  ${onOneLine(user)}: ${onOneLine(why)}`])),
  ]
  // What the last step has come to: why a proof failed, which store was kept.
  const note = detail.notes.at(-1)
  const lines = [
    line(detail),
    ...(note === undefined || state === 'prepared' ? [] : [`  ${onOneLine(note.text, 2000)}`]),
    ...(open ? found : []),
    ...next.flatMap((each) => nextLines(each, command)),
  ]
  return `${lines.join('\n')}\n`
}

function nextLines(next: string, command: (step: string) => string): readonly string[] {
  const [, name = '', forced, why = ''] = /^(\w+)( with force and a reason)?: (.*)$/s.exec(next) ?? []
  const step = steps.find((each) => each === name)
  if (step === undefined) return [`  ${onOneLine(next)}`]
  const force = forced === undefined ? '' : " --force --reason 'who answers for it, and why'"
  return [`  next, ${onOneLine(why)}:`, `    ${command(step)}${force}`]
}

function line({ id, reference, from, to, state, proof }: z.output<typeof Rollover>): string {
  const proved =
    proof === null
      ? ''
      : proof.servers === 0
        ? ', not proved: no server could be asked'
        : `, ${proof.servers - proof.failed} of ${proof.servers} servers trusted`
  return `${onOneLine(id)}  ${onOneLine(reference)}: ${onOneLine(from)} -> ${onOneLine(to)}  ${state}${proved}`
}

function userText({ kind, name, endpoint }: Detail['users'][number]): string {
  return onOneLine(`${kind} ${name}${endpoint === '' ? '' : ` (${endpoint})`}`)
}

function serverText({ target, server, proved, why, identity }: Detail['servers'][number]): string {
  const accepts = identity?.acceptableIssuers ?? []
  const shown = accepts.slice(0, 3).join(' or ')
  const issuers =
    accepts.length === 0 ? '' : `; it accepts certificates of ${shown}${accepts.length > 3 ? ' or others' : ''}`
  return `  ${proved ? 'ok' : 'NO'}  ${onOneLine(`${target} (${server}): ${why}${issuers}`)}`
}

function required(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new PosternError('usage', `${option} is missing`)
  return value
}
