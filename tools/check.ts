// `npm run check`: everything that can be said about the code without running it, in parallel.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { brokenLayers } from './layers.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name: string): string => `${root}node_modules/.bin/${name}`

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', bin('tsc'), '-p', '.'],
  ['lint', bin('oxlint'), '--type-aware', '--deny-warnings', '--format', 'unix', 'src', 'test', 'tools', 'bench'],
  ['format', bin('biome'), 'format', '.'],
  ['unused code', bin('knip'), '--no-progress'],
  ['generated docs', process.execPath, 'tools/generate-docs.ts', '--check'],
]

const started = performance.now()
const results = await Promise.all(checks.map(run))
const layers = brokenLayers(root)
if (layers.length > 0) process.stdout.write(`layers: failed\n${layers.map((line) => `  ${line}\n`).join('')}`)
const failed = results.filter((ok) => !ok).length + (layers.length > 0 ? 1 : 0)
process.stdout.write(
  `${checks.length + 1 - failed} passed, ${failed} failed in ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
)
process.exitCode = failed === 0 ? 0 : 1

function run([name, command, ...args]: (typeof checks)[number]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', (error) => (output += error.message))
    child.on('close', (code) => {
      if (code !== 0) process.stdout.write(`${name}: failed\n${output}\n`)
      resolve(code === 0)
    })
  })
}
