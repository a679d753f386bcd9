import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { ok, startBackend } from '../proxy/backend.ts'
import { startTestGateway } from '../support/gateway.ts'

/* h2spec: cases of RFC 9113's predecessor and RFC 7541 that others wrote, against both kinds of listener. */

const run = promisify(execFile)

/** The newest that the module proxy has under a version it can be asked for. */
const versions = ['v2.6.0', 'latest']
const module = 'github.com/summerwind/h2spec/cmd/h2spec'
const cache = fileURLToPath(new URL('../../tmp/tools', import.meta.url))

/** Cases that do not pass, by listener and description, and why that is right. */
const contradicted: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  h2c: {
    'Sends invalid connection preface':
      'What is no preface is HTTP/1.1 to a listener that serves both: it is answered with 400, in HTTP/1.1, and the connection closed. h2spec reads the answer as a frame.',
  },
  https: {},
}

interface Failure {
  readonly name: string
  readonly detail: string
}

interface Report {
  readonly cases: number
  readonly failures: readonly Failure[]
}

const program = await install()
const backend = await startBackend(() => ok('some bytes, so that a window of one byte is too small for them'))
const root = await createRoot({ commonName: 'h2spec Test CA' })
const leaf = await createLeaf(root, { names: ['localhost'] })
const gateway = await startTestGateway(
  {
    listeners: [
      { name: 'h2c', address: '127.0.0.1', port: 0, h2c: true },
      {
        name: 'https',
        address: '127.0.0.1',
        port: 0,
        tls: { certificates: [{ certificate: './outer.pem', key: './outer.key' }] },
      },
    ],
    targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
    proxies: { b: { basePath: '/', target: 'b' } },
  },
  { files: { 'outer.pem': leaf.chainPem, 'outer.key': leaf.keyPem } },
)
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})
before(() => mkdir(cache, { recursive: true }))

describe('h2spec, strict cases included', { skip: typeof program === 'string' ? false : program.missing }, () => {
  for (const listener of ['h2c', 'https'] as const) {
    it(`agrees with the listener "${listener}"`, async () => {
      const { cases, failures } = await h2spec(program as string, listener)
      assert.ok(cases > 140, `${cases} cases`)
      const known = contradicted[listener] ?? {}
      assert.deepEqual(
        failures.filter(({ name }) => known[name] === undefined),
        [],
      )
      // What is listed above and passes is to be taken off the list; older and newer h2spec differ in what they make of it.
      assert.ok(failures.length <= Object.keys(known).length)
    })
  }
})

async function h2spec(path: string, listener: 'h2c' | 'https'): Promise<Report> {
  const file = join(cache, `h2spec-${process.pid}-${listener}.xml`)
  const port = String(gateway.gateway.ports[listener] ?? 0)
  const tls = listener === 'https' ? ['-t', '-k'] : []
  try {
    // It ends with 1 when a case fails; what failed is in the report.
    await run(path, ['-S', '-p', port, '-o', '5', '-j', file, ...tls], { timeout: 120_000 }).catch(() => {})
    return readReport(await readFile(file, 'utf8'))
  } finally {
    await rm(file, { force: true })
  }
}

/** Reads a JUnit report. */
function readReport(xml: string): Report {
  const failures: Failure[] = []
  let cases = 0
  for (const [, attributes = '', content = ''] of xml.matchAll(/<testcase([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    cases++
    const problem = /<(?:failure|error)[^>]*>([\s\S]*?)<\/(?:failure|error)>/.exec(content)
    if (problem !== null)
      failures.push({ name: /classname="([^"]*)"/.exec(attributes)?.[1] ?? attributes, detail: problem[1] ?? '' })
  }
  return { cases, failures }
}

/** The path of the program, or why there is none. */
async function install(): Promise<string | { readonly missing: string }> {
  const known = join(cache, 'h2spec')
  if (isProgram(known)) return known
  const go = ['go', '/usr/local/go/bin/go'].find((name) => (name === 'go' ? onPath('go') : isProgram(name)))
  if (onPath('h2spec')) return 'h2spec'
  if (go === undefined) return { missing: 'no h2spec, and no Go to build it with' }
  await mkdir(cache, { recursive: true })
  let problem = ''
  for (const version of versions) {
    try {
      await run(go, ['install', `${module}@${version}`], { timeout: 170_000, env: goEnvironment() })
      return known
    } catch (error) {
      problem = error instanceof Error ? (error.message.split('\n').find((line) => line.startsWith('go: ')) ?? '') : ''
    }
  }
  return { missing: `h2spec could not be built: ${problem}` }
}

function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, GOBIN: cache, GOTOOLCHAIN: 'local' }
}

function onPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && isProgram(join(folder, name)))
}

function isProgram(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
