import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { PosternEvent } from '../../src/observe/events.ts'
import type { FaultKind } from '../../src/faults/fault.ts'
import { labConfig, labConfigFiles } from '../../src/lab/gateway-config.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import { type Scenario, type ScenarioName, scenarios } from '../../src/lab/scenarios.ts'
import { type Receiver, startReceiver } from '../otlp/receiver.ts'
import { allLogs } from '../scenarios/logs.ts'
import { oneTarget } from '../support/admin-client.ts'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { storedName, storedScenarios } from './cases.ts'

/** The whole lab, a gateway with everything on that tells of a request, and whoever is told. */
export interface Rig extends AsyncDisposable {
  readonly lab: Lab
  readonly gateway: ManagedTestGateway
  readonly receiver: Receiver
  readonly events: readonly PosternEvent[]
  /** Of the management API, as the administrator. */
  call(method: string, path: string, body?: object, accept?: string): Promise<Called>
}

export interface Called {
  readonly status: number
  readonly text: string
  readonly bytes: Buffer
}

export async function startRig(): Promise<Rig> {
  await using stack = new AsyncDisposableStack()
  const lab = stack.use(await startLab())
  const receiver = stack.use(await startReceiver())
  const directory = await mkdtemp(join(tmpdir(), 'postern-follow-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const trustFile = join(directory, 'ca.pem')
  for (const [name, text] of Object.entries({ 'ca.pem': lab.trust.bundlePem, ...labConfigFiles(lab) })) {
    await writeFile(join(directory, name), text)
  }
  const logs = [...allLogs, { format: 'native', otlp: true }]
  const config = parse(labConfig(lab, { port: 0, managementPort: 0, trustFile, logs })) as Config
  const events: PosternEvent[] = []
  const gateway = stack.use(
    await startManagedGateway(
      {
        ...config,
        targets: Object.fromEntries(
          Object.entries(config.targets).map(([name, target]) => [name, timed(name, target)]),
        ),
        organization: 'acme',
        // The first failure of a kind waits for its cause here however busy the machine is.
        diagnosis: { live: true, wait: '5s' },
        otlp: { endpoint: receiver.url, metrics: { interval: '1s' } },
        tracing: { sample: 0, failures: true },
      },
      { onEvent: (event) => void events.push(event) },
    ),
  )
  await deployStored(gateway, lab)
  const owned = stack.move()
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  return {
    lab,
    gateway,
    receiver,
    events,
    async call(method, path, body, accept = 'application/json') {
      const response = await fetch(`http://127.0.0.1:${gateway.gateway.managementPort}${path}`, {
        method,
        headers: { authorization, accept, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const bytes = Buffer.from(await response.arrayBuffer())
      return { status: response.status, text: bytes.toString(), bytes }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface Config extends Record<string, unknown> {
  readonly targets: Readonly<Record<string, Record<string, unknown>>>
}

/** Deadlines that are meant to pass do so soon, all others never. */
function timed(name: string, target: Record<string, unknown>): Record<string, unknown> {
  const { expect }: Scenario = scenarios[name as ScenarioName]
  const of = (kind: FaultKind): string => (expect.fault === kind ? '500ms' : '15s')
  const timeouts = { connect: of('connect-timeout'), handshake: of('tls-timeout'), firstByte: of('response-timeout') }
  return { ...target, timeouts }
}

async function deployStored({ api }: ManagedTestGateway, lab: Lab): Promise<void> {
  await api.keystore('lab')
  await api.alias('lab', 'root', lab.trust.bundlePem)
  for (const scenario of storedScenarios) {
    const { host, port } = lab.backend(scenario)
    const ssl = '<SSLInfo><Enabled>true</Enabled><TrustStore>lab</TrustStore></SSLInfo>'
    await api.importBundle(
      storedName(scenario),
      oneTarget(storedName(scenario), `<URL>https://${host}:${port}</URL>${ssl}`),
    )
    await api.deploy(storedName(scenario), 1)
  }
}
