import type { Sink } from './check-tls.ts'
import type { Path } from './document.ts'
import { asList, asRecord, asText, type RawRecord } from './raw.ts'
import { withoutUserinfo } from './userinfo.ts'

/** Names of headers whose values are secrets. */
const secretHeader = /^(?:proxy-)?authorization$|^cookie$|api[-_]?key|token|secret|password/i

/** Log sinks and receivers that contradict themselves, or each other. `store` says of a trust store that it is missing. */
export function checkTelemetry(root: RawRecord, sink: Sink, store: (path: Path, name: string) => void): void {
  const otlp = asRecord(root['otlp'])
  const endpoint = asText(otlp['endpoint']) ?? ''
  checkReceiver(['otlp', 'tls'], otlp['tls'], /^https:/i.test(endpoint), store, sink)
  for (const [name, value] of Object.entries(asRecord(otlp['headers']))) {
    if (typeof value === 'string' && secretHeader.test(name)) {
      const instead = `${name}: { env: OTLP_HEADER } or { file: /run/secrets/otlp-header }`
      sink.problem(['otlp', 'headers', name], 'a secret does not stand in the file', instead)
    } else if (typeof value !== 'string' && /^http:/i.test(endpoint) && !isLocal(endpoint)) {
      const message = 'this secret is sent without TLS and can be read on the way'
      sink.warning(['otlp', 'headers', name], message, `endpoint: https${withoutUserinfo(endpoint).slice(4)}`)
    }
  }
  for (const [index, item] of asList(asRecord(root['alerts'])['trust']).entries()) {
    const name = asText(item)
    if (name !== null) store(['alerts', 'trust', index], name)
  }
  checkLogs(root, sink, store)
}

function checkLogs(root: RawRecord, sink: Sink, store: (path: Path, name: string) => void): void {
  const files = new Map<string, { readonly index: number; readonly rotate: string }>()
  for (const [index, item] of asList(root['logs']).entries()) {
    const log = asRecord(item)
    const path = ['logs', index]
    const places = ['file', 'syslog', 'otlp'].filter((key) => Object.hasOwn(log, key))
    if (places.length > 1) {
      const message = `a log goes to one place, and this names ${places.join(' and ')}`
      sink.problem([...path, places[1] ?? ''], message, 'an entry of its own in logs', 'key')
    }
    if (Object.hasOwn(log, 'rotate') && !Object.hasOwn(log, 'file')) {
      sink.problem([...path, 'rotate'], 'there is no file to rotate', 'file beside it', 'key')
    }
    if (log['otlp'] === true && !Object.hasOwn(root, 'otlp')) {
      sink.problem([...path, 'otlp'], 'no receiver is configured', 'otlp: { endpoint: ... } at the top', 'key')
    }
    const syslog = asRecord(log['syslog'])
    checkReceiver(
      [...path, 'syslog', 'tls'],
      syslog['tls'],
      (asText(syslog['address']) ?? '').startsWith('tls:'),
      store,
      sink,
    )
    const other = asList(root['logs'])
      .slice(0, index)
      .findIndex((before) => verifiesOtherwise(asRecord(before), log))
    if (other !== -1) {
      const message = `logs[${other}] sends to the same server and verifies it otherwise`
      sink.problem([...path, 'syslog'], message, 'the same tls in both')
    }
    const file = asText(log['file'])
    if (file === null) continue
    const rotated = asList(root['logs']).findIndex((other) => keeps(asRecord(other), file))
    if (rotated !== -1) {
      sink.problem([...path, 'file'], `logs[${rotated}] renames its file to this one`, 'another name')
    }
    const rotate = JSON.stringify(log['rotate'] ?? null)
    const earlier = files.get(file)
    if (earlier === undefined) files.set(file, { index, rotate })
    else if (earlier.rotate !== rotate) {
      const message = `logs[${earlier.index}] writes the same file and rotates it otherwise`
      sink.problem([...path, 'file'], message, 'the same rotate in both, or another file')
    }
  }
}

function checkReceiver(
  path: Path,
  raw: unknown,
  secure: boolean,
  store: (path: Path, name: string) => void,
  sink: Sink,
): void {
  if (raw === undefined) return
  if (!secure) {
    sink.problem(
      path,
      'the receiver is reached without TLS, so nothing of this would apply',
      'an address with TLS',
      'key',
    )
  }
  for (const [index, item] of asList(asRecord(raw)['trust']).entries()) {
    const name = asText(item)
    if (name !== null) store([...path, 'trust', index], name)
  }
}

/** Two logs that differ in nothing but the way to verify the server are one to it: `outletKey`. */
function verifiesOtherwise(one: RawRecord, two: RawRecord): boolean {
  const [mine, others] = [asRecord(one['syslog']), asRecord(two['syslog'])]
  const alike = ['address', 'facility', 'appName', 'enterprise'].every((key) => mine[key] === others[key])
  const tls = ({ tls: raw = null }: RawRecord): string => JSON.stringify(raw)
  return mine['address'] !== undefined && alike && one['format'] === two['format'] && tls(mine) !== tls(others)
}

/** The log's rotation gives its file this name. */
function keeps(log: RawRecord, file: string): boolean {
  const own = asText(log['file'])
  if (own === null || !Object.hasOwn(log, 'rotate') || !file.startsWith(`${own}.`)) return false
  return /^[1-9]\d{0,3}$/.test(file.slice(own.length + 1))
}

function isLocal(endpoint: string): boolean {
  const host = URL.parse(endpoint)?.hostname ?? ''
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}
