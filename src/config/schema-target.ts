import { z } from 'zod'
import { DnsName, TargetUrl } from './addresses.ts'
import { EgressUrl, ResolverAddress, ServerAddress } from './endpoints.ts'
import { Duration, Name, Size } from './scalars.ts'
import { Balance, Breaker, Ejection, Health, period, Retries } from './schema-resilience.ts'
import { TargetTls } from './schema-tls.ts'
import { Secret, userTitle } from './secrets.ts'

/** Where a target's servers are, and how they are reached. */

const timeout = (fallback: string, description: string) => Duration.prefault(fallback).meta({ description })

const Server = z
  .strictObject({
    name: Name.optional().meta({ description: 'Unique in its target; for logs and metrics. Without it: `host:port`.' }),
    address: ServerAddress.meta({ description: "Where to connect to. Without a port: the URL's." }),
    serverName: DnsName.optional().meta({
      description:
        "`https` only: SNI to send, and the one name that the certificate of this server must cover. Without it: the target's names.",
    }),
    weight: z
      .int()
      .min(1)
      .max(1000)
      .default(1)
      .meta({
        title: 'weight (1 to 1000)',
        description: 'Its share under `weighted` and `least-requests`.',
        examples: ['2'],
      }),
    fallback: z
      .boolean()
      .default(false)
      .meta({ description: 'Gets requests only while no other server can take them.' }),
  })
  .meta({ id: 'Server', title: 'server', description: 'One of the servers of a target.' })

const Egress = z
  .strictObject({
    url: EgressUrl.meta({
      description: 'The proxy; connections to it are plain, what goes through is not changed by it.',
    }),
    user: z
      .string()
      // RFC 7617 section 2: a colon would end it
      // oxlint-disable-next-line no-control-regex
      .regex(/^[^:\u0000-\u001f\u007f]{1,256}$/)
      .optional()
      .meta({
        title: userTitle,
        description: 'User to name to the proxy (Basic). Without it: none.',
        examples: ['gateway'],
      }),
    password: Secret.optional().meta({ description: 'Password of the user. Without it: no user either.' }),
    authorization: Secret.optional().meta({
      description:
        'Whole value of `Proxy-Authorization`, such as `Bearer ...`, in place of user and password. Without it: theirs, or none.',
    }),
  })
  .meta({
    id: 'Egress',
    title: 'proxy on the way out',
    description:
      'An HTTP proxy that opens tunnels (CONNECT). Verification stays end to end: the proxy sees neither requests nor keys of an `https` target.',
    examples: ['{ url: "http://proxy.internal:3128" }'],
  })

export const Target = z
  .strictObject({
    url: TargetUrl.meta({
      description:
        'Where the backend answers: scheme, host and port; its path goes before the rest of the request path. Without `servers` its host is the one server.',
    }),
    h2c: z.boolean().default(false).meta({
      description: '`http` only: speak HTTP/2 without TLS to it, unasked (prior knowledge), as gRPC servers expect.',
    }),
    servers: z
      .array(Server)
      .min(1)
      .max(1000)
      .optional()
      .meta({
        description: "What is connected to in place of the URL's host. Without it: that host.",
        examples: ['[{ address: a.internal }, { address: b.internal }]'],
      }),
    balance: Balance.optional().meta({
      description: 'How a server is chosen. Without it: `weighted` when a server has a weight, else `round-robin`.',
    }),
    health: Health.optional().meta({ description: 'Checks of the servers. Without it: none.' }),
    ejection: Ejection.optional().meta({
      description: 'Leaves a server out whose requests fail in a row. Without it: none is left out.',
    }),
    retries: Retries.optional().meta({
      description:
        'Further tries of a failed request. Without it: one, where a kept connection turned out to be dead (idempotent methods), or the backend said that it did not process the request.',
    }),
    breaker: Breaker.optional().meta({
      description: 'Refuses requests while too many fail. Without it: every request is tried.',
    }),
    dns: z
      .strictObject({
        servers: z
          .array(ResolverAddress)
          .max(16)
          .prefault([])
          .meta({
            description:
              "Name servers to ask, for full names: no search domain is added. Empty: the system's resolver, and with it `/etc/hosts`.",
            examples: ['[10.0.0.53]'],
          }),
        refresh: period('30s', 'How long an answer is used; a shorter TTL wins where the resolver tells it.'),
      })
      .prefault({})
      .meta({ description: 'How host names become addresses.' }),
    egress: Egress.optional().meta({ description: 'The proxy that connections go through. Without it: none.' }),
    tls: TargetTls.optional().meta({ description: 'Required for `https`, refused for `http`.' }),
    timeouts: z
      .strictObject({
        connect: timeout('3s', 'TCP connection to the backend.'),
        handshake: timeout('10s', 'TLS handshake with the backend.'),
        firstByte: timeout('55s', "From the end of the request to the first byte of the backend's response."),
        bodyIdle: timeout('55s', 'Longest pause inside a body, in either direction.'),
        keepAlive: timeout('55s', 'How long an idle connection to the backend is kept.'),
      })
      .prefault({})
      .meta({ description: 'Each step has its own limit, so that a verdict can say which one was slow.' }),
    limits: z
      .strictObject({
        connections: z
          .int()
          .min(1)
          .max(65_535)
          .default(1024)
          .meta({ description: 'Connections to each server, per worker.' }),
        streams: z
          .int()
          .min(1)
          .max(10_000)
          .default(100)
          .meta({ description: "Requests under way on one HTTP/2 connection; the backend's own limit holds as well." }),
        pending: z
          .int()
          .min(0)
          .max(1_000_000)
          .default(1024)
          .meta({ description: 'Requests per worker that may wait for a connection; more are refused at once.' }),
        responseHeaderBytes: Size.prefault('25KiB').meta({
          description: "Status line and headers of a backend's response.",
        }),
      })
      .prefault({})
      .meta({ description: 'What one target may take up.' }),
  })
  .meta({ id: 'Target', title: 'target', description: 'A named backend: how to reach it and how to verify it.' })
