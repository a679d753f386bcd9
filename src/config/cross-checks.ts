import { checkResilience } from './check-resilience.ts'
import { checkServers } from './check-servers.ts'
import { checkTelemetry } from './check-telemetry.ts'
import { checkTlsVersions, type Sink } from './check-tls.ts'
import type { Path } from './document.ts'
import { nearest } from './nearest.ts'
import { asList, asRecord, asText, isRecord, type RawRecord } from './raw.ts'
import { parseUntil } from './scalars.ts'
import type { PlacedDraft } from './schema-problems.ts'
import { maskCredentials, withoutUserinfo } from './userinfo.ts'

export interface CrossChecked {
  readonly problems: readonly PlacedDraft[]
  readonly warnings: readonly PlacedDraft[]
}

/** Each compares one name with all there are; thousands of wrong names must not cost their product (I10). */
const maxSuggestions = 100

/**
 * Judges what no value shows alone: names that point at something, things that must be unique, settings that contradict
 * each other. Works on the file as written and ignores whatever the schema refuses, so that one fault hides no other.
 */
export function crossCheck(raw: unknown, now: number): CrossChecked {
  let suggestions = maxSuggestions
  const problems: PlacedDraft[] = []
  const warnings: PlacedDraft[] = []
  const sink: Sink = {
    problem: (path, message, instead, of = 'value') => problems.push({ path, message, instead, of }),
    warning: (path, message, instead, of = 'value') => warnings.push({ path, message, instead, of }),
    suggest: (name, names) => (suggestions-- > 0 ? nearest(name, names) : null),
  }
  const root = asRecord(raw)
  checkListeners(root, sink)
  for (const [name, target] of Object.entries(asRecord(root['targets'])))
    checkTarget(root, name, asRecord(target), now, sink)
  checkProxies(root, sink)
  checkTelemetry(root, sink, (path, store) => checkStore(root, path, store, sink))
  return { problems, warnings }
}

function checkListeners(root: RawRecord, sink: Sink): void {
  const names = new Map<string, number>()
  const ports = new Map<number, { path: string; address: string }[]>()
  const claim = (path: Path, label: string, listener: RawRecord, fallback: string): void => {
    const port = listener['port']
    if (typeof port !== 'number' || port === 0) return
    const address = asText(listener['address']) ?? fallback
    const others = ports.get(port) ?? []
    const clash = others.find((other) => overlap(other.address, address))
    if (clash)
      sink.problem([...path, 'port'], `port ${port} is taken by ${clash.path}`, 'a port, or an address, of its own')
    ports.set(port, [...others, { path: label, address }])
  }
  for (const [index, item] of asList(root['listeners']).entries()) {
    const listener = asRecord(item)
    const path = ['listeners', index]
    const name = asText(listener['name'])
    const earlier = name === null ? undefined : names.get(name)
    if (earlier !== undefined)
      sink.problem([...path, 'name'], `"${name}" is already the name of listeners[${earlier}]`, 'another name')
    else if (name !== null) names.set(name, index)
    claim(path, `listeners[${index}]`, listener, '*')
    checkTlsVersions([...path, 'tls'], asRecord(listener['tls']), sink)
    if (listener['h2c'] === true && Object.hasOwn(listener, 'tls')) {
      const message = 'h2c is HTTP/2 without TLS, and this listener has tls'
      sink.problem([...path, 'h2c'], message, 'tls.alpn, which has h2 unless it says otherwise', 'key')
    }
  }
  const management = asRecord(root['management'])
  claim(['management'], 'management', management, '127.0.0.1')
  const address = asText(management['address'])
  if (address !== null && !isLoopback(address) && !Object.hasOwn(management, 'tls')) {
    sink.warning(
      ['management', 'address'],
      `the management listener is without TLS on ${address}, which is not loopback: passwords and private keys sent to it can be read on the way`,
      'management.tls, or address: 127.0.0.1',
    )
  }
}

function checkStore(root: RawRecord, path: Path, store: string, sink: Sink): void {
  const stores = asRecord(root['trustStores'])
  if (Object.hasOwn(stores, store)) return
  sink.problem(
    path,
    `there is no trust store "${maskCredentials(store)}"`,
    existing(sink, store, stores, 'trustStores', '{ sources: [ { file: ./ca.pem } ] }'),
  )
}

function checkTarget(root: RawRecord, name: string, target: RawRecord, now: number, sink: Sink): void {
  const path = ['targets', name]
  const url = asText(target['url']) ?? ''
  const tls = asRecord(target['tls'])
  const stores = asRecord(root['trustStores'])
  if (/^http:/i.test(url) && Object.hasOwn(target, 'tls')) {
    sink.problem(
      [...path, 'tls'],
      'the URL is http, so nothing of this would apply',
      `url: https${withoutUserinfo(url).slice(4)}, or no tls`,
      'key',
    )
  }
  const trust = asList(tls['trust'])
  for (const [index, item] of trust.entries()) {
    const store = asText(item)
    if (store !== null) checkStore(root, [...path, 'tls', 'trust', index], store, sink)
  }
  checkRevocation(path, tls, asRecord(root['crlStores']), sink)
  checkExceptions(path, tls, now, sink)
  const misread =
    Object.hasOwn(target, 'tls') &&
    (!isRecord(target['tls']) || (Object.hasOwn(tls, 'trust') && !Array.isArray(tls['trust'])))
  if (/^https:/i.test(url) && trust.length === 0 && !misread) checkUntrusted(path, target, stores, now, sink)
  checkTlsVersions([...path, 'tls'], tls, sink)
  checkServers(path, target, sink)
  checkResilience(path, target, sink)
}

