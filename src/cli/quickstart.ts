import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startManaged } from '../admin/start.ts'
import type { Gateway } from '../control/gateway.ts'
import { messageOf } from '../core/errors.ts'
import { labConfig, labConfigFiles } from '../lab/gateway-config.ts'
import { startLab } from '../lab/lab.ts'
import { type Scenario, type ScenarioName, scenarioNames, scenarios } from '../lab/scenarios.ts'
import type { CommandIo } from './command-io.ts'
import { commandName } from './command-name.ts'
import { openMemoryState } from '../state/open.ts'
import { parseOptions } from './parse-options.ts'
import { managedGuide, type QuickstartAdmin, seeGuide, storeExample } from './quickstart-managed.ts'

const usage = `usage: npm start [-- --port N --management-port N]

Runs the gateway with the lab behind it, both on loopback: a route for every fault under each fault profile.
Its organization is myorg, its environment test; the management API has a user "admin" with a password that is printed.

  --port N             of the gateway; default 8080, 0 for any that is free
  --management-port N  of the management API; default 8090
Exit status: 0 a signal has ended it, 1 it could not start, 2 wrong usage.
`

/** `npm start`: gateway and lab in one process, until a signal ends them. */
export async function quickstartCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  let port: number
  let managementPort: number
  try {
    const { values } = parseOptions({
      args: [...args],
      options: {
        port: { type: 'string', default: '8080' },
        'management-port': { type: 'string', default: '8090' },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: args[0] === 'help',
    })
    if (values.help || args[0] === 'help') {
      io.stdout(usage)
      return 0
    }
    port = Number(values.port)
    managementPort = Number(values['management-port'])
    if (![port, managementPort].every((each) => Number.isInteger(each) && each >= 0 && each < 65_536))
      throw new Error('a port is a number from 0 to 65535')
  } catch (error) {
    io.stderr(`npm start: ${messageOf(error)}\n${usage}`)
    return 2
  }
  const directory = await mkdtemp(join(tmpdir(), 'postern-quickstart-'))
  await using lab = await startLab()
  try {
    const trustFile = join(directory, 'lab-ca.crt')
    const configFile = join(directory, 'postern.yaml')
    const logFile = join(directory, 'postern.log')
    await writeFile(trustFile, lab.trust.bundlePem)
    await writeFile(`${trustFile}.good`, lab.trust.bundlePem)
    for (const [name, text] of Object.entries(labConfigFiles(lab))) {
      await writeFile(join(directory, name), text, { mode: 0o600 })
    }
    await writeFile(
      configFile,
      labConfig(lab, { port, managementPort, trustFile, logs: [{ format: 'native', file: logFile }] }),
    )
    const command = commandName(process.env)
    await using managed = await startManaged({
      configFile,
      workers: 1,
      env: process.env,
      posternCommand: command,
      store: await openMemoryState(),
    })
    const { gateway, firstAdmin } = managed
    const admin: QuickstartAdmin = {
      origin: `http://127.0.0.1:${gateway.managementPort}`,
      password: firstAdmin?.password ?? '',
    }
    await storeExample(admin, lab)
    io.stdout(guide(gateway, { directory, configFile, trustFile, logFile }, command, admin))
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await managed.stop(2000)
    return 0
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

interface QuickstartFiles {
  readonly directory: string
  readonly configFile: string
  readonly trustFile: string
  readonly logFile: string
}

/** Scenarios that say most in the first five minutes. */
const first: readonly ScenarioName[] = [
  'ok',
  'missing-root',
  'missing-intermediate',
  'name-mismatch',
  'expired',
  'plain-http',
]

function allScenarios(): string {
  const lines: string[] = []
  for (const name of scenarioNames) {
    const last = lines.at(-1)
    if (last === undefined || last.length + name.length > 110) lines.push(`  ${name}`)
    else lines[lines.length - 1] = `${last} ${name}`
  }
  return lines.join('\n')
}

function guide(gateway: Gateway, files: QuickstartFiles, command: string, admin: QuickstartAdmin): string {
  const origin = `http://127.0.0.1:${gateway.ports['http']}`
  const width = Math.max(...first.map((name) => name.length))
  const routes = first.map((name) => {
    const { summary, expect }: Scenario = scenarios[name]
    const outcome = expect.fault === null ? "200, the backend's answer" : `refused: ${expect.trafficVerdict}`
    return `  curl -i ${origin}/native/${name.padEnd(width)}   ${outcome}. ${summary}\n`
  })
  return `Postern answers on ${origin}. Behind it runs a lab of ${scenarioNames.length} backends, most of them broken on purpose.

Try, in another terminal:
${routes.join('')}
The first part of the path is the fault profile: what a client is told, and in whose words.
  curl -i ${origin}/apigee/missing-root   503 as Apigee Edge answers it, PKIX text and X-Apigee headers included
  curl -i ${origin}/apim/missing-root     500 as the Azure self-hosted gateway answers it, with an activity id

What the operator is told, with the cause and whose side it is on, is in the log; the request id links it to the answer:
  tail -f ${files.logFile} | grep -E '"(request-failed|diagnosed)"'

Exactly why, and what to change, with commands that can be run as they stand:
  ${command} tls check missing-intermediate -c ${files.configFile}

The trust store is a file that is watched. Change what is trusted, without a restart and without a lost request:
  ${command} pki root --cn "Other Root" --out ${files.directory}/other
  cp ${files.directory}/other/root.crt ${files.trustFile}    a root that signed none of them: /native/ok answers 502
  echo broken > ${files.trustFile}    refused and reported in the log; what was trusted stays so
  cp ${files.trustFile}.good ${files.trustFile}    the lab's root again: /native/ok answers 200

${managedGuide(admin, origin)}
${seeGuide(admin, origin, command)}
Metrics: http://127.0.0.1:${gateway.managementPort}/metrics   Configuration: ${files.configFile}
All scenarios, each under /native, /apigee and /apim:
${allScenarios()}
Ctrl-C ends both.
`
}
