// `npm test`: the checks, then every test. Says what the machine lacks; installs it where it may.
import { spawn, spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Debian packages that some tests cross-check against; without them those tests say "skipped: no X". */
const packages: readonly (readonly [program: string, debian: string])[] = [
  ['openssl', 'openssl'],
  ['curl', 'curl'],
]

const only = process.argv.slice(2)
await prepare()
if (only.length === 0 && (await run(process.execPath, ['tools/check.ts'])) !== 0) process.exit(1)
const files = only.length > 0 ? only : globSync('test/**/*.test.ts', { cwd: root }).sort()
process.exitCode = await run(process.execPath, [
  '--test',
  '--test-concurrency=2',
  '--test-timeout=180000',
  `--test-reporter=${process.env['CI'] === 'true' ? 'spec' : 'dot'}`,
  '--test-reporter-destination=stdout',
  '--test-reporter=./tools/closing-line.ts',
  '--test-reporter-destination=stdout',
  ...files,
])

async function prepare(): Promise<void> {
  const missing = packages.filter(([program]) => spawnSync('which', [program]).status !== 0).map(([, debian]) => debian)
  if (missing.length === 0) return
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.getuid?.() === 0 && spawnSync('which', ['apt-get']).status === 0) {
    process.stdout.write(`installing: ${missing.join(', ')}\n`)
    await run('sh', ['-c', `(${install} || (apt-get update && ${install})) >/dev/null 2>&1`])
  } else {
    process.stdout.write(`some cross-checks will be skipped; to run them: ${install}\n`)
  }
}

function run(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('close', (code) => resolve(code ?? 1))
  })
}
