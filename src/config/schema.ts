import { z } from 'zod'
import { BasePath, Cidr, HostPattern, ListenAddress } from './addresses.ts'
import { Ciphers, Duration, durationText, Label, Name, Port, refuse, Retention, Revision, Size } from './scalars.ts'
import { Target } from './schema-target.ts'
import { Alerts, Log, Monitoring, Otlp, Tracing } from './schema-telemetry.ts'
import { Alpn, Identity, type ManagedIdentity, TlsVersion, TrustStore, CrlStore } from './schema-tls.ts'

/*
 * The one source of the configuration: types, validation, JSON Schema and reference page come from here. A field's
 * default stands in its schema (`prefault` where a transform follows, so that the reference shows what a person would
 * write) and its reason in docs/defaults.md.
 */

const FaultProfile = z.enum(['native', 'apigee', 'apim']).meta({
  id: 'FaultProfile',
  title: 'fault profile',
  description:
    "How faults look to clients: `native` is Postern's own, the others imitate the product they are named for.",
})

const FaultDetail = z.enum(['minimal', 'standard', 'verbose']).meta({
  id: 'FaultDetail',
  title: 'level of fault detail',
  description:
    'How much a client learns: `minimal` status, stable code and id; `standard` what the profile discloses; `verbose` adds verdict code and summary.',
})

/** Also what holds without `management`. */
export const AuditTrail = z
  .strictObject({
    keep: Retention.prefault('365d').meta({ description: 'Entries that are older are removed, whole days at a time.' }),
    rows: z
      .int()
      .min(1000)
      .max(100_000_000)
      .default(1_000_000)
      .meta({ description: 'When there are more entries, the oldest are removed.' }),
  })
  .prefault({})
  .meta({ description: 'How much of the audit trail of the management API is kept. What was removed has an entry.' })

const timeout = (fallback: string, description: string) => Duration.prefault(fallback).meta({ description })

const ListenerTls = z
  .strictObject({
    certificates: z.array(Identity).min(1).meta({
      description: 'Server certificates, chosen by SNI. The first answers clients that send no name or an unknown one.',
    }),
    minVersion: TlsVersion.default('TLSv1.2').meta({ description: 'Lowest TLS version to accept.' }),
    maxVersion: TlsVersion.default('TLSv1.3').meta({ description: 'Highest TLS version to accept.' }),
    ciphers: Ciphers.optional().meta({ description: "Cipher suites to accept. Without it: the runtime's list." }),
    alpn: Alpn.default(['h2', 'http/1.1']).meta({
      description: 'Protocols to agree on with clients, best first. A client that offers none gets `http/1.1`.',
      examples: ['[h2, http/1.1]', '[http/1.1]'],
    }),
  })
  .meta({ id: 'ListenerTls', title: 'TLS settings of a listener' })

const Listener = z
  .strictObject({
    name: Name.meta({ description: 'Unique; appears in logs and events.' }),
    address: ListenAddress.default('*').meta({ description: 'Where to listen.' }),
    port: Port.meta({ description: 'TCP port; 0 lets the system choose one.' }),
    tls: ListenerTls.optional().meta({ description: 'Makes it an HTTPS listener.' }),
    h2c: z.boolean().default(false).meta({
      description:
        'Clients may speak HTTP/2 without TLS by beginning with it (prior knowledge), beside HTTP/1.1. With `tls` it is `alpn` that says so.',
    }),
    probes: z.boolean().default(true).meta({
      description:
        "Answer `/healthz`, `/readyz` and the self-hosted gateway's `/status-0123456789abcdef` (and `/status-012345678990abcdef`) here, before any proxy.",
    }),
    faults: FaultProfile.optional().meta({
      description: 'For requests that reach no proxy. Without it: the top-level `faults`.',
    }),
    faultDetail: FaultDetail.optional().meta({ description: 'Without it: the top-level `faultDetail`.' }),
    limits: z
      .strictObject({
        requestLineBytes: Size.prefault('8KiB').meta({ description: 'Request line; longer ones get 414.' }),
        headerBytes: Size.prefault('25KiB').meta({
          description: 'All header lines of a request together; more get 431.',
        }),
        connections: z
          .int()
          .min(1)
          .default(50_000)
          .meta({ description: 'Open client connections, per worker. More are closed as they come.' }),
        headerCount: z
          .int()
          .min(1)
          .max(10_000)
          .default(100)
          .meta({ description: 'Header lines of a request; more get 431.' }),
        streams: z
          .int()
          .min(1)
          .max(10_000)
          .default(100)
          .meta({ description: 'Requests under way on one HTTP/2 connection; more are refused unprocessed.' }),
        bodyBytes: z
          .union([z.literal('unlimited'), Size])
          .prefault('unlimited')
          .meta({
            title: 'size or "unlimited"',
            description: 'Request body; more get 413. Bodies are streamed, so no limit costs no memory.',
            examples: ['10MiB', 'unlimited'],
          }),
      })
      .prefault({})
      .meta({ description: 'What one request may take up.' }),
    timeouts: z
      .strictObject({
        head: timeout(
          '20s',
          'From accepting the connection, or the first byte of a further request, to the end of its head.',
        ),
        bodyIdle: timeout('55s', 'Longest pause inside a body, in either direction.'),
        keepAlive: timeout('65s', 'Idle time between two requests of a connection.'),
        handshake: timeout('10s', "The client's TLS handshake."),
        tunnelIdle: timeout('1h', 'Longest silence of an upgraded connection (WebSocket), both directions together.'),
      })
      .prefault({})
      .meta({ description: "Limits on the client's time." }),
    forwarded: z
      .strictObject({
        headers: z.enum(['x-forwarded', 'forwarded', 'both', 'none']).default('x-forwarded').meta({
          description:
            'Which headers tell the backend who asked: `X-Forwarded-*`, `Forwarded` (RFC 7239), both or none.',
        }),
        trustedProxies: z
          .array(Cidr)
          .prefault([])
          .meta({
            description:
              'Peers whose own forwarding headers are believed and extended; those of any other peer are replaced.',
            examples: ['[10.0.0.0/8]'],
          }),
      })
      .prefault({})
      .meta({ description: 'Forwarding headers.' }),
  })
  .meta({ id: 'Listener', title: 'listener', description: 'An address the gateway accepts clients on, HTTP or HTTPS.' })

