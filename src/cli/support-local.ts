import { userInfo } from 'node:os'
import { faultPlace } from '../admin/native/fault-place.ts'
import { addEffective } from '../admin/native/support-stored.ts'
import { proxiesHere, secretsHeld, targetsOfProxy } from '../admin/native/support-scope.ts'
import { PosternError } from '../core/errors.ts'
import type { ResolvedOk } from '../config/resolve.ts'
import { configContext, knownCertificates, storedCertificates } from '../diagnosis/config-context.ts'
import { openDiagnoser } from '../diagnosis/diagnoser.ts'
import { reportJson } from '../diagnosis/report-json.ts'
import { trustMaterial } from '../diagnosis/trust-material.ts'
import type { ServerPlan, TargetPlan } from '../proxy/plan.ts'
import { jsonText, packBundle } from '../support/bundle.ts'
import { type Collection, openCollection } from '../support/collection.ts'
import { configShown } from '../support/config-shown.ts'
import { recordOf, requestFromRecord } from '../support/found-request.ts'
import { addLogFiles } from '../support/log-files.ts'
import { redactor } from '../support/redact.ts'
import { addRequestFiles } from '../support/request-files.ts'
import { summaryText } from '../support/summary.ts'
import { addTargetFiles, type ServerMaterial } from '../support/target-files.ts'
import type { FoundRequest, SupportQuestion } from '../support/types.ts'
import { versionsHere } from '../support/versions.ts'
import { shellWord } from '../verdict/shell.ts'
import { noMasks } from '../traces/mask.ts'
import { maskedRequest } from '../admin/native/support-request.ts'
import { commandName } from './command-name.ts'
import type { SupportOptions } from './support.ts'
import { loadConfig } from './tls-config.ts'

/** Milliseconds. */
const maxTime = 60_000

/** A bundle of what a configuration file leads to: no gateway is asked. */
export async function bundleOfFile(options: SupportOptions, file: string | null, signal: AbortSignal): Promise<Buffer> {
  const loaded = await loadConfig(file, true, process.env, 'postern support --admin URL asks it.')
  if (loaded === null) throw new PosternError('usage', '-c FILE or --admin URL is needed')
  const { resolved } = loaded
  const { organization: org, environment: env, ...rest } = options
  const { organization, environment } = resolved.plan
  if ((org ?? organization) !== organization || (env ?? environment) !== environment)
    throw new PosternError(
      'usage',
      `the configuration is ${organization}/${environment}'s; others are known to the running gateway`,
    )
  const question: SupportQuestion = { ...rest, organization, environment }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(maxTime)])
  const into = openCollection(limit)
  const found = question.requestId === null ? null : await fromLogs(resolved, question.requestId, limit)
  if (question.requestId !== null && found === null) {
    const why = `no native log file of the configuration has a request ${question.requestId}`
    if (question.proxy === null && question.target === null)
      throw new PosternError('support-refused', `${why}; the running gateway may know it: --admin URL`)
    into.lack('request.json', why)
  }
  const { proxies, targets } = concerned(resolved, question, found)
  const masked = found === null ? null : maskedRequest(found, noMasks).request
  const curl =
    masked === null
      ? null
      : addRequestFiles(into, {
          request: masked,
          transactions: [],
          listener: listenerOf(resolved, masked.listener),
          startTrace:
            masked.proxy === '' ? null : `${commandName(process.env)} trace --admin URL ${shellWord(masked.proxy)}`,
        })
  if (question.logs) {
    const at = found === null ? null : Date.parse(found.at)
    await addLogFiles(into, logsOf(resolved), {
      requestId: question.requestId,
      at,
      targets: targets.map(({ name }) => name),
      signal: limit,
    })
  } else into.lack('logs/', 'not asked for')
  const servers = await askServers(resolved, loaded.file, targets, question.capture, limit, into)
  signal.throwIfAborted()
  addTargetFiles(into, servers, question.capture)
  const shown = configShown(resolved.text)
  if (shown !== null)
    into.add({
      name: 'config/postern.yaml',
      what: 'The configuration file; values of headers and user names are hidden, secrets are places.',
      source: 'the file, written again without its comments',
      content: shown,
    })
  addEffective(into, resolved, proxies, targets, found?.listener ?? null)
  const versions = versionsHere()
  into.add({
    name: 'versions.json',
    what: 'Of the program, its runtime and the system.',
    source: 'this process',
    content: jsonText(versions),
  })
  into.lack(
    'trace/, status.json, metrics.txt, inventory.json, events.json',
    'the running gateway has them: --admin URL',
  )
  const createdAt = Date.now()
  const files = into.files.filter(({ name }) => /comparison|report\.txt|logs\/|capture\/|curl/.test(name))
  const place = faultPlace(
    { resolved, posternCommand: commandName(process.env), configFile: loaded.file },
    targets,
    masked,
  )
  const { missing } = into
  const facts = { question, createdAt, versions, request: masked, proxies, servers, place, curl, missing, files }
  const summary = {
    name: 'summary.md',
    what: 'What failed, why, whose side it is and what to do, on one page.',
    source: 'everything here',
    content: summaryText(facts),
  }
  const secrets = secretsHeld({ plan: resolved.plan, resolved, stored: { keystores: new Map() } }, question)
  const parts = {
    question,
    createdAt,
    createdBy: userInfo().username,
    versions,
    files: [summary, ...into.files],
    missing: into.missing,
  }
  const { zip } = await packBundle(parts, redactor({ secrets, masked: [], others: [] }))
  return zip
}

