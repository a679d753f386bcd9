import type { PosternEvent } from '../../observe/events.ts'
import { jsonText } from '../../support/bundle.ts'
import type { Collection } from '../../support/collection.ts'
import { configShown } from '../../support/config-shown.ts'
import type { Operated } from '../operator-routes.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { ownsFile, type Place, proxiesHere, targetsHere } from './support-scope.ts'

/** What the gateway says of itself, as far as it is about the organization. */
export function addGatewayFiles(into: Collection, native: NativeGateway, operated: Operated, place: Place): void {
  const targets = new Set(targetsHere(native, place).map(({ name }) => name))
  into.add({
    name: 'status.json',
    what: 'What is in force: generation, workers, ports, and targets of the organization with snapshots and exceptions.',
    source: 'GET /status',
    content: jsonText(statusOf(operated.status(), targets, ownsFile(native, place))),
  })
  into.add({
    name: 'metrics.txt',
    what: 'Metrics as a scraper gets them, without the series of others.',
    source: 'GET /metrics',
    content: metricsOf(operated.metricsText('text'), native, place, targets),
  })
  const inventory = native.inventory()
  into.add({
    name: 'inventory.json',
    what: 'Chains that the backends of the organization have shown.',
    source: 'GET /inventory',
    content: jsonText({ ...inventory, servers: inventory.servers.filter(({ target }) => targets.has(target)) }),
  })
}

export function addConfig(into: Collection, native: NativeGateway, place: Place): void {
  const name = 'config/postern.yaml'
  if (!ownsFile(native, place)) {
    into.lack(name, 'the configuration file is not of this organization')
    return
  }
  const text = configShown(native.resolved.text)
  if (text === null) into.lack(name, 'the text that runs cannot be read again')
  else {
    const source = 'the configuration in force, written again without its comments'
    const what = 'The configuration file that runs; values of headers and user names are hidden, secrets are places.'
    into.add({ name, what, source, content: text })
  }
  if (native.lastRefusal !== '') {
    into.add({
      name: 'config/refused.txt',
      what: 'Why the file as it is now is not what runs.',
      source: 'the last refusal',
      content: `${native.lastRefusal}\n`,
    })
  }
}

export function addEvents(
  into: Collection,
  events: readonly PosternEvent[],
  targets: ReadonlySet<string>,
  stores: ReadonlySet<string>,
): void {
  const concerned = events.filter((event) => {
    if ('target' in event) return targets.has(event.target)
    if (event.type === 'trust-changed' || event.type === 'trust-refused') return stores.has(event.store)
    return event.type === 'generation-committed' || event.type === 'worker-died' || event.type === 'draining'
  })
  into.add({
    name: 'events.json',
    what: 'Recent events of the main thread: those of the targets and of their stores, and changes of generation.',
    source: 'GET /api/events',
    content: jsonText(concerned.map((event) => ({ ...event, at: new Date(event.at).toISOString() }))),
  })
}

function statusOf(status: unknown, targets: ReadonlySet<string>, own: boolean): unknown {
  if (typeof status !== 'object' || status === null) return status
  const {
    targets: all,
    lastRefused,
    ...rest
  } = { targets: [] as unknown, lastRefused: undefined as unknown, ...status }
  const isTold = (target: unknown): boolean =>
    typeof target === 'object' && target !== null && 'name' in target && targets.has(String(target.name))
  return {
    ...rest,
    ...(own && lastRefused !== undefined ? { lastRefused } : {}),
    targets: Array.isArray(all) ? all.filter(isTold) : [],
  }
}

/** Series whose labels name something of the organization, or nothing that belongs to anybody. */
function metricsOf(text: string, native: NativeGateway, place: Place, targets: ReadonlySet<string>): string {
  const proxies = new Set(proxiesHere(native, place).flatMap(({ key, name }) => [key, name]))
  const isStoreTold = (store: string): boolean =>
    store.includes('/') ? store.startsWith(`${place.organization}/`) : ownsFile(native, place)
  const told: Readonly<Record<string, (value: string) => boolean>> = {
    target: (value) => targets.has(value),
    proxy: (value) => value === '' || proxies.has(value),
    organization: (value) => value === place.organization,
    environment: (value) => value === place.environment,
    store: isStoreTold,
  }
  const lines = text.split('\n').filter((line) => {
    if (line.startsWith('#')) return true
    for (const [, label = '', value = ''] of line.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
      const isTold = Object.hasOwn(told, label) ? told[label] : undefined
      if (isTold !== undefined && value !== '' && !isTold(value)) return false
    }
    return true
  })
  return lines.join('\n')
}
