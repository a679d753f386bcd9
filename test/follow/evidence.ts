import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { readZip } from '../../src/core/zip.ts'
import type { Message } from '../otlp/decode.ts'
import { until } from '../otlp/receiver.ts'
import { logsOf, type RequestLogs } from '../scenarios/logs.ts'
import { type ReadSample, readExposition } from '../support/prometheus.ts'
import type { Case } from './cases.ts'
import type { Rig } from './rig.ts'
import { askTraced, endSession, type Traced } from './traced.ts'

/** What each surface has of the requests. */
export interface Evidence {
  readonly metrics: readonly ReadSample[]
  /** Requests that failed, by target and code: as they were sent, and as OTLP's metrics have them. */
  readonly faults: Readonly<Record<string, number>>
  readonly exportedFaults: Readonly<Record<string, number>>
  /** Of the request that was followed to this proxy. */
  of(proxy: string): Found
}

export interface Found {
  readonly traced: Traced
  readonly lines: RequestLogs
  /** As Investigate shows the request. */
  readonly monitored: Readonly<Record<string, unknown>>
  readonly cell: Cell
  readonly bundle: Bundle
  /** By their names; the request's own is the first. */
  readonly spans: readonly Message[]
  /** Its records of OTLP. */
  readonly records: readonly Message[]
  readonly counted: {
    /** Requests to this proxy that ended with the same code. */
    readonly cell: number
    /** The metrics' counts by code, and ours. */
    readonly faultsOfTarget: Readonly<Record<string, number>>
    readonly expectedOfTarget: Readonly<Record<string, number>>
    readonly served: number
  }
}

/** Files of a support bundle, by their names. */
type Bundle = ReadonlyMap<string, Buffer>

interface Cell {
  readonly counts: { readonly requests: number; readonly faults: number }
  readonly breakdown: Readonly<Record<string, readonly { readonly value: string; readonly requests: number }[]>>
  readonly requests: readonly { readonly id: string }[]
}

const atOnce = 8

/** Sends the requests, and waits until everybody has been told of them. */
export async function gather(rig: Rig, cases: readonly Case[]): Promise<Evidence> {
  const tries = new Map<string, readonly Traced[]>()
  const bundles = new Map<string, Bundle>()
  const last = (proxy: string): Traced => {
    const found = tries.get(proxy)?.at(-1)
    assert.ok(found)
    return found
  }
  // An organization may run 16 debug sessions, and those of Edge are there until they are deleted: of the cases that are
  // asked, and of those before them.
  let bundled: Promise<void> = Promise.resolve()
  for (let at = 0; at < cases.length; at += atOnce) {
    const some = cases.slice(at, at + atOnce)
    await Promise.all(some.map(async (each, index) => tries.set(each.proxy, await askUntilExact(rig, each, index))))
    await logsOf(
      rig.gateway,
      some.map(({ proxy }) => last(proxy).id),
    )
    await bundled
    bundled = inTurns(some, 1, async ({ proxy, bundle }) => {
      const traced = last(proxy)
      if (bundle) bundles.set(proxy, await bundleOf(rig, traced.id))
      await endSession(rig, traced)
    })
  }
  await bundled
  const everyTry = [...tries.values()].flat()
  const counts = countsOf(tries)
  const logs = await logsOf(
    rig.gateway,
    everyTry.map(({ id }) => id),
  )
  const { records, spansByTrace } = await receivedBy(rig, everyTry)
  const monitored = new Map<string, Pick<Found, 'monitored' | 'cell'>>()
  await inTurns(cases, 8, async (each) => {
    monitored.set(each.proxy, await monitoredOf(rig, each, last(each.proxy).id))
  })
  const faults = Object.fromEntries(
    [...counts.byTarget].flatMap(([target, codes]) =>
      Object.entries(codes).map(([code, count]): [string, number] => [`${target} ${code}`, count]),
    ),
  )
  // An export has what the one before had, and more.
  await until('the metrics of OTLP have every target', () => {
    return Object.keys(exportedFaults(rig)).length >= Object.keys(faults).length
  })
  const metrics = readExposition((await rig.call('GET', '/metrics')).text)
  return {
    metrics,
    faults,
    exportedFaults: exportedFaults(rig),
    of(proxy) {
      const traced = last(proxy)
      const { code, target } = traced.summary
      const lines = logs(traced.id)
      const cell = counts.byProxy.get(`${proxy} ${code}`) ?? 0
      return {
        traced,
        lines,
        bundle: bundles.get(proxy) ?? new Map(),
        ...(monitored.get(proxy) as Pick<Found, 'monitored' | 'cell'>),
        spans: spansByTrace.get(String(lines.nativeAccess['traceId'])) ?? [],
        records: records.get(traced.id) ?? [],
        counted: {
          cell,
          faultsOfTarget: faultsOf(metrics, target),
          expectedOfTarget: counts.byTarget.get(target) ?? {},
          served: servedOf(metrics, traced.recorded.proxy?.key ?? '', code),
        },
      }
    },
  }
}

export function attributeOf(message: Message, name: string): unknown {
  const attributes = (message['attributes'] ?? []) as readonly { readonly key: string; readonly value: object }[]
  const found = attributes.find(({ key }) => key === name)
  return found === undefined ? undefined : Object.values(found.value)[0]
}