const Proxy = z
  .strictObject({
    hosts: z
      .array(HostPattern)
      .prefault([])
      .meta({ description: 'Hosts it answers for; empty means any.', examples: ['[api.example.com]'] }),
    basePath: BasePath.meta({ description: 'Longest match wins; ends at a segment boundary.' }),
    target: Name.meta({ description: 'Name of the target.' }),
    revision: Revision.prefault('1').meta({ description: 'Appears in logs and trace headers.' }),
    faults: FaultProfile.optional().meta({ description: 'Without it: the top-level `faults`.' }),
    faultDetail: FaultDetail.optional().meta({ description: 'Without it: the top-level `faultDetail`.' }),
    path: z.enum(['strip', 'keep']).default('strip').meta({
      description:
        "`strip`: the base path is replaced by the path of the target's URL. `keep`: the whole path is appended to it, as gRPC needs.",
    }),
    host: z.enum(['target', 'keep']).default('target').meta({
      description: "The `Host` the backend sees: the target's, or the client's.",
    }),
  })
  .meta({ id: 'Proxy', title: 'proxy', description: 'A route (hosts, base path) to a target.' })

export const ConfigSchema = z
  .strictObject({
    organization: Label.default('default').meta({ description: 'Edge "organization": a label in logs and headers.' }),
    environment: Label.default('default').meta({ description: 'Edge "environment": a label in logs and headers.' }),
    region: z
      .union([z.literal(''), Label])
      .default('')
      .meta({
        title: 'text on one line',
        description: "Free text, the `region` of the self-hosted gateway's logs.",
      }),
    faults: FaultProfile.default('native').meta({
      description: 'Fault profile of proxies and listeners that choose none.',
    }),
    faultDetail: FaultDetail.default('standard').meta({
      description: 'Fault detail of proxies and listeners that choose none.',
    }),
    listeners: z
      .array(Listener)
      .min(1)
      .meta({ description: 'At least one.', examples: ['[{ name: http, port: 8080 }]'] }),
    trustStores: z.record(Name, TrustStore).prefault({}).meta({ description: 'Trust stores by name.' }),
    crlStores: z.record(Name, CrlStore).prefault({}).meta({ description: 'CRL stores by name.' }),
    targets: z.record(Name, Target).prefault({}).meta({ description: 'Targets by name.' }),
    proxies: z.record(Name, Proxy).prefault({}).meta({ description: 'Proxies by name.' }),
    logs: z
      .array(Log)
      .min(1)
      .prefault([{ format: 'native' }])
      .meta({ description: 'Where the event stream goes, in which format.' }),
    otlp: Otlp.optional().meta({
      description: 'OpenTelemetry receiver of spans, metrics and logs (OTLP/HTTP). Without it: none.',
      examples: ['{ endpoint: "http://127.0.0.1:4318", metrics: {} }'],
    }),
    tracing: Tracing.optional().meta({
      description:
        'Distributed tracing by W3C Trace Context. Without it, and without `otlp` that takes traces, trace headers cross as they came; with it alone they do, too, and log lines have the trace id.',
      examples: ['{ sample: 0.1 }'],
    }),
    monitoring: Monitoring,
    alerts: Alerts.optional().meta({
      description: 'How the receivers of alerts are reached. Without it: verified with the roots of the runtime.',
      examples: ['{ trust: [corp] }'],
    }),
    management: z
      .strictObject({
        address: ListenAddress.default('127.0.0.1').meta({ description: 'Where it listens.' }),
        port: Port.meta({ description: 'TCP port.' }),
        tls: z
          .strictObject({
            certificates: z.array(Identity).length(1).meta({ description: 'Certificate and key to serve it with.' }),
            minVersion: z
              .enum(['TLSv1.2', 'TLSv1.3'])
              .default('TLSv1.2')
              .meta({ description: 'Lowest TLS version to accept.' }),
          })
          .optional()
          .meta({ description: 'Serves it over HTTPS. Without it: plain HTTP, for loopback and trusted networks.' }),
        audit: AuditTrail,
      })
      .optional()
      .meta({
        description:
          'Listener for operators: `/metrics`, `/status`, `/healthz`, `/readyz`, and with `serve --state` the management API. Without it: none.',
      }),
    apigee: z
      .strictObject({
        compat: z.enum(['strict', 'edge']).default('strict').meta({
          description:
            "How `SSLInfo` of bundles and target servers is taken. `strict`: chain and name are always verified, without a TrustStore against the system's roots. `edge`: as Edge does it (no TrustStore: the chain is not verified; IgnoreValidationErrors is honoured); every target so weakened is reported.",
        }),
        partialChain: z.boolean().default(false).meta({
          description:
            'Every certificate of a trust store ends a path, as in Java. Without it a path must end in a self-signed root.',
        }),
        takesEffect: z.enum(['at-once', 'edge']).default('at-once').meta({
          description:
            'When a changed store matters to what is deployed. `at-once`: with the answer to the change. `edge`: at once for stores named by a reference, at the next deployment or start for those named directly.',
        }),
        unsupportedPolicies: z.enum(['refuse', 'answer-500']).default('refuse').meta({
          description:
            'What becomes of a bundle with a step that cannot be run. `refuse`: it is not deployed. `answer-500`: it is, and every request to it fails, so that a migration can be looked at as a whole. No step is ever skipped.',
        }),
        apiMonitoring: z
          .string()
          .regex(/^(?!\/(?:v1|api|oauth|metrics|status|inventory|healthz|readyz)(?:\/|$))(?:\/[A-Za-z0-9._~-]+)+$/)
          .default('/monitoring')
          .meta({
            title: 'path that is not of the management API',
            description:
              "Where the management listener answers as Edge's API Monitoring, which has a host of its own there. A change takes effect at the next start.",
            examples: ['/monitoring'],
          }),
        virtualHosts: z.enum(['listeners', 'open']).default('listeners').meta({
          description:
            '`listeners`: a virtual host is served on the listener that has its port, or none. `open`: a port that no listener has is opened.',
        }),
      })
      .prefault({})
      .meta({ description: 'How objects of the Edge-compatible management API are run.' }),
    drain: z
      .strictObject({
        delay: Duration.optional().meta({
          description:
            'Not ready (`/readyz` says 503) and still accepting, for load balancers to notice. Without it: none.',
        }),
        timeout: timeout(
          '25s',
          'Requests still running after it are cut: after a stop, and over connections whose trust has changed.',
        ),
      })
      .prefault({})
      .meta({
        description:
          'How long an orderly end may take: of the process on SIGTERM, and of connections whose trust has changed.',
      }),
    diagnosis: z
      .strictObject({
        live: z.boolean().default(true).meta({
          description:
            'When a connection to a backend fails in TLS, the main thread opens a connection of its own and puts the exact cause into log line, event and fault. At most one at a time and one in five seconds for a server; nothing but a handshake is sent.',
        }),
        wait: Duration.superRefine((ms, context) => {
          if (ms > 5000) refuse(context, `${durationText(ms)} is more than a request may wait`, 'at most 5s')
        })
          .prefault('50ms')
          .meta({
            description:
              'How long the first failed request of a kind may wait for its exact cause. Later ones with the same evidence never wait.',
          }),
      })
      .prefault({})
      .meta({ description: 'How the exact cause of a failed connection is found for the request that met it.' }),
  })
  .meta({ title: 'Postern configuration', description: 'One file, YAML or JSON. Unknown keys are faults.' })

export type Config = z.output<typeof ConfigSchema>
export type TargetConfig = Config['targets'][string]
export type ServerConfig = NonNullable<TargetConfig['servers']>[number]
export type ListenerConfig = Config['listeners'][number]
export type TrustStoreConfig = Config['trustStores'][string]
export type TrustSourceConfig = TrustStoreConfig['sources'][number]
export type CrlStoreConfig = Config['crlStores'][string]
export type IdentityConfig = z.output<typeof Identity>
export type ManagedIdentityConfig = z.output<typeof ManagedIdentity>
