import type { PosternEvent } from '../../observe/events.ts'
import type { ProxyPlan, TargetPlan } from '../../proxy/plan.ts'
import { type Bundle, jsonText, packBundle } from '../../support/bundle.ts'
import { openCollection } from '../../support/collection.ts'
import { addLogFiles, type LogPlace } from '../../support/log-files.ts'
import { redactor } from '../../support/redact.ts'
import { addRequestFiles } from '../../support/request-files.ts'
import { type SummaryFacts, summaryText } from '../../support/summary.ts'
import { addTargetFiles, type ServerMaterial } from '../../support/target-files.ts'
import type { FoundRequest, SupportQuestion } from '../../support/types.ts'
import { versionsHere } from '../../support/versions.ts'
import { apiCredentials, shellWord } from '../../verdict/shell.ts'
import { ApiError, type ApiCall } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { targetNamed } from './target-named.ts'
import type { Operated } from '../operator-routes.ts'
import { faultPlace } from './fault-place.ts'
import { addConfig, addEvents, addGatewayFiles } from './support-gateway.ts'
import { knownRequest, maskedRequest, ownsAllLogs, requestFrom, requestFromLog } from './support-request.ts'
import {
  hideableNames,
  otherOrganizations,
  proxiesHere,
  secretsHeld,
  targetsHere,
  targetsOfProxy,
} from './support-scope.ts'
import { askServers } from './support-servers.ts'
import { addEffective, addStored } from './support-stored.ts'
import { masksFor } from './trace-start.ts'

export interface SupportParts {
  readonly native: NativeGateway
  readonly operated: Operated
  /** Recent ones, the oldest first. */
  readonly events: () => readonly PosternEvent[]
}

/** I10. */
const maxTargets = 5

/** Everything that is known of the question. Throws 404 where there is nothing to ask about. */
export async function collectBundle(
  { native, operated, events }: SupportParts,
  call: Pick<ApiCall, 'services' | 'principal' | 'headers'>,
  asked: SupportQuestion,
  signal: AbortSignal,
): Promise<Bundle> {
  const targetsOfPlace = targetsHere(native, asked)
  const named = asked.target === null ? null : targetNamed(targetsOfPlace, asked, asked.target)
  const question = named === null ? asked : { ...asked, target: named.name }
  const into = openCollection(signal)
  const { requestId } = question
  const all = { proxies: proxiesHere(native, question), targets: targetsOfPlace }
  refuseUnknown(question, all)
  const known = requestId === null ? null : await knownRequest(native, requestId, question, into)
  const first = known === null ? null : requestFrom(known)
  // Whose the lines are is known once the request is, or where there is nobody else.
  const mayReadLines = known !== null && !known.isOthers && (first !== null || ownsAllLogs(native, question))
  const logs = logPlaces(native)
  const early = requestId !== null && first === null && known?.isOthers === false ? await linesOf(requestId) : []
  const found = first ?? (requestId === null ? null : requestFromLog(native, question, requestId, early))
  if (requestId !== null && found === null) {
    const why = `neither monitoring nor a debug session nor a native log has a request ${requestId} of ${question.organization}/${question.environment}`
    if (question.proxy === null && question.target === null && !(mayReadLines && early.length > 0))
      throw unknownRequest(why)
    into.lack('request.json', why)
  }
  const proxies = proxiesOf(question, found, all.proxies)
  const targets = targetsOf(question, found, proxies, all.targets)
  if (targets.length > maxTargets)
    into.lack('further targets', `${targets.length} are concerned; the first ${maxTargets} are here`)
  const concerned = targets.slice(0, maxTargets)
  const masks = await masksFor(call as ApiCall, question.organization, found?.proxy ?? proxies[0]?.name ?? '')
  const masked = found === null ? null : maskedRequest(found, masks)
  const listener = found === null ? null : listenerOf(native, operated, found.listener)
  const curl =
    masked === null
      ? null
      : addRequestFiles(into, {
          request: masked.request,
          transactions: known?.transactions ?? [],
          listener,
          startTrace: traceCommands(native, call, question, masked.request.proxy),
        })
  if (question.logs) {
    const id = found !== null || mayReadLines ? requestId : null
    if (requestId !== null && id === null)
      into.lack('logs/', 'whose request it is is not known, and the log files are those of several organizations')
    const at = found === null ? null : Date.parse(found.at)
    const names = concerned.map(({ name }) => name)
    await addLogFiles(into, logs, { requestId: id, at, targets: names, signal })
  } else into.lack('logs/', 'not asked for')
  const servers = await askServers(native, concerned, question, into)
  addTargetFiles(into, servers, question.capture)
  addConfig(into, native, question)
  addEffective(into, native, proxies, concerned, found?.listener ?? null)
  await into.attempt('stored objects', () => addStored(into, native, call, question, proxies, concerned))
  await into.attempt('status, metrics and inventory', () => addGatewayFiles(into, native, operated, question))
  addEvents(into, events(), new Set(concerned.map(({ name }) => name)), storesOf(servers))
  const versions = versionsHere()
  into.add({
    name: 'versions.json',
    what: 'Of the program, its runtime and the system.',
    source: 'this process',
    content: jsonText(versions),
  })
  const createdAt = call.services.clock()
  const facts: SummaryFacts = {
    question,
    createdAt,
    versions,
    request: masked?.request ?? null,
    proxies,
    servers,
    place: faultPlace(native, concerned, masked?.request ?? null),
    curl,
    missing: into.missing,
    files: into.files.filter(({ name }) => toLookAt.test(name)),
  }
  const redact = redactor({
    secrets: secretsHeld(native, question),
    masked: masked?.hidden ?? [],
    others: hideableNames(otherOrganizations(native, question.organization), [
      question.organization,
      question.environment,
      ...proxies.map(({ name }) => name),
      ...concerned.map(({ name }) => name),
    ]),
  })
  const summary = {
    name: 'summary.md',
    what: 'What failed, why, whose side it is and what to do, on one page.',
    source: 'everything here',
    content: summaryText(facts),
  }
  const createdBy = call.principal.user
  const parts = { question, createdAt, createdBy, versions, files: [summary, ...into.files], missing: into.missing }
  return packBundle(parts, redact)

  /** Before it is known whose they are: for nothing but to find that out. */
  async function linesOf(id: string): Promise<readonly string[]> {
    const nowhere = openCollection(signal)
    return addLogFiles(nowhere, logs, { requestId: id, at: null, targets: [], signal })
  }
}

