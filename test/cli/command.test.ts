import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { commandName } from '../../src/cli/command-name.ts'
import { untilSignal } from '../../src/cli/until-signal.ts'
import { shellWord } from '../../src/verdict/shell.ts'
import { runCli } from './run-cli.ts'

/* The command itself: its name in what it tells people to run, its version, and how it ends when it is interrupted. */

const bin = fileURLToPath(new URL('../../bin/postern', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 'postern-command-'))
after(() => rm(directory, { recursive: true, force: true }))
await symlink(bin, join(directory, 'postern'))
await mkdir(join(directory, 'node_modules', '.bin'), { recursive: true })
await symlink(bin, join(directory, 'node_modules', '.bin', 'postern'))

describe('the name of the command', () => {
  const elsewhere = join(directory, 'other')
  const cases: readonly [what: string, path: string, name: string][] = [
    ['its path, where the shell finds none', '/nonexistent', shellWord(bin)],
    ['its path, without a PATH', '', shellWord(bin)],
    ['postern, where the shell finds this one', ['/nonexistent', directory].join(delimiter), 'postern'],
    ['its path, where the shell finds another', [elsewhere, directory].join(delimiter), shellWord(bin)],
    [
      'its path, where only npm finds it',
      [join(directory, 'node_modules', '.bin'), '/nonexistent'].join(delimiter),
      shellWord(bin),
    ],
  ]
  for (const [what, path, name] of cases) {
    it(`is ${what}`, async () => {
      await writeFileAt(join(elsewhere, 'postern'))
      assert.equal(commandName({ PATH: path }), name)
    })
  }

  it('can be run as it is told, from anywhere', async () => {
    const child = spawn('sh', ['-c', `${commandName({})} --version`], { cwd: directory })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    assert.deepEqual(await once(child, 'close'), [0, null])
    const { name, version } = JSON.parse(await readFile(join(dirname(dirname(bin)), 'package.json'), 'utf8'))
    assert.equal(out, `${name} ${version}\n`)
  })
})

describe('the command', () => {
  for (const option of ['--version', '-v']) {
    it(`says with ${option} what it is`, async () => {
      const { code, out } = await runCli([option])
      assert.equal(code, 0)
      assert.match(out, /^postern \d+\.\d+\.\d+\n$/)
    })
  }

  it('is not a name that every object has', async () => {
    const { code, err } = await runCli(['constructor'])
    assert.equal(code, 2)
    assert.match(err, /there is no command "constructor"/)
  })

  it('takes two signals at once for one Ctrl-C, and a later one as the order to end now', () => {
    let clock = 1000
    const exits: number[] = []
    const source = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) })
    const signal = untilSignal(source, () => clock)
    source.emit('SIGINT')
    clock += 50
    source.emit('SIGINT')
    assert.deepEqual([signal.reason, exits], ['SIGINT', []])
    clock += 1000
    source.emit('SIGINT')
    source.emit('SIGTERM')
    assert.deepEqual(exits, [130, 143])
  })

  for (const [how, both] of [
    ['one signal', false],
    ['a Ctrl-C that reaches both processes', true],
  ] as const) {
    it(`ends with 130 by ${how}, its work wound up`, async () => {
      // Takes connections and says nothing: a handshake that is waited for.
      const silent = createServer().listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const { port } = silent.address() as AddressInfo
      const child = spawn(process.execPath, [bin, 'tls', 'check', `127.0.0.1:${port}`, '--timeout', '30s'], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let err = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
      const ended = once(child, 'close')
      const [socket] = await once(silent, 'connection')
      // A terminal sends it to the whole group, and the parent passes it on.
      process.kill(both ? -(child.pid as number) : (child.pid as number), 'SIGINT')
      assert.deepEqual(await ended, [130, null], err)
      assert.match(err, /interrupted, 1 not checked/)
      socket.destroy()
      silent.close()
    })
  }
})

async function writeFileAt(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, '')
}
