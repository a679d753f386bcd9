import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { writeLabFiles } from '../lab/files.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { type Expectation, type Scenario, type ScenarioName, scenarioNames, scenarios } from '../lab/scenarios.ts'
import type { CommandIo } from './command-io.ts'
import { fileProblem } from './file-problem.ts'
import { parseOptions } from './parse-options.ts'

/** `postern lab`: backends with one fault each on loopback, until the signal. */
export async function labCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  let lab: Lab | null = null
  try {
    const asked = args[0] === 'help'
    const { values } = parseOptions({ args: [...args], options, allowPositionals: asked })
    if (values.help || asked) {
      io.stdout(labHelp)
      return 0
    }
    const ports = portBase(values['port-base'])
    if (values.out !== undefined) await mkdir(values.out, { recursive: true }).catch(refuseOut(values.out))
    lab = await startLab({ ports, ...(values.only === undefined ? {} : { scenarios: values.only.map(scenarioNamed) }) })
    if (values.out !== undefined) await writeLabFiles(values.out, lab)
    io.stdout(values.json ? tableJson(lab) : tableText(lab, values.out ?? null))
    await aborted(signal)
    return 0
  } catch (thrown) {
    const code = codeOf(thrown)
    const isUsage = code === 'usage'
    if (!isUsage && code !== 'EADDRINUSE' && code !== 'EACCES') throw thrown
    const hint = code === 'EADDRINUSE' ? '; is a lab running already? Other ports: --port-base N' : ''
    io.stderr(`postern lab: ${messageOf(thrown)}${hint}\n`)
    return isUsage ? 2 : 1
  } finally {
    await lab?.close()
  }
}

const options = {
  'port-base': { type: 'string', default: '9440' },
  only: { type: 'string', multiple: true },
  out: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const labHelp = `postern lab: backends with one fault each, on loopback

  postern lab [--port-base N] [--only SCENARIO]... [--out DIR] [--json]

  --port-base N     port of the first scenario, the others follow in the order of the table (default 9440)
  --only SCENARIO   start these only; each keeps its port
  --out DIR         write ca.crt (what a gateway is to trust), what mends the faults, and a client certificate
  --json            print the table as JSON

Certificates are made anew at each start and vanish with it. Ctrl-C ends the lab.
Exit status: 0 a signal has ended it, 1 it could not start, 2 wrong usage.

Example
  postern lab --out lab
  curl --cacert lab/ca.crt https://localhost:9440/
`

function tableText(lab: Lab, directory: string | null): string {
  const lines = lab.backends.map(({ scenario, host, port }) => {
    const { summary, expect, tryThis }: Scenario = scenarios[scenario]
    return `${scenario.padEnd(34)} ${host}:${port}\n    ${summary}\n    Expect ${expectText(expect)}.\n    ${tryThis}\n`
  })
  const [first] = lab.backends
  const trust =
    directory === null
      ? "Start with --out DIR to have the lab's CA and the other files as files."
      : `Trust ${join(directory, 'ca.crt')}. Try: curl --cacert ${join(directory, 'ca.crt')} https://localhost:${first?.port}/`
  return `${lines.join('')}${trust}\nThe lab runs until Ctrl-C.\n`
}

function expectText({ verdict, trafficVerdict, fault, party, guilty, findings }: Expectation): string {
  const parts = [
    `verdict ${verdict}${trafficVerdict === verdict ? '' : ` (traffic alone can tell: ${trafficVerdict})`}`,
    ...(verdict === 'trusted' ? [] : [`mended by: ${party}`]),
    ...(guilty === null ? [] : [`guilty: ${guilty}`]),
    ...(findings.length === 0 ? [] : [`finding ${findings.join(', ')}`]),
    fault === null ? "the backend's answer" : `fault ${fault}`,
  ]
  return parts.join('; ')
}

function tableJson(lab: Lab): string {
  const backends = lab.backends.map(({ scenario, host, port, serverName }) => {
    return { scenario, host, port, serverName, ...scenarios[scenario] }
  })
  return `${JSON.stringify({ backends }, null, 2)}\n`
}

function scenarioNamed(name: string): ScenarioName {
  const found = scenarioNames.find((it) => it === name)
  if (found === undefined) throw usage(`--only ${name}: there are ${scenarioNames.join(', ')}`)
  return found
}

function portBase(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  const highest = 65_536 - scenarioNames.length
  if (port < 1 || port > highest) throw usage(`--port-base ${text}: a port from 1 to ${highest}`)
  return port
}

function refuseOut(directory: string): (error: unknown) => never {
  return (error) => {
    throw usage(`--out ${directory}: ${fileProblem(error)}`)
  }
}

function usage(message: string): PosternError {
  return new PosternError('usage', message)
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