const toLookAt = /^(?:target\/.*comparison|target\/.*report\.txt|trace\/.*json|logs\/|capture\/|curl)/

const unknownRequest = (why: string): ApiError =>
  new ApiError(
    404,
    'request-unknown',
    `${why}; with proxy or target a bundle has what there is without it: probe reports, stores, configuration, status and metrics`,
  )

function refuseUnknown(
  { proxy, target, organization, environment }: SupportQuestion,
  all: { readonly proxies: readonly ProxyPlan[]; readonly targets: readonly TargetPlan[] },
): void {
  const where = `in environment ${environment} of ${organization}`
  if (proxy !== null && !all.proxies.some(({ name }) => name === proxy))
    throw new ApiError(404, 'proxy-unknown', `no proxy ${proxy} runs ${where}`)
  if (target !== null && !all.targets.some(({ name }) => name === target))
    throw new ApiError(404, 'target-unknown', `no target ${target} runs ${where}`)
}

function proxiesOf(
  question: SupportQuestion,
  found: FoundRequest | null,
  all: readonly ProxyPlan[],
): readonly ProxyPlan[] {
  const name = question.proxy ?? found?.proxy ?? ''
  const named = all.filter((each) => each.name === name)
  const exact = named.filter(({ revision }) => revision === found?.revision)
  if (named.length > 0) return exact.length > 0 ? exact : named
  return question.target === null ? [] : all.filter((each) => targetsOfProxy(each).includes(question.target ?? ''))
}

function targetsOf(
  { target, proxy }: SupportQuestion,
  found: FoundRequest | null,
  proxies: readonly ProxyPlan[],
  all: readonly TargetPlan[],
): readonly TargetPlan[] {
  const one = target ?? found?.target ?? ''
  const names =
    one === '' || (target === null && proxy !== null && found === null) ? proxies.flatMap(targetsOfProxy) : [one]
  return all.filter(({ name }) => names.includes(name))
}

function storesOf(servers: readonly ServerMaterial[]): ReadonlySet<string> {
  return new Set(servers.flatMap(({ store }) => (store?.names ?? []).map((name) => name.split(' -> ').at(-1) ?? name)))
}

function logPlaces({ plan }: NativeGateway): readonly LogPlace[] {
  return plan.logs.map(({ format, sink }) => ({
    format,
    path: sink.kind === 'file' ? sink.path : null,
    kind: sink.kind === 'stdout' ? 'the standard output' : sink.kind === 'outlet' ? 'a receiver on the network' : '',
  }))
}

/** Where this machine reaches it. */
function listenerOf({ plan }: NativeGateway, operated: Operated, name: string) {
  const listener = plan.listeners.find((each) => each.name === name)
  if (listener === undefined) return null
  const status = operated.status()
  const ports = typeof status === 'object' && status !== null && 'ports' in status ? status.ports : null
  const open =
    typeof ports === 'object' && ports !== null ? Object.entries(ports).find(([each]) => each === name)?.[1] : null
  const { address } = listener
  const any = address === '0.0.0.0' || address === '*' ? '127.0.0.1' : address === '::' ? '::1' : address
  return { address: any, port: typeof open === 'number' ? open : listener.port, tls: listener.tls !== null }
}

/** For people and for programs: the command, and the same by HTTP. null: no proxy took the request. */
function traceCommands(
  { resolved, posternCommand }: NativeGateway,
  { headers }: Pick<ApiCall, 'headers'>,
  { organization, environment }: SupportQuestion,
  proxy: string,
): string | null {
  if (proxy === '') return null
  const host = /^[A-Za-z0-9._:[\]-]+$/.test(headers['host'] ?? '') ? headers['host'] : '127.0.0.1'
  const origin = `${resolved.management?.tls == null ? 'http' : 'https'}://${host}`
  const place = `--org ${shellWord(organization)} --env ${shellWord(environment)}`
  const command = `${posternCommand} trace --admin ${shellWord(origin)} ${shellWord(proxy)} ${place}`
  const path = `/api/organizations/${encodeURIComponent(organization)}/environments/${encodeURIComponent(environment)}/traces`
  const body = shellWord(JSON.stringify({ proxy }))
  const curl = `curl -sS -u ${apiCredentials} -H 'Content-Type: application/json' -d ${body} ${shellWord(`${origin}${path}`)}`
  return `${command}; or: ${curl}`
}
