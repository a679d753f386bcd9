import { restoreState } from '../state/restore.ts'
import type { CommandIo } from './command-io.ts'
import { parseOptions } from './parse-options.ts'
import { keyOption, required, runStateCommand, stateKey } from './state-run.ts'

const help = `usage: postern restore --from FILE --state DIR [--state-key FILE] [--force] [--json]

Puts a copy that postern backup made in the place of a state. The copy is checked first, against the key too. No gateway may
run on the state meanwhile. Users, passwords, tokens and what was revoked are those of the copy afterwards.

  --from FILE        the copy
  --state DIR        the directory; made if it is not there
  --state-key FILE   the key that the copy was made with; default the environment's POSTERN_STATE_KEY
  --force            replace the state that is there; it is kept as postern.db.before-restore, .1, .2, ...
  --json             the same as data

Exit status: 0 done; 1 the copy or the key is at fault, or the state is in use: nothing was changed; 2 wrong usage.
`

/** `postern restore`: a copy in the place of a state. */
export async function restoreCommand(args: readonly string[], io: CommandIo): Promise<number> {
  return await runStateCommand('restore', help, args, io, async () => {
    const options = {
      ...keyOption,
      from: { type: 'string' },
      state: { type: 'string' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    } as const
    const { values } = parseOptions({ args: [...args], options })
    const from = required(values.from, '--from')
    const directory = required(values.state, '--state')
    const { replaced, copiedAt } = await restoreState(
      from,
      directory,
      stateKey(values['state-key'], from),
      values.force,
    )
    if (values.json) io.stdout(`${JSON.stringify({ from, state: directory, replaced, copiedAt }, null, 2)}\n`)
    else {
      const kept = replaced === null ? '' : `; what was there is ${replaced}`
      io.stdout(`Restored ${directory} from ${from}${kept}\n${ofCopy(copiedAt)}\n`)
    }
  })
}

function ofCopy(at: number): string {
  return `Users, passwords, tokens and revocations are those of the copy, made ${new Date(at).toISOString()}: what was changed or revoked since holds no more. Revoke it again.`
}
