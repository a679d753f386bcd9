import { existsSync } from 'node:fs'
import { resetPassword } from '../admin/access/reset-password.ts'
import { PosternError } from '../core/errors.ts'
import { databaseFile } from '../state/files.ts'
import { readStateKey } from '../state/key.ts'
import { openState } from '../state/open.ts'
import { rekeyState } from '../state/rekey.ts'
import { sealerOf } from '../state/sealing.ts'
import type { CommandIo } from './command-io.ts'
import { parseOptions } from './parse-options.ts'
import { keyOption, required, runStateCommand, stateKey } from './state-run.ts'

const help = `usage: postern state rekey --state DIR [--state-key OLD] --new-key NEW [--json]
       postern state password --state DIR [--state-key FILE] --user NAME [--json]
       postern state key [--state-key FILE] [--json]

rekey      encrypts the private keys of a state with another key: all of them or none. Copies made before need the old key
           still.
password   gives a user of the management API a new password, which is printed once, and ends what he is logged in with.

key        prints the id of a key: the one that a state or a copy needs is named by its id. The id says nothing of the key.

For the first two no gateway may run on the state meanwhile.

  --state DIR       the directory that the gateway is started with
  --state-key FILE  file of the key in use; default the environment's POSTERN_STATE_KEY
  --new-key NEW     file of the key to come; make one: (umask 077; openssl rand -base64 32 > NEW)
  --user NAME       whose password
  --json            the same as data

Exit status: 0 done; 1 the state or a key is at fault, or the state is in use: nothing was changed; 2 wrong usage.
`

/** `postern state`: what is done to a state as a whole. */
export async function stateCommand(args: readonly string[], io: CommandIo): Promise<number> {
  return await runStateCommand('state', help, args, io, async () => {
    const [name = '', ...rest] = args
    if (name === 'rekey') rekey(rest, io)
    else if (name === 'password') await password(rest, io)
    else if (name === 'key') key(rest, io)
    else throw new PosternError('usage', `there is no command "${name}"`)
  })
}

async function password(args: readonly string[], io: CommandIo): Promise<void> {
  const options = {
    ...keyOption,
    state: { type: 'string' },
    user: { type: 'string' },
    json: { type: 'boolean', default: false },
  } as const
  const { values } = parseOptions({ args: [...args], options })
  const directory = required(values.state, '--state')
  const user = required(values.user, '--user')
  if (!existsSync(databaseFile(directory))) throw new PosternError('state-missing', `there is no state in ${directory}`)
  await using store = await openState({ directory, key: stateKey(values['state-key'], directory) })
  const made = await resetPassword(store, user, Date.now)
  if (values.json) io.stdout(`${JSON.stringify({ state: directory, user, password: made }, null, 2)}\n`)
  else io.stdout(`The password of ${user} is now ${made} (shown once; change it)\n`)
}

function key(args: readonly string[], io: CommandIo): void {
  const { values } = parseOptions({
    args: [...args],
    options: { ...keyOption, json: { type: 'boolean', default: false } },
  })
  const { keyId } = sealerOf(stateKey(values['state-key']))
  io.stdout(values.json ? `${JSON.stringify({ keyId }, null, 2)}\n` : `${keyId}\n`)
}

function rekey(args: readonly string[], io: CommandIo): void {
  const options = {
    ...keyOption,
    state: { type: 'string' },
    'new-key': { type: 'string' },
    json: { type: 'boolean', default: false },
  } as const
  const { values } = parseOptions({ args: [...args], options })
  const directory = required(values.state, '--state')
  const newFile = required(values['new-key'], '--new-key')
  const done = rekeyState(directory, stateKey(values['state-key'], directory), readStateKey({ file: newFile }))
  if (values.json) io.stdout(`${JSON.stringify({ state: directory, ...done }, null, 2)}\n`)
  else io.stdout(`Encrypted ${done.secrets} secrets with the key ${done.to}, instead of ${done.from}\n`)
}
