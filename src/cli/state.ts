import { PosternError } from '../core/errors.ts'
import { readStateKey } from '../state/key.ts'
import { rekeyState } from '../state/rekey.ts'
import type { CommandIo } from './command-io.ts'
import { parseOptions } from './parse-options.ts'
import { keyOption, required, runStateCommand, stateKey } from './state-run.ts'

const help = `usage: postern state rekey --state DIR [--state-key OLD] --new-key NEW [--json]

Encrypts the private keys of a state with another key: all of them or none. No gateway may run on it meanwhile. Copies made
before need the old key still.

  --state DIR       the directory that the gateway is started with
  --state-key OLD   file of the key in use; default the environment's POSTERN_STATE_KEY
  --new-key NEW     file of the key to come; make one: (umask 077; openssl rand -base64 32 > NEW)
  --json            the same as data

Exit status: 0 done; 1 the state or a key is at fault, or the state is in use: nothing was changed; 2 wrong usage.
`

/** `postern state`: what is done to a state as a whole. */
export async function stateCommand(args: readonly string[], io: CommandIo): Promise<number> {
  return await runStateCommand('state', help, args, io, async () => {
    const [name = '', ...rest] = args
    if (name !== 'rekey') throw new PosternError('usage', `there is no command "${name}"`)
    rekey(rest, io)
  })
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
  const done = rekeyState(directory, stateKey(values['state-key']), readStateKey({ file: newFile }))
  if (values.json) io.stdout(`${JSON.stringify({ state: directory, ...done }, null, 2)}\n`)
  else io.stdout(`Encrypted ${done.secrets} secrets with the key ${done.to}, instead of ${done.from}\n`)
}
