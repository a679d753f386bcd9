import type { IncomingMessage, ServerResponse } from 'node:http'
import { PosternError } from '../core/errors.ts'
import type { Identity } from '../pki/make.ts'
import { openFullBacklog } from './full-backlog.ts'
import type { TargetSettings } from './expectation.ts'
import { createLabPki, type LabPki } from './lab-pki.ts'
import { type Recipe, recipeOf } from './recipes.ts'
import { type Scenario, type ScenarioName, scenarioNames, scenarios, serverNameOf } from './scenarios.ts'
import { holdClosedPort, loopback, openHttp, openHttps, type Opened, openRaw } from './servers.ts'
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
  /** What a gateway's target for it holds and says. */
  readonly target: LabTarget
}

export interface LabTarget {
  /** PEM; what it trusts beside the lab's root for the fault to show; '' for nothing. */
  readonly furtherAnchorsPem: string
  /** PEM; '' for none. */
  readonly intermediatesPem: string
  /** PEM; the revocation lists that it goes by; '' for none. */
  readonly crlsPem: string
  /** What it shows when asked for a client certificate. */
  readonly clientIdentity: PemIdentity | null
  readonly settings: TargetSettings
}

export interface PemIdentity {
  readonly certificatePem: string
  readonly keyPem: string
}

export interface Lab extends AsyncDisposable {
  readonly backends: readonly LabBackend[]
  backend(scenario: ScenarioName): LabBackend
  /** What a gateway is to trust: the lab's root, alone. A few backends need more: see their `target`. */
  readonly trust: { readonly bundlePem: string }
  /** What mends `missing-intermediate` and `missing-root`, when a gateway is given it as well. */
  readonly mends: { readonly issuingPem: string; readonly elsewhereRootPem: string }
  /** Accepted by the backends that want a client certificate. */
  readonly clientIdentity: PemIdentity
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
    const published = new Map<string, Buffer>()
    const issuers = await openHttp((request, response) => serveIssuer(published, request, response), emptyTally(), 0)
    opened.push(issuers)
    const pki = await createLabPki(now, (name, certificate) => {
      published.set(`/${name}`, certificate)
      return `http://${loopback}:${issuers.port}/${name}`
    })
    const wanted = scenarioNames.filter((name) => options.scenarios?.includes(name) ?? true)
    const seats = await allOrNone(
      wanted.map(async (scenario) => {
        const port = ports === 'ephemeral' ? 0 : ports + scenarioNames.indexOf(scenario)
        const seat = await seatOf(scenario, recipeOf(scenario, { slowMs }), pki, port)
        if (seat.opened !== null) opened.push(seat.opened)
        return seat
      }),
    )
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

/** Fails only when all have ended, so that whatever was opened is known and can be closed. */
async function allOrNone<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}

function serveIssuer(published: ReadonlyMap<string, Buffer>, { url }: IncomingMessage, response: ServerResponse): void {
  const certificate = published.get(url ?? '')
  response.statusCode = certificate === undefined ? 404 : 200
  response.end(certificate)
}

async function seatOf(scenario: ScenarioName, recipe: Recipe, pki: LabPki, port: number): Promise<Seat> {
  const tally = emptyTally()
  const {
    opened,
    servedPem,
    anchorsPem = '',
    intermediatesPem = '',
    crlsPem = '',
    client,
  } = await open(recipe, scenario, pki, tally, port)
  const { target: settings = {} }: Scenario = scenarios[scenario]
  const backend = {
    scenario,
    host: opened === null ? noSuchHost : loopback,
    port: opened?.port ?? (port || 443),
    serverName: opened === null ? noSuchHost : (settings.serverName ?? serverNameOf(scenario)),
    scheme: 'https',
    servedPem,
    target: {
      furtherAnchorsPem: anchorsPem,
      intermediatesPem,
      crlsPem,
      clientIdentity: client === undefined ? null : pemIdentity(client),
      settings,
    },
  } as const
  return { backend, tally, opened }
}

interface Open {
  readonly opened: Opened | null
  readonly servedPem: string | null
  readonly anchorsPem?: string | undefined
  readonly intermediatesPem?: string | undefined
  readonly crlsPem?: string | undefined
  readonly client?: Identity | undefined
}

async function open(recipe: Recipe, scenario: ScenarioName, pki: LabPki, tally: Tally, port: number): Promise<Open> {
  switch (recipe.kind) {
    case 'https': {
      const { chainPem, keyPem, anchorsPem, intermediatesPem, crlsPem } = await recipe.serves(pki, scenario)
      const { staple } = recipe
      const client = await recipe.client?.(pki)
      const tls = { ...recipe.tls(pki), cert: chainPem, key: keyPem }
      const stapled = staple && ((leaf: Buffer) => staple(pki, leaf))
      const opened = await openHttps(tls, recipe.answers, tally, port, stapled)
      return { opened, servedPem: chainPem, anchorsPem, intermediatesPem, crlsPem, client }
    }
    case 'http':
      return { opened: await openHttp(recipe.answers, tally, port), servedPem: null }
    case 'raw': {
      const { servedPem = null, ...behaviour } = await recipe.behaves(pki, scenario)
      return { opened: await openRaw(behaviour, tally, port), servedPem }
    }
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

function pemIdentity({ chainPem, keyPem }: Identity): PemIdentity {
  return { certificatePem: chainPem, keyPem }
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
    clientIdentity: pemIdentity(pki.client),
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
