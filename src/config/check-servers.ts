import { isIP } from 'node:net'
import { parseTargetUrl } from './addresses.ts'
import type { Sink } from './check-tls.ts'
import type { Path } from './document.ts'
import { endpointText, parseEndpoint } from './endpoints.ts'
import { asList, asRecord, asText, type RawRecord } from './raw.ts'

/** What a target's servers, and the way to them, contradict among each other or in its URL. */
export function checkServers(path: Path, target: RawRecord, sink: Sink): void {
  const url = asText(target['url']) ?? ''
  if (/^https:/i.test(url) && target['h2c'] === true) {
    const message = 'h2c is HTTP/2 without TLS, and the URL is https'
    sink.problem([...path, 'h2c'], message, 'tls: { alpn: [h2, http/1.1] }', 'key')
  }
  const servers = asList(target['servers']).map(asRecord)
  checkNames([...path, 'servers'], servers, url, sink)
  if (/^http:/i.test(url)) {
    for (const [index, server] of servers.entries()) {
      if (!Object.hasOwn(server, 'serverName')) continue
      const place = [...path, 'servers', index, 'serverName']
      sink.problem(place, 'the URL is http, so no name is sent or verified', 'no serverName, or an https URL', 'key')
    }
  }
  if (servers.length > 0 && servers.every((server) => server['fallback'] === true)) {
    const message = 'every server is a fallback, and there is none to fall back from'
    sink.problem([...path, 'servers'], message, 'at least one server without fallback: true', 'key')
  }
  const weighted = servers.findIndex(({ weight }) => typeof weight === 'number' && weight !== 1)
  if (weighted >= 0 && target['balance'] === 'round-robin') {
    const message = `round-robin knows no weights, and servers[${weighted}] has one`
    sink.problem([...path, 'balance'], message, 'weighted, or no weights')
  }
  checkEgress([...path, 'egress'], asRecord(target['egress']), sink)
  checkDns(path, target, servers, sink)
}

/** Names tell servers apart in logs and metrics; two of one name would be one there. */
function checkNames(path: Path, servers: readonly RawRecord[], url: string, sink: Sink): void {
  const seen = new Map<string, number>()
  for (const [index, server] of servers.entries()) {
    const given = asText(server['name'])
    const name = given ?? addressLabel(asText(server['address']) ?? '', url)
    if (name === null) continue
    const earlier = seen.get(name)
    if (earlier === undefined) seen.set(name, index)
    else {
      const key = given === null ? 'address' : 'name'
      const instead = given === null ? 'one of the two, with a weight, or a name for each' : 'another name'
      sink.problem([...path, index, key], `"${name}" is already servers[${earlier}]`, instead)
    }
  }
}

/** What a server is called that has no name; null where its address is refused. */
function addressLabel(address: string, url: string): string | null {
  const endpoint = parseEndpoint(address)
  const port = endpoint?.port ?? parseTargetUrl(url)?.port ?? null
  return endpoint === null ? null : endpointText({ host: endpoint.host, port })
}

function checkEgress(path: Path, egress: RawRecord, sink: Sink): void {
  const has = (key: string): boolean => Object.hasOwn(egress, key)
  if (has('authorization') && (has('user') || has('password'))) {
    const message = 'is the whole value, and user and password would make another'
    sink.problem([...path, 'authorization'], message, 'authorization alone, or user and password', 'key')
  } else if (has('user') && !has('password')) {
    sink.problem([...path, 'password'], 'is missing: the user has one', 'password: { env: PROXY_PASSWORD }')
  } else if (has('password') && !has('user')) {
    sink.problem([...path, 'user'], 'is missing: whose password it is', 'user: gateway')
  }
}

/** Name servers that nothing is asked of are an option without effect (I3); they are asked full names, without search domains. */
function checkDns(path: Path, target: RawRecord, servers: readonly RawRecord[], sink: Sink): void {
  if (asList(asRecord(target['dns'])['servers']).length === 0 || Object.hasOwn(target, 'egress')) return
  const url = parseTargetUrl(asText(target['url']) ?? '')
  const hosts = Object.hasOwn(target, 'servers')
    ? servers.map((server) => parseEndpoint(asText(server['address']) ?? '')?.host)
    : [url?.host]
  const short = hosts.find((host) => host !== undefined && isIP(host) === 0 && !host.includes('.'))
  if (short !== undefined) {
    const message = `these are asked full names only, no search domain is added, and "${short}" is one label`
    sink.warning(
      [...path, 'dns', 'servers'],
      message,
      `the full name, such as ${short}.namespace.svc.cluster.local`,
      'key',
    )
  }
  if (!hosts.every((host) => host !== undefined && isIP(host) !== 0)) return
  sink.warning(
    [...path, 'dns', 'servers'],
    'every server is an address, so nothing is asked',
    'no dns, or names',
    'key',
  )
}
