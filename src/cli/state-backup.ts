import { PosternError } from '../core/errors.ts'
import { backupState } from '../state/backup.ts'
import { contentsOf, type StateContents } from '../state/inspect.ts'
import type { CommandIo } from './command-io.ts'
import { parseOptions } from './parse-options.ts'
import { required, runStateCommand } from './state-run.ts'

const help = `usage: postern backup --state DIR --to FILE [--force] [--json]
       postern backup --list FILE [--json]

A copy of what the management API keeps, of one moment, also while a gateway serves from it. Private keys are in it as they
are in the state: encrypted. Keep the key of the state elsewhere; without it a copy cannot be restored.

  --state DIR   the directory that the gateway was started with
  --to FILE     where the copy goes; only this user may read it
  --force       replace FILE if it is there
  --list FILE   what is in a copy, by kind and name
  --json        the same as data

Exit status: 0 done; 1 the state or the copy is at fault; 2 wrong usage.
`

/** `postern backup`: a copy of a state, or what is in one. */
export async function backupCommand(args: readonly string[], io: CommandIo): Promise<number> {
  return await runStateCommand('backup', help, args, io, async () => {
    const options = {
      state: { type: 'string' },
      to: { type: 'string' },
      list: { type: 'string' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    } as const
    const { values } = parseOptions({ args: [...args], options })
    const asJson = (value: unknown): void => io.stdout(`${JSON.stringify(value, null, 2)}\n`)
    if (values.list !== undefined) {
      if (values.state !== undefined || values.to !== undefined || values.force) {
        throw new PosternError('usage', '--list reads a copy and goes with --json only')
      }
      const contents = contentsOf(values.list)
      if (values.json) asJson({ file: values.list, ...contents })
      else io.stdout(contentsText(contents))
      return
    }
    const to = required(values.to, '--to')
    await backupState(required(values.state, '--state'), to, values.force)
    const { version, keyId, audits, kinds } = contentsOf(to)
    const objects = kinds.reduce((sum, kind) => sum + kind.objects.length, 0)
    if (values.json) asJson({ file: to, version, keyId, objects, audits })
    else io.stdout(`Wrote ${to}: ${objects} objects, ${audits} audit entries; to be restored with the key ${keyId}\n`)
  })
}

function contentsText({ version, createdAt, copied, keyId, audits, kinds }: StateContents): string {
  const time = (at: number): string => new Date(at).toISOString()
  const lines = [
    `copy made ${time(copied.at)}${copied.from === 'file' ? ', by the time of the file: it does not say itself' : ''}`,
    `state of version ${version}, first started ${time(createdAt)}`,
    `needs the key with id ${keyId}; postern state key --state-key FILE prints the id of a key`,
    `${audits} audit entries`,
  ]
  for (const { kind, objects } of kinds) {
    lines.push(`${kind}: ${objects.length}`)
    for (const { scope, name, hasSecret } of objects) {
      lines.push(`  ${line(scope === '' ? name : `${scope}/${name}`)}${hasSecret ? '  (with a secret)' : ''}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Names are what clients wrote: none of them ends a line or speaks to the terminal. */
function line(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (it) => `\\u{${it.codePointAt(0)?.toString(16)}}`)
}
