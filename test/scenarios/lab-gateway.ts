import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { labConfig, labConfigFiles, type LabConfigOptions } from '../../src/lab/gateway-config.ts'
import { type Lab, type LabOptions, startLab } from '../../src/lab/lab.ts'
import { startTestGateway, type TestConfig, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { exchangeRaw } from '../support/raw-client.ts'

/** A lab with a gateway in front of it: `/{profile}/{scenario}` and whatever `change` adds. */
export interface LabGateway extends AsyncDisposable {
  readonly lab: Lab
  readonly gateway: TestGateway
  readonly port: number
}

export interface LabGatewayOptions extends Omit<TestGatewayOptions, 'files'> {
  readonly lab?: LabOptions
  readonly logs?: LabConfigOptions['logs']
  readonly tls?: LabConfigOptions['tls']
  readonly files?: (lab: Lab) => Readonly<Record<string, string>>
  /** Puts a test's own parts into the lab's configuration. */
  readonly change?: (config: Record<string, unknown>, lab: Lab) => TestConfig
}

export async function startLabGateway(options: LabGatewayOptions = {}): Promise<LabGateway> {
  const { lab: labOptions, logs = [{ format: 'native', file: 'native.log' }], tls, files, change, ...rest } = options
  const lab = await startLab(labOptions)
  try {
    const text = labConfig(lab, {
      port: 0,
      managementPort: null,
      trustFile: './ca.pem',
      logs,
      ...(tls === undefined ? {} : { tls }),
    })
    const config = parse(text) as Record<string, unknown>
    const gateway = await startTestGateway(change?.(config, lab) ?? config, {
      ...rest,
      files: { 'ca.pem': lab.trust.bundlePem, ...labConfigFiles(lab), ...files?.(lab) },
    })
    return {
      lab,
      gateway,
      port: gateway.gateway.ports['http'] ?? 0,
      async [Symbol.asyncDispose]() {
        await gateway[Symbol.asyncDispose]()
        await lab.close()
      },
    }
  } catch (error) {
    await lab.close()
    throw error
  }
}

/** A response as it came, however it ended. */
export interface Answer {
  readonly status: number
  readonly reason: string
  /** Lower-case names; a repeated field is joined with ', '. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** One request on a connection of its own; the answer is everything up to the end of the connection. */
export async function get(port: number, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const lines = Object.entries({ Host: 'api.test', Connection: 'close', ...headers })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return parseAnswer(await exchangeRaw(port, `GET ${path} HTTP/1.1\r\n${head}\r\n`))
}

export function parseAnswer(text: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = text.slice(0, end === -1 ? text.length : end).split('\r\n')
  const [, status = '0', ...reason] = statusLine.split(' ')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return { status: Number(status), reason: reason.join(' '), headers, body: end === -1 ? '' : text.slice(end + 4) }
}

/** What of a log file has been written so far, in whole lines. */
export async function writtenLines(gateway: Pick<TestGateway, 'directory'>, file: string): Promise<readonly string[]> {
  const text = await readFile(join(gateway.directory, file), 'utf8').catch(() => '')
  return text.split('\n').slice(0, -1)
}
