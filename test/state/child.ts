/*
 * A process that tests kill or run beside their own: `child.ts WHAT DIRECTORY KEY ...`. `write FROM` makes acknowledged
 * writes and prints the number of each; `hold` opens the state and says so.
 */
import { backupCommand } from '../../src/cli/state-backup.ts'
import { stateCommand } from '../../src/cli/state.ts'
import { readStateKey } from '../../src/state/key.ts'
import { openState } from '../../src/state/open.ts'
import { change, file, keystore } from './support.ts'

const [what = '', directory = '', keyFile = '', ...rest] = process.argv.slice(2)
const io = {
  stdout: (text: string) => process.stdout.write(text),
  stderr: (text: string) => process.stderr.write(text),
}

if (what === 'backup') process.exitCode = await backupCommand(['--state', directory, '--to', ...rest], io)
if (what === 'rekey') {
  const [newKey = ''] = rest
  process.stdout.write('begins\n')
  const args = ['rekey', '--state', directory, '--state-key', keyFile, '--new-key', newKey]
  process.exitCode = await stateCommand(args, io)
}
if (what === 'hold' || what === 'write') {
  const store = await openState({ directory, key: readStateKey({ file: keyFile }) })
  process.stdout.write('open\n')
  if (what === 'hold') setInterval(() => {}, 1_000)
  else {
    for (let index = Number(rest[0]); ; index++) {
      await change(store, async (tx) => {
        await tx.put('keystore', 'o/e', `k${index}`, { body: keystore(index) })
        await tx.put('alias', `o/e/k${index}`, 'a', {
          body: { ...keystore(index), certName: 'a-cert', keyName: 'a-key', fingerprints: [] },
          ...{ blob: file(`certificate ${index}`).blob ?? null, secret: Buffer.from(`the secret key number ${index}`) },
        })
        await tx.audit({
          at: index,
          user: 'u',
          from: '',
          operation: 'CREATE',
          method: 'POST',
          uri: '/',
          status: 201,
          organization: 'o',
        })
      })
      process.stdout.write(`${index}\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
