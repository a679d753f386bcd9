import { z } from 'zod'
import { isDatagramSocket } from '../core/unix-socket.ts'
import { DnsName } from './addresses.ts'
import { Duration, FilePath, Name, refuse, Retention, Size } from './scalars.ts'
import { Identity } from './schema-tls.ts'
import { Secret } from './secrets.ts'
import { maskUserinfo } from './userinfo.ts'

/** What is told of the traffic, and to whom. */

const ReceiverTls = z
  .strictObject({
    trust: z
      .array(Name)
      .min(1)
      .optional()
      .meta({
        description: "Trust stores whose certificates may anchor the receiver. Without it: the system's roots.",
        examples: ['[corp]'],
      }),
    serverName: DnsName.optional().meta({
      description: "SNI to send and name the receiver's certificate must cover. Without it: the host.",
    }),
    clientCertificate: Identity.optional().meta({ description: 'Identity to show to the receiver. Without it: none.' }),
  })
  .meta({ id: 'ReceiverTls', title: 'TLS settings of a receiver' })

export const Alerts = z
  .strictObject({
    trust: z
      .array(Name)
      .min(1)
      .optional()
      .meta({
        description:
          'Trust stores whose certificates may anchor https receivers of alerts (webhooks). Without it: the roots of the runtime.',
        examples: ['[corp]'],
      }),
  })
  .meta({ id: 'Alerts', title: 'receivers of alerts' })

const OtlpEndpoint = z
  .string()
  .superRefine((text, context) => {
    const url = URL.parse(text)
    if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
      refuse(context, `"${maskUserinfo(text)}" is not an http or https URL`, 'https://collector.internal:4318')
    } else if (url.username !== '' || url.password !== '') {
      refuse(context, 'the URL carries credentials', 'headers: { authorization: { env: OTLP_AUTHORIZATION } }')
    } else if (url.search !== '' || url.hash !== '') {
      refuse(context, 'the URL has a query or a fragment', 'the base URL; /v1/traces and the like are added to it')
    }
  })
  .meta({
    title: 'http or https URL',
    description: 'Base URL; `/v1/traces`, `/v1/metrics` and `/v1/logs` are added to it.',
    examples: ['http://127.0.0.1:4318', 'https://collector.internal:4318'],
  })

const HeaderName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/)
  .meta({ title: 'name of a header' })

const HeaderText = z
  .string()
  .regex(/^[!-~](?:[ -~]{0,1022}[!-~])?$/)
  .meta({ title: 'text of visible ASCII characters' })

export const Otlp = z
  .strictObject({
    endpoint: OtlpEndpoint,
    encoding: z
      .enum(['protobuf', 'json'])
      .default('protobuf')
      .meta({ description: 'Of the bodies (OTLP/HTTP): binary protobuf, or JSON.' }),
    headers: z
      .record(HeaderName, z.union([HeaderText, Secret]))
      .prefault({})
      .meta({
        description: 'Sent with each request; text, or the place of a secret.',
        examples: ['{ authorization: { env: OTLP_AUTHORIZATION } }', '{ x-scope-orgid: payments }'],
      }),
    compression: z.enum(['gzip', 'none']).default('gzip').meta({ description: 'Of the bodies.' }),
    timeout: Duration.prefault('10s').meta({ description: 'For one request to the receiver.' }),
    tls: ReceiverTls.optional().meta({
      description: "How an https receiver is verified; it always is. Without it: against the system's roots.",
    }),
    traces: z
      .boolean()
      .default(true)
      .meta({ description: 'Send the spans of requests that are sampled; see `tracing`.' }),
    metrics: z
      .strictObject({
        interval: Duration.superRefine((ms, context) => {
          // A bare number is milliseconds: 60, meant as seconds, would be sixteen exports a second.
          if (ms < 1000) refuse(context, `${ms}ms is shorter than 1s`, 'at least 1s, such as 60s')
        })
          .prefault('60s')
          .meta({ description: 'From one export to the next; at least 1s.' }),
      })
      .optional()
      .meta({ description: 'Send the metrics of `/metrics`, too. Without it: none are sent.', examples: ['{}'] }),
  })
  .meta({ id: 'Otlp', title: 'OTLP receiver' })

export const Tracing = z
  .strictObject({
    sample: z
      .number()
      .min(0)
      .max(1)
      .default(0.01)
      .meta({
        title: 'share from 0 to 1',
        description:
          'Share of the requests without a `traceparent` that are sampled. Where there is one, its sampled flag decides.',
        examples: ['0.01', '1'],
      }),
    failures: z.boolean().default(true).meta({
      description: 'Requests that fail have spans whatever was decided.',
    }),
  })
  .meta({ id: 'Tracing', title: 'distributed tracing' })