function concerned(
  { plan }: ResolvedOk,
  { proxy, target, organization, environment }: SupportQuestion,
  found: FoundRequest | null,
) {
  const all = proxiesHere({ plan }, { organization, environment })
  if (proxy !== null && !all.some(({ name }) => name === proxy))
    throw new PosternError('support-refused', `the configuration has no proxy ${proxy}`)
  if (target !== null && !plan.targets.some(({ name }) => name === target))
    throw new PosternError('support-refused', `the configuration has no target ${target}`)
  const wanted = proxy ?? found?.proxy
  const proxies = all.filter((each) =>
    wanted === undefined ? targetsOfProxy(each).includes(target ?? '') : each.name === wanted,
  )
  const one = target ?? (found?.target === '' ? undefined : found?.target)
  const names = one === undefined ? proxies.flatMap(targetsOfProxy) : [one]
  return { proxies, targets: plan.targets.filter(({ name }) => names.includes(name)) }
}

async function fromLogs(resolved: ResolvedOk, id: string, signal: AbortSignal): Promise<FoundRequest | null> {
  const lines = await addLogFiles(openCollection(signal), logsOf(resolved), {
    requestId: id,
    at: null,
    targets: [],
    signal,
  })
  for (const line of lines) {
    const record = recordOf(line)
    if (record?.['type'] === 'access' && record['id'] === id) return requestFromRecord(record, id)
  }
  return null
}

function logsOf({ plan }: ResolvedOk) {
  return plan.logs.map(({ format, sink }) => ({
    format,
    path: sink.kind === 'file' ? sink.path : null,
    kind: sink.kind === 'stdout' ? 'the standard output' : 'a receiver on the network',
  }))
}

function listenerOf({ plan }: ResolvedOk, name: string) {
  const listener = plan.listeners.find((each) => each.name === name)
  if (listener === undefined || listener.port === 0) return null
  const { address, port, tls } = listener
  return { address: address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address, port, tls: tls !== null }
}

async function askServers(
  resolved: ResolvedOk,
  configFile: string,
  targets: readonly TargetPlan[],
  capture: boolean,
  signal: AbortSignal,
  into: Collection,
): Promise<readonly ServerMaterial[]> {
  const known = knownCertificates(resolved.input.stores, storedCertificates(resolved))
  const diagnoser = openDiagnoser({
    known,
    fetchIssuers: false,
    mode: 'runtime',
    time: null,
    transcript: capture,
    signal,
  })
  const where = { configFile, posternCommand: commandName(process.env) }
  try {
    const found: ServerMaterial[] = []
    for (const target of targets) {
      for (const server of target.servers) {
        const seen =
          server.tls === null
            ? null
            : await into.attempt(`a probe of ${target.name} (${server.name})`, () =>
                diagnoser.diagnose(server, configContext(resolved, target, server, where)),
              )
        found.push(material(resolved, target, server, seen))
      }
    }
    return found
  } finally {
    diagnoser.close()
  }
}

type Seen = Awaited<ReturnType<ReturnType<typeof openDiagnoser>['diagnose']>>

function material({ config }: ResolvedOk, target: TargetPlan, server: ServerPlan, seen: Seen | null): ServerMaterial {
  const { name, host, port, tls } = server
  const checked = { entry: target.name, server, target: target.name }
  return {
    target: target.name,
    server: name,
    host,
    port,
    tls: tls !== null,
    probed: seen === null ? null : reportJson(checked, seen, { mode: 'runtime', time: null, at: Date.now() }),
    before: null,
    served: seen?.served ?? [],
    store: tls === null ? null : { names: config.targets[target.name]?.tls?.trust ?? [], ...trustMaterial(tls) },
    probe: seen?.probe ?? null,
  }
}