/** I1: an `https` target without trust is only possible while its chain is skipped by name. */
function checkUntrusted(path: Path, target: RawRecord, stores: RawRecord, now: number, sink: Sink): void {
  const tls = asRecord(target['tls'])
  const skips = asList(tls['exceptions'])
    .map(asRecord)
    .filter((each) => each['skip'] === 'chain')
  const ends = skips.map((each) => (Object.hasOwn(each, 'until') ? parseUntil(asText(each['until']) ?? '') : Infinity))
  if (ends.includes(null)) return // the date is reported by the schema
  const last = Math.max(0, ...ends.map(Number))
  if (last === Infinity) return
  const trust = trustAdvice(Object.keys(stores))
  if (last > now) {
    const from = new Date(last).toISOString()
    sink.warning(
      [...path, 'tls', 'exceptions'],
      `trust is empty: every request fails once the exception ends, ${from}`,
      trust,
      'key',
    )
    return
  }
  const ended = skips.length > 0 ? ' and its chain exception has ended' : ''
  const message = `an https target names whom it trusts; this one names nobody${ended}`
  if (Object.hasOwn(target, 'tls')) sink.problem([...path, 'tls', 'trust'], message, trust)
  else sink.problem([...path, 'tls'], message, `tls: { ${trust} }`)
}

function trustAdvice(stores: readonly string[]): string {
  if (stores.length === 0) return 'trust: [corp], with trustStores: { corp: { sources: [ { file: ./corp-ca.pem } ] } }'
  return stores.length === 1
    ? `trust: [${stores[0]}]`
    : `trust: [...] with one or more of ${stores.slice(0, 8).join(', ')}`
}

function checkRevocation(path: Path, tls: RawRecord, stores: RawRecord, sink: Sink): void {
  const mode = tls['revocation'] ?? 'off'
  const crls = asList(tls['crls'])
  for (const [index, item] of crls.entries()) {
    const store = asText(item)
    if (store === null || Object.hasOwn(stores, store)) continue
    sink.problem(
      [...path, 'tls', 'crls', index],
      `there is no CRL store "${maskCredentials(store)}"`,
      existing(sink, store, stores, 'crlStores', '{ sources: [ { file: ./ca.crl } ] }'),
    )
  }
  if (mode === 'crl' && crls.length === 0 && (!Object.hasOwn(tls, 'crls') || Array.isArray(tls['crls']))) {
    const names = Object.keys(stores)
    const [only] = names
    const message = 'revocation by lists needs to know which, and crls names no store'
    const example =
      only === undefined
        ? 'crls: [corp], with crlStores: { corp: { sources: [ { file: ./corp.crl } ] } }'
        : `crls: [${only}]`
    sink.problem([...path, 'tls', 'revocation'], message, example)
  }
  if (crls.length > 0 && (mode === 'off' || mode === 'staple-required')) {
    sink.problem(
      [...path, 'tls', 'crls'],
      `revocation is ${mode}, so no list is looked at`,
      'revocation: crl, or no crls',
      'key',
    )
  }
  if (mode === 'staple-required' && tls['resumption'] === true) {
    const message = 'a resumed session shows no staple, and the target requires one'
    sink.problem([...path, 'tls', 'resumption'], message, 'resumption: false, or revocation: crl')
  }
}

function checkExceptions(path: Path, tls: RawRecord, now: number, sink: Sink): void {
  for (const [index, item] of asList(tls['exceptions']).entries()) {
    const exception = asRecord(item)
    const until = parseUntil(asText(exception['until']) ?? '')
    if (until === null || until > now) continue
    const what = exception['skip'] === 'name' ? 'the name' : 'the chain'
    const place = [...path, 'tls', 'exceptions', index, 'until']
    sink.warning(
      place,
      `the exception ended ${new Date(until).toISOString()}; ${what} is verified again`,
      'no such entry, or a later date',
    )
  }
}

function checkProxies(root: RawRecord, sink: Sink): void {
  const targets = asRecord(root['targets'])
  const routes = new Map<string, string>()
  for (const [name, item] of Object.entries(asRecord(root['proxies']))) {
    const proxy = asRecord(item)
    const path = ['proxies', name]
    const target = asText(proxy['target'])
    if (target !== null && !Object.hasOwn(targets, target)) {
      sink.problem(
        [...path, 'target'],
        `there is no target "${maskCredentials(target)}"`,
        existing(sink, target, targets, 'targets', '{ url: ... }'),
      )
    }
    const basePath = asText(proxy['basePath'])
    if (basePath === null) continue
    const hosts = asList(proxy['hosts']).filter((host) => typeof host === 'string')
    for (const host of new Set(hosts.length > 0 ? hosts.map((each) => each.toLowerCase()) : [''])) {
      const route = `${host} ${basePath}`
      const other = routes.get(route)
      if (other === undefined) routes.set(route, name)
      else {
        const where = host === '' ? 'for any host' : `on host "${host}"`
        sink.problem(
          [...path, 'basePath'],
          `"${basePath}" ${where} already belongs to proxy "${other}"`,
          'another base path, or hosts that differ',
        )
      }
    }
  }
}

function existing(sink: Sink, name: string, known: RawRecord, section: string, example: string): string {
  const names = Object.keys(known)
  const close = sink.suggest(name, names)
  if (close !== null) return close
  const list = names.length === 0 ? '' : `one of ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', ...' : ''}; or `
  return `${list}add it: ${section}: { ${maskCredentials(name)}: ${example} }`
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

function overlap(a: string, b: string): boolean {
  const every = (address: string, other: string): boolean =>
    address === '*' || address === '::' || (address === '0.0.0.0' && !other.includes(':'))
  return a === b || every(a, b) || every(b, a)
}