export const Monitoring = z
  .strictObject({
    minutes: Retention.prefault('2d').meta({ description: 'How long counts by the minute are kept.' }),
    hours: Retention.prefault('30d').meta({ description: 'How long counts by the hour are kept.' }),
    days: Retention.prefault('400d').meta({ description: 'How long counts by the day are kept.' }),
    size: Size.prefault('256MiB').meta({ description: 'Of the file they are in; the oldest go first.' }),
  })
  .prefault({})
  .meta({
    description:
      'Counts of requests by proxy, target, status, fault and verdict. They are kept in the state directory, without one in memory, and only where there is a management listener.',
  })

const facilities = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['ntp', 'audit', 'alert', 'clock', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
] as const

/** RFC 5424 section 6.2.1. */
export function facilityNumber(name: string): number {
  return (facilities as readonly string[]).indexOf(name)
}

const SyslogAddress = z
  .string()
  .transform((text, context): SyslogPlace => {
    const place = parseSyslogAddress(text)
    if (place?.transport === 'unix' && isDatagramSocket(place.host)) {
      refuse(context, `${place.host} is a datagram socket; only stream sockets are supported`, 'udp://127.0.0.1:514')
      return z.NEVER
    }
    if (place !== null) return place
    refuse(context, `"${maskUserinfo(text)}" is not the address of a syslog server`, [
      'tcp://loghost:601',
      'udp://loghost:514',
      'tls://loghost:6514',
      'unix:/run/syslog.sock',
    ])
    return z.NEVER
  })
  .meta({
    title: 'address of a syslog server',
    description:
      '`tcp://`, `udp://` or `tls://` with host and port (601, 514 and 6514 where none is given), or `unix:` with the path of a stream socket.',
    examples: ['tls://loghost.internal:6514', 'udp://127.0.0.1:514'],
  })

export interface SyslogPlace {
  readonly transport: 'udp' | 'tcp' | 'tls' | 'unix'
  readonly host: string
  readonly port: number
}

const defaultPorts = { udp: 514, tcp: 601, tls: 6514 } as const

function parseSyslogAddress(text: string): SyslogPlace | null {
  const path = /^unix:(?:\/\/)?(\/[^\0]+)$/.exec(text)?.[1]
  if (path !== undefined) return { transport: 'unix', host: path, port: 0 }
  const [, transport, bracketed, plain, digits] =
    /^(udp|tcp|tls):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/.exec(text) ?? []
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') return null
  const port = digits === undefined ? defaultPorts[transport] : Number(digits)
  return port < 1 || port > 65_535 ? null : { transport, host: bracketed ?? plain ?? '', port }
}

const Syslog = z
  .strictObject({
    address: SyslogAddress,
    facility: z
      .enum(facilities)
      .default('local0')
      .meta({ title: 'facility', description: 'Facility of the messages (RFC 5424 section 6.2.1).' }),
    appName: z
      .string()
      .regex(/^[!-~]{1,48}$/)
      .default('postern')
      .meta({ title: 'word of up to 48 characters', description: 'APP-NAME of the messages.' }),
    enterprise: z
      .int()
      .min(1)
      .max(4_294_967_295)
      .optional()
      .meta({
        title: 'private enterprise number',
        description:
          'Yours at IANA. Each message of the native format then has structured data with the request id, `[postern@NUMBER requestId="..."]`. Without it: none.',
        examples: ['32473'],
      }),
    tls: ReceiverTls.optional().meta({
      description: "How a `tls://` server is verified; it always is. Without it: against the system's roots.",
    }),
  })
  .meta({ id: 'Syslog', title: 'syslog server' })

const Rotation = z
  .strictObject({
    size: Size.prefault('100MiB').meta({ description: 'A file that would grow beyond it is renamed to `NAME.1`.' }),
    keep: z.int().min(1).max(1000).default(5).meta({ description: 'Renamed files that are kept.' }),
  })
  .meta({ id: 'Rotation', title: 'rotation of a log file' })

export const Log = z
  .strictObject({
    format: z.enum(['native', 'apim-text', 'apim-json', 'edge-access', 'edge-system']).meta({
      description:
        "`native`: JSON lines, accesses and events. `apim-text`, `apim-json`: the self-hosted gateway's. `edge-access`: Edge's router log. `edge-system`: its message processor's log.",
    }),
    file: FilePath.optional().meta({
      description: 'Appended to. Without it, `syslog` or `otlp`: standard output.',
      examples: ['./access.log'],
    }),
    rotate: Rotation.optional().meta({
      description:
        'The file is rotated by its size. Without it: not at all; SIGHUP opens files again under their names.',
      examples: ['{ size: 100MiB, keep: 5 }'],
    }),
    syslog: Syslog.optional().meta({
      description: 'A server that takes RFC 5424 messages, instead of a file. Without it: none.',
    }),
    otlp: z
      .literal(true)
      .optional()
      .meta({ description: 'LogRecords to the receiver of `otlp`, instead of a file. Without it: none.' }),
  })
  .meta({ id: 'Log', title: 'log' })

export type LogConfig = z.output<typeof Log>
export type ReceiverTlsConfig = z.output<typeof ReceiverTls>