async function bundleOf(rig: Rig, requestId: string): Promise<Bundle> {
  const path = '/api/organizations/acme/environments/test/support'
  const { status, text, bytes } = await rig.call('POST', path, { requestId }, 'application/zip')
  assert.equal(status, 200, text)
  return readZip(bytes)
}

/**
 * Nobody waits for the cause of a deadline, so the first to run into it may hear less. By Edge's API is every other one;
 * several tries would fill it with sessions.
 */
async function askUntilExact(rig: Rig, each: Case, number: number): Promise<readonly Traced[]> {
  const isDeadline = each.expect.fault === 'tls-timeout'
  const found: Traced[] = []
  for (let tries = 0; tries < (isDeadline ? 8 : 1); tries++) {
    const traced = await askTraced(rig, each, number % 2 === 0 && !isDeadline ? 'edge' : 'native')
    found.push(traced)
    if (traced.summary.code === each.code) break
  }
  return found
}

async function inTurns<T>(items: readonly T[], width: number, run: (item: T, number: number) => Promise<void>) {
  const waiting = [...items.entries()]
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await run(next[1], next[0])
    }),
  )
}

function countsOf(tries: ReadonlyMap<string, readonly Traced[]>) {
  const byProxy = new Map<string, number>()
  const byTarget = new Map<string, Record<string, number>>()
  for (const [proxy, list] of tries) {
    for (const { summary } of list) {
      const { code, target } = summary
      byProxy.set(`${proxy} ${code}`, (byProxy.get(`${proxy} ${code}`) ?? 0) + 1)
      if (code === '') continue
      const faults = byTarget.get(target) ?? {}
      faults[code] = (faults[code] ?? 0) + 1
      byTarget.set(target, faults)
    }
  }
  return { byProxy, byTarget }
}

/** Requests that failed have spans, and all have log records. */
async function receivedBy({ receiver }: Rig, everyTry: readonly Traced[]) {
  const failed = everyTry.filter(({ summary }) => summary.code !== '').map(({ id }) => id)
  const all = everyTry.map(({ id }) => id)
  const told = (kind: 'spans' | 'logs', wanted: readonly string[], event?: string) => () => {
    const of = receiver.records(kind).filter((each) => attributeOf(each, 'postern.event') === event)
    const ids = new Set(of.map((each) => attributeOf(each, 'postern.request.id')))
    return wanted.every((id) => ids.has(id))
  }
  await until('every request that failed has a span', told('spans', failed))
  await until('every request that failed has its event', told('logs', failed, 'request-failed'))
  await until('every request has its log record', told('logs', all, 'access'))
  const records = Map.groupBy(receiver.records('logs'), (each) => attributeOf(each, 'postern.request.id'))
  const spansByTrace = Map.groupBy(receiver.records('spans'), ({ traceId }) => String(traceId))
  for (const spans of spansByTrace.values()) spans.sort((a, b) => Number(isChild(a)) - Number(isChild(b)))
  return { records, spansByTrace }
}

function isChild({ parentSpanId }: Message): boolean {
  return parentSpanId !== undefined && parentSpanId !== ''
}

async function monitoredOf(
  rig: Rig,
  { proxy, verdict, fault }: Case,
  id: string,
): Promise<Pick<Found, 'monitored' | 'cell'>> {
  const place = '/api/organizations/acme/environments/test/monitoring'
  const read = async (path: string) => {
    for (let attempt = 0; ; attempt++) {
      const { status, text } = await rig.call('GET', `${place}/${path}`)
      if (status === 200) return JSON.parse(text) as Readonly<Record<string, unknown>>
      assert.ok(status === 404 && attempt < 100, `${path}: ${status} ${text}`)
      await sleep(50)
    }
  }
  const monitored = await read(`requests/${id}`)
  const of = verdict === '' ? `fault=${fault}` : `verdict=${verdict}`
  return { monitored, cell: (await read(`cell?proxy=${proxy}&${of}`)) as unknown as Cell }
}

function exportedFaults({ receiver }: Rig): Record<string, number> {
  const last = receiver.records('metrics').findLast(({ name }) => name === 'postern.faults')
  const points = (last?.['sum'] as { readonly dataPoints?: readonly Message[] } | undefined)?.dataPoints ?? []
  return Object.fromEntries(
    points.map((point) => [
      `${String(attributeOf(point, 'target'))} ${String(attributeOf(point, 'code'))}`,
      Number(point['asDouble'] ?? point['asInt']),
    ]),
  )
}

function faultsOf(metrics: readonly ReadSample[], target: string): Record<string, number> {
  const found = metrics.filter(({ name, labels }) => name === 'postern_faults_total' && labels['target'] === target)
  return Object.fromEntries(found.map(({ labels, value }) => [labels['code'], value]))
}

function servedOf(metrics: readonly ReadSample[], proxyKey: string, code: string): number {
  const found = metrics.filter(
    ({ name, labels }) =>
      name === 'http_server_request_duration_seconds_count' &&
      labels['postern_proxy'] === proxyKey &&
      (labels['error_type'] ?? '') === code,
  )
  return found.reduce((sum, { value }) => sum + value, 0)
}
