import { dirname, join } from 'node:path'
import type { ResolvedOk } from '../config/resolve.ts'
import { Gateway, type GatewayOptions } from '../control/gateway.ts'
import { messageOf } from '../core/errors.ts'
import { type Alerts, openAlerts } from '../monitor/alerts/engine.ts'
import type { StateStore } from '../state/types.ts'
import { openAccess } from './access/access.ts'
import type { FirstAdmin } from './access/first-admin.ts'
import { keepAuditTrail } from './audit-retention.ts'
import { firstStart } from './first-start.ts'
import { type NativeGateway, nativeGateway } from './gateway-view.ts'
import { storedAlerts } from './monitoring/alert-store.ts'
import { certificateFacts } from './monitoring/certificate-facts.ts'
import { storedCollections } from './monitoring/collection-store.ts'
import { warmStores } from './native/warm-stores.ts'
import { allRoutes } from './routes.ts'
import { openAdmin } from './server.ts'
import { adminServices, ManagedObjects } from './services.ts'

export interface ManagedOptions extends Omit<GatewayOptions, 'managed' | 'openManagement' | 'environment'> {
  /** Closed with the gateway. */
  readonly store: StateStore
  /** Of the organization; the first is the configuration's own in logs. Default: the configuration's. */
  readonly environments?: readonly string[]
  /** Of the first user, where there is none yet. */
  readonly adminPassword?: string
  readonly clock?: () => number
  /** From one look at the rules of alerts to the next. */
  readonly alertsEveryMs?: number
}

export interface ManagedGateway extends AsyncDisposable {
  readonly gateway: Gateway
  /** null: there were users already. */
  readonly firstAdmin: FirstAdmin | null
  stop(timeoutMs?: number, delayMs?: number): Promise<void>
}

/** A gateway with its management API: stored objects run beside its file, and can be changed while it does. */
export async function startManaged(options: ManagedOptions): Promise<ManagedGateway> {
  const { store, environments, adminPassword, clock = Date.now, alertsEveryMs, ...rest } = options
  const objects = new ManagedObjects(store, rest.env)
  const first = await firstStart({
    store,
    objects,
    password: adminPassword,
    clock,
    seedOf: (config) => ({
      organization: rest.organization ?? config.organization,
      environments: environments ?? [config.environment],
      listeners: config.listeners,
    }),
  }).catch(async (error: unknown) => {
    await store.close()
    throw error
  })
  const held: { alerts: Alerts | null } = { alerts: null }
  try {
    const access = await openAccess({ store, clock })
    const [environment] = environments ?? []
    const gateway = await Gateway.start({
      ...rest,
      ...(environment === undefined ? {} : { environment }),
      managed: (config) => first.load(config),
      openManagement: async (running, { address, port, tls }) => {
        const native = nativeGateway(running, objects)
        const open = alertsOf(running, native, {
          store,
          clock,
          file: alertsFile(rest.monitoringFile),
          ...(alertsEveryMs === undefined ? {} : { everyMs: alertsEveryMs }),
        })
        held.alerts = open
        running.countAlertLosses(() => lostOf(open))
        const ready = Promise.withResolvers<void>()
        const opened = await openAdmin({
          ready: ready.promise,
          address,
          port,
          ...(tls === null ? {} : { tls: { cert: tls.chain, key: tls.key, minVersion: tls.minVersion } }),
          routes: allRoutes({
            access,
            gateway: running,
            native,
            alerts: open,
            monitoringPrefix: running.resolved.config.apigee.apiMonitoring,
          }),
          services: adminServices({ store, objects, gateway: running, clock }),
          access,
          onError: (error, id) => running.warn('management-error', `${id}: ${messageOf(error)}`),
        })
        try {
          await first.keep()
        } catch (error) {
          await opened.close(0)
          throw error
        } finally {
          ready.resolve()
        }
        return opened
      },
    })
    try {
      // Without a management listener nobody has asked for it yet.
      await first.keep()
    } catch (error) {
      await gateway.stop(0)
      throw error
    }
    const endKeeping = keepAuditTrail({
      store,
      config: () => gateway.resolved.config,
      clock,
      onError: (message) => gateway.warn('audit-not-pruned', message),
    })
    const ended = new AbortController()
    warmStores(nativeGateway(gateway, objects), ended.signal).catch((error: unknown) => {
      gateway.warn('stores-not-read', messageOf(error))
    })
    const stop = async (timeoutMs?: number, delayMs?: number): Promise<void> => {
      ended.abort()
      await endKeeping()
      await held.alerts?.close()
      await gateway.stop(timeoutMs, delayMs)
      await store.close()
    }
    return { gateway, firstAdmin: first.admin, stop, [Symbol.asyncDispose]: () => stop(0) }
  } catch (error) {
    await held.alerts?.close()
    await first.drop()
    await store.close()
    throw error
  }
}

/** Of the stores that receivers of alerts are verified with; null: those of the runtime. */
function rootsOf({ config, input }: ResolvedOk): readonly string[] | null {
  const { trust } = config.alerts ?? {}
  if (trust === undefined) return null
  return trust.flatMap((name) => {
    const store = input.stores.get(name)
    return store === undefined ? [] : [...store.anchors, ...store.intermediates].map(({ pem }) => pem)
  })
}

/** Beside the rollups. */
function alertsFile(monitoringFile: string | undefined): string | null {
  return monitoringFile === undefined ? null : join(dirname(monitoringFile), 'alerts.json')
}

function alertsOf(
  gateway: Gateway,
  native: NativeGateway,
  {
    store,
    ...asked
  }: {
    readonly store: StateStore
    readonly clock: () => number
    readonly file: string | null
    readonly everyMs?: number
  },
): Alerts {
  return openAlerts({
    ...asked,
    roots: () => rootsOf(gateway.resolved),
    monitor: gateway.monitor,
    rules: storedAlerts(store),
    certificates: certificateFacts(native),
    collection: storedCollections(store),
    region: () => gateway.plan.region,
    onEvent: (event) => gateway.alert(event),
    warn: (code, message) => gateway.warn(code, message),
  })
}

function lostOf(alerts: Alerts): number {
  const { dropped, failed } = alerts.health()
  return dropped + failed
}
