import { resolve } from 'node:path'
import type { OtlpPlan, OutletPlan, TelemetryTlsPlan } from '../observer/plan.ts'
import type { LogPlan, TracingPlan } from '../proxy/plan.ts'
import { type CompileInput, identityAt } from './compile-input.ts'
import type { Path } from './document.ts'
import { printPath } from './raw.ts'
import { facilityNumber, type LogConfig, type ReceiverTlsConfig, Tracing } from './schema-telemetry.ts'

/** What the observer is told; workers get none of it, least of all its secrets. */
export interface TelemetryPlan {
  readonly otlp: OtlpPlan | null
  readonly outlets: readonly { readonly key: string; readonly plan: OutletPlan }[]
  /** How long counts are kept, ms. */
  readonly monitoring: {
    readonly minutesMs: number
    readonly hoursMs: number
    readonly daysMs: number
    readonly maxBytes: number
  }
}

export function compileTelemetry(input: CompileInput): TelemetryPlan {
  const { config } = input
  const { minutes, hours, days, size } = config.monitoring
  const outlets = config.logs.flatMap((log, index) => {
    const plan = compileOutlet(input, log, index)
    return plan === null ? [] : [{ key: `outlet:${outletKey(log)}`, plan }]
  })
  return {
    otlp: compileOtlp(input),
    outlets: [...new Map(outlets.map((outlet) => [outlet.key, outlet])).values()],
    monitoring: { minutesMs: minutes, hoursMs: hours, daysMs: days, maxBytes: size },
  }
}

export function compileLogs({ config, baseDirectory }: CompileInput): readonly LogPlan[] {
  return config.logs.map((log): LogPlan => {
    const { format, file, rotate } = log
    const key = outletKey(log)
    if (key !== null) return { format, sink: { kind: 'outlet', key } }
    if (file === undefined) return { format, sink: { kind: 'stdout' } }
    const rotation = rotate === undefined ? null : { bytes: rotate.size, keep: rotate.keep }
    return { format, sink: { kind: 'file', path: resolve(baseDirectory, file), rotate: rotation } }
  })
}

export function compileTracing({ config }: CompileInput): TracingPlan | null {
  const spans = config.otlp?.traces === true
  if (config.tracing === undefined && !spans) return null
  return { ...(config.tracing ?? Tracing.parse({})), spans }
}

/** Names what the outlet stands for, so that it outlives generations that leave it as it is; null: none. */
function outletKey({ format, syslog, otlp }: LogConfig): string | null {
  if (otlp === true) return `otlp ${format}`
  if (syslog === undefined) return null
  const { address, facility, appName, enterprise = 0 } = syslog
  return `syslog ${address.transport} ${address.host} ${address.port} ${facility} ${appName} ${enterprise} ${format}`
}

function compileOutlet(input: CompileInput, { syslog, otlp }: LogConfig, index: number): OutletPlan | null {
  if (otlp === true) return { kind: 'otlp' }
  if (syslog === undefined) return null
  const { address, facility, appName, enterprise, tls } = syslog
  return {
    kind: 'syslog',
    ...address,
    facility: facilityNumber(facility),
    appName,
    ...(enterprise === undefined ? {} : { enterprise }),
    tls: address.transport === 'tls' ? compileTls(input, ['logs', index, 'syslog', 'tls'], tls) : null,
  }
}

function compileOtlp(input: CompileInput): OtlpPlan | null {
  const { otlp } = input.config
  if (otlp === undefined) return null
  const { endpoint, encoding, headers, compression, timeout, tls, traces, metrics } = otlp
  return {
    endpoint,
    encoding,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => {
        const path = printPath(['otlp', 'headers', name])
        const text = typeof value === 'string' ? value : input.secrets.get(path)
        if (text === undefined) throw new TypeError(`the secret of ${path} has not been read`)
        return [name, text]
      }),
    ),
    gzip: compression === 'gzip',
    timeoutMs: timeout,
    tls: endpoint.toLowerCase().startsWith('https:') ? compileTls(input, ['otlp', 'tls'], tls) : null,
    traces,
    metrics: metrics === undefined ? null : { intervalMs: metrics.interval },
  }
}

function compileTls(input: CompileInput, path: Path, tls: ReceiverTlsConfig | undefined): TelemetryTlsPlan {
  const anchors = tls?.trust?.flatMap((name) => {
    const store = input.stores.get(name)
    if (store === undefined) throw new TypeError(`trust store "${name}" has not been loaded`)
    return [...store.anchors, ...store.intermediates].map(({ pem }) => pem)
  })
  const identity = tls?.clientCertificate && identityAt(input, [...path, 'clientCertificate'])
  return {
    anchors: anchors ?? null,
    serverName: tls?.serverName ?? '',
    clientCertificate: identity === undefined ? null : { chain: identity.chain, key: identity.key },
  }
}
