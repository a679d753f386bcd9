import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestGateway } from '../support/gateway.ts'
import { writtenLines } from './lab-gateway.ts'

const logFormats = ['native', 'apim-text', 'apim-json', 'edge-access', 'edge-system'] as const

/** Every format to a file of its own, `native.log` and so on. */
export const allLogs = logFormats.map((format) => ({ format, file: `${format}.log` }))

/** What was logged about each request, by id. */
export interface RequestLogs {
  readonly nativeAccess: NativeLine
  /** `request-failed` and the connection events, in the order of the file. */
  readonly nativeEvents: readonly NativeLine[]
  readonly gatewayLogText: string
  readonly gatewayLogJson: NativeLine
  readonly apimEventsText: readonly string[]
  readonly apimEventsJson: readonly NativeLine[]
  readonly edgeAccess: readonly string[]
  /** Each record with the stack lines under it. */
  readonly edgeSystem: readonly string[]
}

export type NativeLine = Readonly<Record<string, unknown>>

/** Waits until the lines of all these requests are in all files. */
export async function logsOf(
  gateway: Pick<TestGateway, 'directory'>,
  ids: readonly string[],
): Promise<(id: string) => RequestLogs> {
  const complete = (lines: readonly string[]): boolean => ids.every((id) => lines.some((line) => line.includes(id)))
  const files = new Map<string, readonly string[]>()
  for (const format of ['native', 'apim-text', 'apim-json', 'edge-access']) {
    files.set(format, await linesWhen(gateway, format, (lines) => complete(lines.filter(isAccess(format)))))
  }
  files.set('edge-system', await writtenLines(gateway, 'edge-system.log'))
  const of = (format: string): readonly string[] => files.get(format) ?? []
  return (id) => {
    // Edge's ids end in a number, so one is often the beginning of another.
    const naming = new RegExp(`${id}(?![0-9a-z])`)
    const about = (format: string): readonly string[] => of(format).filter((line) => naming.test(line))
    const native = about('native').map(json)
    const apimJson = about('apim-json').map(json)
    return {
      nativeAccess: single(native.filter((line) => line['type'] === 'access')),
      nativeEvents: native.filter((line) => line['type'] !== 'access'),
      gatewayLogText: single(about('apim-text').filter(isAccess('apim-text'))),
      gatewayLogJson: single(apimJson.filter((line) => line['category'] === 'GatewayLogs')),
      apimEventsText: about('apim-text').filter((line) => !isAccess('apim-text')(line)),
      apimEventsJson: apimJson.filter((line) => line['category'] === undefined),
      edgeAccess: single(about('edge-access')).split('\t'),
      edgeSystem: records(of('edge-system')).filter((record) => naming.test(record)),
    }
  }
}

/** `key: value` of a text line; the first of that key. */
export function textField(line: string, key: string): string | undefined {
  const match = new RegExp(`(?:, )${key}: ("(?:[^"\\\\]|\\\\.)*"|\\{.*?\\}|\\[.*?\\]|[^,]*)`).exec(line)
  return match?.[1]
}

async function linesWhen(
  gateway: Pick<TestGateway, 'directory'>,
  format: string,
  done: (lines: readonly string[]) => boolean,
): Promise<readonly string[]> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const lines = await writtenLines(gateway, `${format}.log`)
    if (done(lines)) return lines
    await sleep(25)
  }
  throw new Error(`not every request appeared in ${format}.log`)
}

function isAccess(format: string): (line: string) => boolean {
  switch (format) {
    case 'native':
      return (line) => line.includes('"type":"access"')
    case 'apim-text':
      return (line) => line.includes('[GatewayLogs]')
    case 'apim-json':
      return (line) => line.includes('"category":"GatewayLogs"')
    default:
      return () => true
  }
}

function json(line: string): NativeLine {
  return JSON.parse(line) as NativeLine
}

function single<T>(found: readonly T[]): T {
  assert.equal(found.length, 1, `expected one line, found ${found.length}: ${JSON.stringify(found)}`)
  return found[0] as T
}

/** A record begins with its time; what does not, belongs to the record before. */
function records(lines: readonly string[]): readonly string[] {
  const found: string[] = []
  for (const line of lines) {
    if (/^\d{4}-\d\d-\d\d /.test(line)) found.push(line)
    else found.push(`${found.pop() ?? ''}\n${line}`)
  }
  return found
}
