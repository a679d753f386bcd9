import type { Alerts } from '../monitor/alerts/engine.ts'
import type { Access } from './access/access.ts'
import { accessRoutes } from './access/routes.ts'
import type { ApiRoute } from './api.ts'
import { debugSessionRoutes } from './edge/debug-sessions.ts'
import { proxyRoutes } from './edge/apis.ts'
import { edgeEntityRoutes } from './edge/entity-routes.ts'
import { keystoreRoutes } from './edge/keystores.ts'
import { queryRoutes } from './edge/queries.ts'
import { sharedFlowRoutes } from './edge/shared-flows.ts'
import { statsRoutes } from './edge/stats.ts'
import { testSslRoutes } from './edge/testssl.ts'
import type { NativeGateway } from './gateway-view.ts'
import { apiMonitoringRoutes } from './monitoring/api-monitoring.ts'
import { alertRoutes } from './native/alerts.ts'
import { configRoutes } from './native/config.ts'
import { eventRoutes } from './native/events.ts'
import { explainedRoutes } from './native/explained.ts'
import { findingRoutes } from './native/findings.ts'
import { monitoringRoutes } from './native/monitoring.ts'
import { withDocument } from './native/openapi.ts'
import { rolloverRoutes } from './native/rollovers.ts'
import { storeRoutes } from './native/stores.ts'
import { supportRoutes } from './native/support.ts'
import { targetRoutes } from './native/targets.ts'
import { traceRoutes } from './native/traces.ts'
import { type Operated, operatorRoutes } from './operator-routes.ts'

/** The whole management API: what is served, documented, and tested for access. */
export function allRoutes(parts: {
  readonly access: Access
  readonly gateway: Operated
  readonly native: NativeGateway
  readonly alerts: Alerts
  /** Where Edge's API Monitoring is answered. */
  readonly monitoringPrefix: string
}): readonly ApiRoute[] {
  const { access, gateway, native, alerts, monitoringPrefix } = parts
  const region = (): string => native.plan.region
  return withDocument([
    ...operatorRoutes(gateway),
    ...accessRoutes(access),
    ...edgeEntityRoutes,
    ...keystoreRoutes,
    ...proxyRoutes,
    ...sharedFlowRoutes,
    ...testSslRoutes(native),
    ...storeRoutes(native),
    ...targetRoutes(native),
    ...findingRoutes(native),
    ...configRoutes(native),
    ...eventRoutes(native),
    ...rolloverRoutes(native),
    ...debugSessionRoutes(native.traces, native),
    ...traceRoutes(native.traces, native),
    ...monitoringRoutes({ monitor: native.monitor, native, traces: native.traces }),
    ...explainedRoutes(native),
    ...alertRoutes({ alerts, region }),
    ...apiMonitoringRoutes({ monitor: native.monitor, alerts, region, prefix: monitoringPrefix }),
    ...statsRoutes(native),
    ...queryRoutes(native),
    ...supportRoutes(native, gateway),
  ])
}
