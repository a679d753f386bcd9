import { PosternError } from '../core/errors.ts'
import { openFullBacklog } from './full-backlog.ts'
import { createLabPki, type LabPki } from './lab-pki.ts'
import { type Recipe, recipeOf } from './recipes.ts'
import { type ScenarioName, scenarioNames, serverNameOf } from './scenarios.ts'
import { holdClosedPort, loopback, openHttp, openHttps, openMute, type Opened } from './servers.ts'
import { emptyTally, type Tally } from './tally.ts'

export interface LabOptions {
  /** Default: all of them. */
  readonly scenarios?: readonly ScenarioName[]
  /** A number is the port of the first scenario in the table; each has its place after it, started or not. */
  readonly ports?: 'ephemeral' | number
  /** The moment from which certificates count their validity, for tests with a clock of their own. */
  readonly now?: Date
  /** How long the `slow` backend waits before it answers. Default 5 seconds. */
  readonly slowMs?: number
}

/** One backend: where it is, and the name its certificate should carry. */
export interface LabBackend {
  readonly scenario: ScenarioName
  readonly host: string
  readonly port: number
  readonly serverName: string
  readonly scheme: 'https'
  /** The certificates it presents, in that order; null where it presents none. */
  readonly servedPem: string | null
}

export interface Lab extends AsyncDisposable {
  readonly backends: readonly LabBackend[]
  backend(scenario: ScenarioName): LabBackend
  /** What a gateway is to trust: the lab's root, alone. */
  readonly trust: { readonly bundlePem: string }
  /** What mends `missing-intermediate` and `missing-root`, when a gateway is given it as well. */
  readonly mends: { readonly issuingPem: string; readonly elsewhereRootPem: string }
  /** Accepted by the backends that want a client certificate. */
  readonly clientIdentity: { readonly certificatePem: string; readonly keyPem: string }
  /** A copy of what the backend has seen since the start or the last `reset`. */
  counters(scenario: ScenarioName): Readonly<Tally>
  reset(): void
  /** Resolves once the backend has no open connection. Wait for it before concluding that nothing reached a backend. */
  settled(scenario: ScenarioName): Promise<void>
  close(): Promise<void>
}

/** Starts backends with one fault each on loopback. Whole or not at all: a port that is taken closes the others again. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const { ports = 'ephemeral', slowMs = 5000, now = new Date() } = options
  const opened: Opened[] = []
  const close = async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  }
  try {
    let issuingDer = Buffer.alloc(0)
    const issuerFile = await openHttp((_, response) => response.end(issuingDer), emptyTally(), 0)
    opened.push(issuerFile)
    const pki = await createLabPki(now, `http://${loopback}:${issuerFile.port}/issuing-ca.cer`)
    issuingDer = Buffer.from(pki.issuing.certificate)

    const seats: Seat[] = []
    for (const scenario of scenarioNames.filter((name) => options.scenarios?.includes(name) ?? true)) {
      const port = ports === 'ephemeral' ? 0 : ports + scenarioNames.indexOf(scenario)
      const seat = await seatOf(scenario, recipeOf(scenario, { slowMs }), pki, port)
      if (seat.opened !== null) opened.push(seat.opened)
      seats.push(seat)
    }
    return labOf(seats, pki, close)
  } catch (thrown) {
    await close()
    throw thrown
  }
}

/** One backend with what is known about it. */
interface Seat {
  readonly backend: LabBackend
  readonly tally: Tally
  readonly opened: Opened | null
}

async function seatOf(scenario: ScenarioName, recipe: Recipe, pki: LabPki, port: number): Promise<Seat> {
  const tally = emptyTally()
  const { opened, servedPem } = await open(recipe, scenario, pki, tally, port)
  const host = opened === null ? noSuchHost : loopback
  const serverName = opened === null ? noSuchHost : serverNameOf(scenario)
  const backend = {
    scenario,
    host,
    port: opened?.port ?? (port || 443),
    serverName,
    scheme: 'https',
    servedPem,
  } as const
  return { backend, tally, opened }
}

async function open(
  recipe: Recipe,
  scenario: ScenarioName,
  pki: LabPki,
  tally: Tally,
  port: number,
): Promise<{ opened: Opened | null; servedPem: string | null }> {
  switch (recipe.kind) {
    case 'https': {
      const { chainPem, keyPem } = await recipe.serves(pki, scenario)
      const tls = { ...recipe.tls(pki), cert: chainPem, key: keyPem }
      return { opened: await openHttps(tls, recipe.answers, tally, port), servedPem: chainPem }
    }
    case 'http':
      return { opened: await openHttp(recipe.answers, tally, port), servedPem: null }
    case 'mute':
      return { opened: await openMute(recipe.onBytes, tally, port), servedPem: null }
    case 'closed-port':
      return { opened: await holdClosedPort(port), servedPem: null }
    case 'full-backlog':
      return { opened: await openFullBacklog(port), servedPem: null }
    case 'no-such-host':
      return { opened: null, servedPem: null }
    default:
      return recipe satisfies never
  }
}

function labOf(seats: readonly Seat[], pki: LabPki, close: () => Promise<void>): Lab {
  const seatFor = (scenario: ScenarioName): Seat => {
    const found = seats.find(({ backend }) => backend.scenario === scenario)
    if (found !== undefined) return found
    throw new PosternError('LAB_NOT_STARTED', `the lab was started without the scenario "${scenario}"`)
  }
  return {
    backends: seats.map(({ backend }) => backend),
    backend: (scenario) => seatFor(scenario).backend,
    trust: { bundlePem: pki.root.certificatePem },
    mends: { issuingPem: pki.issuing.certificatePem, elsewhereRootPem: pki.elsewhereRoot.certificatePem },
    clientIdentity: { certificatePem: pki.client.chainPem, keyPem: pki.client.keyPem },
    counters: (scenario) => ({ ...seatFor(scenario).tally }),
    reset() {
      for (const { tally } of seats) Object.assign(tally, emptyTally())
    },
    async settled(scenario) {
      await seatFor(scenario).opened?.settled()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** RFC 6761 section 6.4: names under `.invalid` never exist. */
const noSuchHost = 'backend.lab.invalid'
