import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, it } from 'node:test'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { runCli, startCli } from './run-cli.ts'

/* A long list whose run is killed in the middle: what was found is kept, and nothing is asked twice. */

const directory = await mkdtemp(join(tmpdir(), 'postern-tls-resume-'))
after(() => rm(directory, { recursive: true, force: true }))
const path = (name: string): string => join(directory, name)

const count = 400
const root = await createRoot({ commonName: 'Resume Root' })
await writeFile(path('root.pem'), root.certificatePem)
const backend = await startTlsBackend({ identity: await createLeaf(root, { names: ['*.resume.test'] }) })
after(() => backend[Symbol.asyncDispose]())
const entries = Array.from({ length: count }, (_, index) => `127.0.0.1:${backend.port} name=n${index}.resume.test`)
await writeFile(path('list'), `${entries.join('\n')}\n`)
const args = ['tls', 'check', '--from', path('list'), '--ca', path('root.pem'), '--out', path('out.jsonl'), '--quiet']

const lines = async (): Promise<string[]> => (await readFile(path('out.jsonl'), 'utf8').catch(() => '')).split('\n')

it('goes on where it was killed, and the file holds every endpoint once', async () => {
  const child = startCli([...args, '--concurrency', '4'])
  const ended = once(child, 'close')
  while ((await lines()).length < 20) await sleep(2)
  child.kill('SIGKILL')
  assert.deepEqual(await ended, [null, 'SIGKILL'])
  const before = (await lines()).filter((line) => line.endsWith('}')).length
  assert.ok(before >= 19 && before < count, `${before} results when it was killed`)
  // What a write that did not come to its end leaves behind.
  await appendFile(path('out.jsonl'), '{"verdict":{"code":"trus')
  const asked = backend.connections

  const refused = await runCli(args)
  assert.deepEqual([refused.code, backend.connections], [2, asked], 'not without --resume')
  assert.match(refused.err, /--resume to go on with it/)

  const { code, out, err } = await runCli([...args, '--resume'])
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, new RegExp(`^${count} servers: ${count} trusted, 0 not, ${before} from the earlier run\n`))
  assert.equal(backend.connections - asked, count - before, 'what was known was not asked again')
  const results = (await lines()).filter((line) => line !== '').map((line) => JSON.parse(line))
  const held = new Set(results.map(({ endpoint }) => endpoint.entry))
  assert.deepEqual([results.length, held], [count, new Set(entries)])
})

it('asks again under another trust or mode, as an earlier answer is none to that question', async () => {
  const asked = backend.connections
  const again = await runCli([...args, '--resume'])
  assert.deepEqual([again.code, backend.connections], [0, asked])
  assert.match(again.out, new RegExp(`${count} from the earlier run`))
  await runCli([...args, '--resume', '--mode', 'rfc5280'])
  assert.equal(backend.connections - asked, count)
  await runCli([...args, '--resume', '--mode', 'rfc5280'])
  assert.equal(backend.connections - asked, count, 'each mode has its answers in the file')
})

it('ends at a signal with what it has, and says what is left', async () => {
  await rm(path('out.jsonl'))
  const child = startCli([...args, '--concurrency', '2'])
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = once(child, 'close')
  while ((await lines()).length < 10) await sleep(2)
  child.kill('SIGINT')
  assert.deepEqual(await ended, [130, null])
  assert.match(err, /interrupted, \d+ not checked; --resume goes on with the rest\n$/)
})
