import { z } from 'zod'
import { HostValue } from './endpoints.ts'
import { Method, RequestPath, Statuses } from './http-values.ts'
import { Duration, refuse } from './scalars.ts'

/** How one of several servers is chosen, and what is done when one fails. */

/** A bare number is milliseconds: `interval: 5`, meant as seconds, would be two hundred checks a second. */
const shortest = 100

/** For what is done again and again. */
export const period = (fallback: string, description: string) =>
  Duration.superRefine((ms, context) => {
    if (ms < shortest)
      refuse(context, `${ms}ms is shorter than ${shortest}ms`, `${shortest}ms or more, such as ${fallback}`)
  })
    .prefault(fallback)
    .meta({ description })

const whole = (min: number, max: number, fallback: number, description: string) =>
  z.int().min(min).max(max).default(fallback).meta({ description })

const percent = (min: number, fallback: number, description: string) =>
  z
    .int()
    .min(min)
    .max(100)
    .default(fallback)
    .meta({ title: `percentage (${min} to 100)`, description, examples: [String(fallback)] })

export const Balance = z.enum(['round-robin', 'weighted', 'least-requests']).meta({
  id: 'Balance',
  title: 'way to choose a server',
  description:
    '`round-robin`: in turn. `weighted`: in turn, as often as the weights say. `least-requests`: the one with the fewest requests under way for its weight. Each worker counts for itself.',
})

export const Health = z
  .strictObject({
    tcp: z.literal(true).optional().meta({
      description:
        'Opens a connection as traffic does, for `https` with chain and name verified, and closes it. Without it: `http` says what is asked.',
    }),
    http: z
      .strictObject({
        method: Method.default('GET').meta({ description: 'Method of the request.' }),
        path: RequestPath.meta({ description: "Path to ask for; the path of the target's URL does not go before it." }),
        host: HostValue.optional().meta({ description: "The `Host` to send. Without it: that of the target's URL." }),
        statuses: z
          .array(Statuses)
          .min(1)
          .max(100)
          .prefault(['200-299'])
          .meta({ description: 'Statuses that pass.', examples: ['["200-299"]', '[200, 401]'] }),
      })
      .optional()
      .meta({
        description: 'Sends a request over a connection such as traffic has. Without it: `tcp` says what is done.',
        examples: ['{ path: /healthz }'],
      }),
    interval: period('5s', 'From one check of a server to the next, in each worker.'),
    timeout: Duration.prefault('3s').meta({ description: 'For one check, from opening the connection to the answer.' }),
    healthyAfter: whole(1, 100, 2, 'Checks in a row that pass before an unhealthy server gets requests again.'),
    unhealthyAfter: whole(1, 100, 3, 'Checks in a row that fail before a server gets no more requests.'),
  })
  .meta({
    id: 'Health',
    title: 'health check',
    description:
      'Checks of every server, by each worker for itself, over connections that are opened and verified as those of traffic. Exactly one of `tcp` and `http`. Servers count as healthy until their checks say otherwise.',
    examples: ['{ http: { path: /healthz } }', '{ tcp: true }'],
  })

export const Ejection = z
  .strictObject({
    consecutiveFailures: whole(1, 1000, 5, 'Failed requests in a row after which a server is left out.'),
    statuses: z
      .array(Statuses)
      .max(100)
      .prefault([])
      .meta({
        description:
          'Statuses of responses that count as failures. Connections that cannot be had, are refused by verification or die, and answers that do not come, always do.',
        examples: ['["502-504"]'],
      }),
    base: period('30s', 'How long the first time; each further time in a row lasts as much longer.'),
    max: period('5m', 'Longest time.'),
    maxPercent: percent(1, 50, "Part of the target's servers that may be left out at once; rounded down."),
  })
  .meta({
    id: 'Ejection',
    title: 'settings for ejection',
    description:
      'Leaves a server out for a while when requests to it fail in a row: by a fault, or with one of the `statuses` named.',
  })

/** For checks of a file that has been read and not yet judged. */
export const ejectionDefaults = Ejection.parse({})

/** The causes that a person chooses from; `status` follows from `statuses`. */
const retryCauses = ['connect', 'untrusted', 'refused-stream', 'reset', 'timeout'] as const

export const Retries = z
  .strictObject({
    attempts: whole(0, 10, 1, 'Further tries of one request, each on another server where there is one.'),
    on: z
      .array(z.enum(retryCauses).meta({ title: 'cause of a retry' }))
      .max(retryCauses.length)
      .default(['connect', 'refused-stream', 'reset'])
      .meta({
        description:
          '`connect`: no connection could be had. `untrusted`: the server was refused by verification; another may be sound. `refused-stream`: the backend said that it did not process the request. `reset`: the connection died before a byte of the response. `timeout`: no byte of the response in time.',
        examples: ['[connect, refused-stream]'],
      }),
    statuses: z
      .array(Statuses)
      .max(100)
      .prefault([])
      .meta({ description: 'Statuses of responses to try again on; none unless named.', examples: ['[503]'] }),
    methods: z
      .array(Method)
      .max(100)
      .default(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])
      .meta({
        description:
          'Methods that may reach a backend twice, for `reset`, `timeout` and `statuses`. Where nothing of the request was sent or processed (`connect`, `untrusted`, `refused-stream`) any method is tried again.',
        examples: ['[GET, HEAD]'],
      }),
    budget: z
      .strictObject({
        percent: percent(0, 20, "Of the target's requests of the last ten seconds."),
        minPerSecond: whole(0, 10_000, 3, 'On top of it, so that a target with few requests has some too.'),
      })
      .prefault({})
      .meta({ description: 'How many tries there may be in all, per worker; beyond it the first fault stands.' }),
  })
  .meta({
    id: 'Retries',
    title: 'settings for retries',
    description:
      'Sends a request again that failed, within a budget. Never once bytes of its body were sent: none are kept.',
  })

export const Breaker = z
  .strictObject({
    failurePercent: percent(1, 50, 'Opens when this part of the requests in the window has failed.'),
    minimumRequests: whole(1, 1_000_000, 20, 'Requests that the window must hold before it is judged.'),
    window: period('10s', 'How far back it looks.'),
    open: period(
      '5s',
      'How long it refuses everything; then one request at a time is let through to try, and three in a row that go well close it.',
    ),
  })
  .meta({
    id: 'Breaker',
    title: 'settings for a breaker',
    description:
      'Refuses requests at once while too many of a target fail, in each worker for itself. Every fault of a connection or of its messages counts, and every status of 500 or more.',
  })
