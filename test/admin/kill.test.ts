import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { readStateKey } from '../../src/state/key.ts'
import { openState } from '../../src/state/open.ts'
import type { StateView } from '../../src/state/types.ts'
import { adminClient, AdminRefused } from '../support/admin-client.ts'
import { seededRandom } from '../support/random.ts'
import { type Traffic, type Write, Writer } from './kill-writes.ts'

const program = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const wanted = 200
const kills = 6
const lanes = 3

it(`kill -9 of the gateway while ${lanes} clients write: what was acknowledged is there, and nothing in half`, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-kill-'))
  let child: ChildProcess | null = null
  const backend = createServer((request, response) => response.end(request.url))
  t.after(async () => {
    child?.kill('SIGKILL')
    backend.closeAllConnections()
    backend.close()
    await rm(directory, { recursive: true, force: true })
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const [port, admin] = [await freePort(), await freePort()]
  const configFile = join(directory, 'postern.yaml')
  const config = {
    organization: 'acme',
    environment: 'test',
    listeners: [{ name: 'http', address: '127.0.0.1', port }],
    management: { address: '127.0.0.1', port: admin },
    logs: [{ format: 'native', file: 'postern.log' }],
    diagnosis: { live: false },
  }
  await writeFile(configFile, stringify(config))
  const env = {
    ...process.env,
    POSTERN_STATE_KEY: randomBytes(32).toString('base64'),
    POSTERN_ADMIN_PASSWORD: 'a-password-for-tests',
  }
  const state = join(directory, 'state')
  const start = (): ChildProcess =>
    spawn(process.execPath, [program, 'serve', '-c', configFile, '--state', state, '--workers', '1'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  const client = adminClient(`http://127.0.0.1:${admin}`, env.POSTERN_ADMIN_PASSWORD)
  const traffic: Traffic = async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: response.status, body: await response.text() }
  }

  const root = await createRoot({ commonName: 'Root' })
  const identities = await Promise.all(['a', 'b', 'c'].map((name) => createLeaf(root, { names: [name] })))
  const random = seededRandom(randomBytes(4).readUInt32BE())
  const { port: backendPort } = backend.address() as AddressInfo
  const writers = Array.from(
    { length: lanes },
    (_, lane) => new Writer({ lane: `l${lane}`, random, identities, backend: `http://127.0.0.1:${backendPort}` }),
  )
  /** The last write of each object that is known to be done. */
  const standing = new Map<string, Write>()
  const writes = { acknowledged: 0, unanswered: 0 }

  for (let killed = 0; killed < kills || writes.acknowledged < wanted; killed++) {
    assert.ok(killed < 5 * kills, `${writes.acknowledged} writes over ${killed} kills`)
    child = start()
    await ready(child, () => client.send('GET', ''))
    for (const write of standing.values()) {
      assert.ok(await write.isDone(client, traffic), `${write.key} ${write.what}: acknowledged, and gone after a kill`)
    }
    const ended = once(child, 'exit')
    const killer = setTimeout(() => child?.kill('SIGKILL'), 20 + random.below(700))
    const cut = await Promise.all(
      writers.map(async (writer): Promise<{ readonly writer: Writer; readonly write: Write }> => {
        for (;;) {
          const write = writer.next()
          try {
            await write.do(client)
          } catch (error) {
            if (error instanceof AdminRefused) throw new Error(`${write.key} ${write.what}`, { cause: error })
            return { writer, write } // the connection broke
          }
          writes.acknowledged++
          standing.set(write.key, write)
          writer.done(write)
        }
      }),
    )
    clearTimeout(killer)
    await ended
    writes.unanswered += cut.length
    // What was not answered may have been done or not, and never in half.
    child = start()
    await ready(child, () => client.send('GET', ''))
    for (const { writer, write } of cut) {
      const before = standing.get(write.key)
      if (await write.isDone(client, traffic)) {
        standing.set(write.key, write)
        writer.done(write)
      } else if (before !== undefined) {
        assert.ok(await before.isDone(client, traffic), `${write.key}: neither ${before.what} nor ${write.what}`)
      }
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  await using store = await openState({ directory: state, key: readStateKey({ env }) })
  const counts = await store.read(wholeObjects)
  t.diagnostic(`${writes.acknowledged} writes acknowledged, ${writes.unanswered} cut off; ${JSON.stringify(counts)}`)
})

/** Looks at everything that is stored. @returns how much that was */
async function wholeObjects(view: StateView): Promise<Readonly<Record<string, number>>> {
  const aliases = await view.below('alias', 'acme/test')
  for (const { scope, name, body, hasSecret } of aliases) {
    assert.ok((await view.get('keystore', 'acme/test', scope.split('/')[2] ?? '')) !== null, `${scope} is there`)
    assert.equal(hasSecret, body.keyName !== null, `${scope}/${name} has its key`)
    const certificate = new X509Certificate((await view.blob('alias', scope, name)) ?? '')
    const key = createPrivateKey((await view.secret('alias', scope, name)) ?? '')
    assert.ok(certificate.checkPrivateKey(key), `${scope}/${name}: certificate and key belong together`)
  }
  const revisions = await view.below('api-revision', 'acme')
  for (const { scope, name } of revisions) {
    const files = await view.list('api-file', `${scope}/${name}`)
    assert.equal(files.length, 4, `${scope}/${name} has all its files`)
    for (const file of files) {
      assert.equal((await view.blob('api-file', file.scope, file.name))?.length, file.body.bytes)
    }
  }
  const deployments = await view.below('api-deployment', 'acme')
  for (const { scope, name } of deployments) {
    const api = scope.split('/')[3] ?? ''
    assert.ok((await view.get('api-revision', `acme/apis/${api}`, name)) !== null, `${scope} is of a revision there is`)
  }
  return { aliases: aliases.length, revisions: revisions.length, deployments: deployments.length }
}

async function ready(child: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  for (let attempt = 0; attempt < 400; attempt++) {
    if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}: ${said}`)
    try {
      await ask()
      return
    } catch {
      await sleep(25)
    }
  }
  throw new Error(`the gateway is not ready: ${said}`)
}

async function freePort(): Promise<number> {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
