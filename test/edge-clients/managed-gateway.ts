import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { startManaged } from '../../src/admin/start.ts'
import type { Gateway } from '../../src/control/gateway.ts'
import { openMemoryState } from '../../src/state/open.ts'

export interface ManagedTestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  /** Of the listener for traffic, `http://127.0.0.1:PORT`. */
  readonly origin: string
  /** Of the management API, through a recorder. */
  readonly api: string
  readonly password: string
  /** Requests that came to the management API since it was asked for last, `GET /v1/o/acme`, in their order. */
  recorded(): readonly string[]
  /** For files of a test; gone with the gateway. */
  readonly directory: string
}

/** A fresh gateway with organization `acme`, environments `test` and `prod`, a listener, and its management API. */
export async function managedGateway(): Promise<ManagedTestGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-client-'))
  const password = 'a-password-for-tests'
  const configFile = join(directory, 'postern.yaml')
  const config = {
    organization: 'acme',
    environment: 'test',
    listeners: [{ name: 'http', address: '127.0.0.1', port: 0 }],
    management: { address: '127.0.0.1', port: 0 },
    logs: [{ format: 'native', file: 'postern.log' }],
    diagnosis: { live: false },
  }
  await writeFile(configFile, stringify(config))
  const store = await openMemoryState()
  const managed = await startManaged({
    configFile,
    store,
    environments: ['test', 'prod'],
    adminPassword: password,
    workers: 2,
    env: {},
  })
  const { gateway } = managed
  const requests: string[] = []
  const recorder = await recording(gateway.managementPort ?? 0, requests)
  return {
    gateway,
    directory,
    password,
    origin: `http://127.0.0.1:${gateway.ports['http'] ?? 0}`,
    api: `http://127.0.0.1:${(recorder.address() as AddressInfo).port}`,
    recorded: () => requests.splice(0),
    async [Symbol.asyncDispose]() {
      recorder.closeAllConnections()
      recorder.close()
      await managed.stop(0)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Passes everything on as it is, and writes down what was asked for. */
function recording(port: number, requests: string[]): Promise<Server> {
  const server = createServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`)
    const { method, url, headers } = incoming
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    incoming.pipe(onward)
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}
