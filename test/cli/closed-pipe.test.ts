import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startCli } from './run-cli.ts'

/** What a run says and how it ends when whoever reads one of its streams is gone before it begins. */
async function withoutReader(stream: 'stdout' | 'stderr', args: readonly string[]) {
  const child = startCli(args)
  let said = ''
  const other = stream === 'stdout' ? child.stderr : child.stdout
  other.setEncoding('utf8').on('data', (text: string) => (said += text))
  child[stream].destroy()
  child.stdin.on('error', () => {})
  child.stdin.end()
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, said }
}

describe('a reader that is gone', { timeout: 30_000 }, () => {
  for (const args of [['--help'], ['tls', 'check', '--help'], ['pki', 'show', '--help']]) {
    it(`ends ${args.join(' ')} as SIGPIPE would, without a word`, async () => {
      assert.deepEqual(await withoutReader('stdout', args), { code: 141, said: '' })
    })
  }

  it('of messages leaves the exit status as it is', async () => {
    assert.deepEqual(await withoutReader('stderr', ['tls', 'check']), { code: 2, said: '' })
  })
})
