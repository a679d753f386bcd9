import { readFileSync, statSync, truncateSync } from 'node:fs'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bodySizes, protocolPath } from './backend.ts'
import { backendName } from './certificates.ts'
import { start, type Child } from './children.ts'
import type { Preparation, Setup } from './peers/peer.ts'
import { freePorts, waitForPort } from './ports.ts'
import type { Entrant, Scenario } from './scenarios.ts'
import type { Testbed } from './testbed.ts'

export type ReadyPeer = Extract<Preparation, { ready: true }>

/** A launched proxy that proved it forwards, logs and verifies. */
export interface Contender {
  readonly entrant: Entrant
  readonly version: string
  readonly child: Child
  readonly port: number
  readonly url: string
  readonly paths: readonly string[]
  readonly setup: Setup
  /** Bytes of access log since the last call; the log is emptied. */
  takeLogBytes(): number
  /** What the process has printed since the last call. */
  takeOutput(): string
}

const outputName = 'output.log'
const requestPath = { small: '/', '64k': '/64k', '1m': '/1m' } as const

/** Launches the entrant for measuring; throws when it does not answer as it must or keeps no access log. */
export async function launchContender(
  bed: Testbed,
  scenario: Scenario,
  entrant: Entrant,
  peer: ReadyPeer,
): Promise<Contender> {
  const launched = await launch(bed, peer, entrant, scenario, bed.backend.ports[scenario.backend], backendName)
  const { setup, child } = launched
  const paths = measuredPaths(scenario, setup)
  try {
    for (const path of paths) {
      const reply = await ask(bed, setup, path)
      if (reply.status !== 200) throw new Error(`it answers ${reply.status} to ${path}: ${launched.child.outputTail()}`)
      const wanted = bodySizes[scenario.body]
      if (reply.body.length !== wanted) throw new Error(`its reply has ${reply.body.length} bytes, not ${wanted}`)
    }
    if (entrant.routes === 1) await expectProtocol(bed, setup)
    await expectAccessLog(setup.accessLogFile, bed.signal)
  } catch (cause) {
    await child.stop()
    throw cause
  }
  let printed = 0
  return {
    entrant,
    version: peer.version,
    child,
    port: setup.port,
    url: `${setup.clientTls === null ? 'http' : 'https'}://127.0.0.1:${setup.port}`,
    paths,
    setup,
    takeLogBytes: () => {
      const { size } = statSync(setup.accessLogFile)
      truncateSync(setup.accessLogFile)
      return size
    },
    takeOutput: () => {
      const output = readFileSync(join(setup.folder, outputName), 'latin1')
      const fresh = output.slice(printed)
      printed = output.length
      return fresh
    },
  }
}

/**
 * Starts the peer twice more, at a backend under a root it was not given and at one whose certificate has another name.
 * A proxy that forwards to either does less work than the others and is no competitor. Gives its fault, or null.
 */
export async function verificationFault(bed: Testbed, scenario: Scenario, entrant: Entrant, peer: ReadyPeer) {
  const cases = [
    { what: 'a backend whose root it was not given', port: bed.backend.strangerPort, name: backendName },
    {
      what: 'a backend whose certificate has another name',
      port: bed.backend.ports[scenario.backend],
      name: 'other.bench.test',
    },
  ]
  // Nothing is measured of these, and V8's trace would bury what a peer says when it does not start.
  const untraced: Scenario = { ...scenario, measure: 'cpu-per-request' }
  for (const { what, port, name } of cases) {
    const { setup, child } = await launch(bed, peer, { ...entrant, routes: 1, targets: 1 }, untraced, port, name)
    try {
      const { status } = await ask(bed, setup, '/')
      if (status < 500) return `does not verify: it answers ${status} for ${what}`
    } finally {
      await child.stop()
    }
  }
  return null
}

async function launch(
  bed: Testbed,
  peer: ReadyPeer,
  entrant: Entrant,
  scenario: Scenario,
  upstreamPort: number,
  serverName: string,
): Promise<{ setup: Setup; child: Child }> {
  const [port = 0, adminPort = 0] = await freePorts(2)
  const folder = await bed.newFolder(entrant.label)
  const { routes, targets } = entrant
  const setup: Setup = {
    folder,
    port,
    adminPort,
    clientTls: scenario.client === 'h1' ? null : bed.certificates.gateway,
    upstreamPort,
    upstreamProtocol: entrant.upstream,
    resumption: scenario.resumption,
    caFile: bed.certificates.rootFile,
    serverName,
    accessLogFile: join(folder, 'access.log'),
    connections: scenario.connections,
    routes:
      routes === 1
        ? [{ path: '/', target: 0 }]
        : Array.from({ length: routes }, (_, i) => ({ path: `/api-${i}`, target: i % targets })),
    targets,
    traceHeap: scenario.measure === 'heap-per-request',
  }
  const { command, args, env, logsToOutput, ready } = peer.launch(setup)
  const child = start(command, args, {
    core: bed.cores.proxy,
    cwd: folder,
    ...(env === undefined ? {} : { env }),
    outputFile: logsToOutput === true ? setup.accessLogFile : join(folder, outputName),
  })
  try {
    await waitForPort(port, child, bed.signal, 30_000)
    await ready?.()
  } catch (cause) {
    await child.stop()
    throw cause
  }
  return { setup, child }
}

/** With many routes the load goes to ten of them, spread over the whole table, each with a target of its own. */
function measuredPaths(scenario: Scenario, { routes }: Setup): string[] {
  const path = requestPath[scenario.body]
  if (routes.length === 1) return [path]
  const step = routes.length / 10
  // The odd offset keeps the ten off multiples of the number of targets, so that no two share one.
  return Array.from({ length: 10 }, (_, i) => `${routes[Math.floor(i * step) + (step > 1 ? 37 * i : 0)]?.path}${path}`)
}

/** The backend says what was spoken to it: a peer that fell back is not the one the label promises. */
async function expectProtocol(bed: Testbed, setup: Setup): Promise<void> {
  const wanted = setup.upstreamProtocol === 'h2' ? 'HTTP/2.0' : 'HTTP/1.1'
  const { body } = await ask(bed, setup, protocolPath)
  if (body !== wanted) throw new Error(`it speaks ${body} to the backend, not ${wanted}`)
}

function ask(bed: Testbed, setup: Setup, path: string): Promise<{ status: number; body: string }> {
  const { clientTls, port } = setup
  const common = { host: '127.0.0.1', port, path, agent: false, signal: bed.signal, timeout: 15_000 }
  return new Promise((resolve, reject) => {
    const outgoing =
      clientTls === null ? requestPlain(common) : requestTls({ ...common, ca: readFileSync(bed.certificates.rootFile) })
    outgoing.once('response', (reply) => {
      let body = ''
      reply.setEncoding('latin1').on('data', (text: string) => (body += text))
      reply.once('end', () => resolve({ status: reply.statusCode ?? 0, body }))
      reply.once('error', reject)
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no reply to ${path} within 15 s`)))
    outgoing.once('error', reject)
    outgoing.end()
  })
}

async function expectAccessLog(file: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 5_000
  while (Date.now() < deadline) {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0) return
    await sleep(100, undefined, { signal })
  }
  throw new Error('it keeps no access log')
}
