import { z } from 'zod'
import { ApiError, type ApiRoute } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { EventRing, type NumberedEvent } from './event-ring.ts'

/** I10. */
const maxClients = 32
const maxOfUser = 8
/** Bytes that wait for a client before it is cut: it does not read. */
const maxBehind = 1024 * 1024
const heartbeatMs = 15_000

const Query = z.object({
  types: z.string().optional().meta({ description: 'Only these, separated by commas: `diagnosed,trust-changed`.' }),
})

/** What happens in the main thread, as server-sent events (WHATWG HTML, section 9.2). */
export function eventRoutes(
  gateway: Pick<NativeGateway, 'subscribe'>,
  { heartbeat = heartbeatMs, behind = maxBehind, clients: most = maxClients, ofUser: mostOfUser = maxOfUser } = {},
): readonly ApiRoute[] {
  const ring = new EventRing()
  const clients = new Map<(event: NumberedEvent) => void, string>()
  // As long as the gateway is there.
  gateway.subscribe((event) => {
    const numbered = ring.add(event)
    for (const client of clients.keys()) client(numbered)
  })
  return [
    {
      method: 'GET',
      path: '/api/events',
      role: 'viewer',
      doc: {
        summary: 'Events as they happen; with Last-Event-ID, those since then first, and `missed` where some are gone',
        query: Query,
        headers: { 'Last-Event-ID': 'The id of the event that was seen last.' },
        answerTypes: {
          'text/event-stream': z.string().meta({ description: 'Server-sent events, each with JSON data.' }),
        },
        errors: {
          429: 'As many streams of this user are open as are allowed.',
          503: 'As many clients follow as are allowed.',
        },
      },
      async handle(call) {
        if (clients.size >= most) throw new ApiError(503, 'busy', `${most} clients follow the events already`)
        const { user } = call.principal
        if ([...clients.values()].filter((each) => each === user).length >= mostOfUser) {
          throw new ApiError(429, 'too-many-streams', `${user} follows the events ${mostOfUser} times already`)
        }
        const wanted = typesOf(call.query.get('types'))
        const since = ring.after(call.headers['last-event-id'] ?? '')
        return { status: 200, type: 'text/event-stream', stream: streamOf(user, wanted, since) }
      },
    },
  ]

  function streamOf(
    user: string,
    wanted: ReadonlySet<string> | null,
    { events, missed }: ReturnType<EventRing['after']>,
  ): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    let end = (): void => {}
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const send = (text: string): void => {
            const bytes = encoder.encode(text)
            if ((controller.desiredSize ?? 0) >= bytes.length) {
              controller.enqueue(bytes)
              return
            }
            end()
            // The connection goes with it; the client comes back and says what it saw last.
            controller.error(new ApiError(503, 'too-slow', 'the client does not read its events'))
          }
          const take = ({ type, text }: NumberedEvent): void => {
            if (wanted === null || wanted.has(type)) send(text)
          }
          const beat = setInterval(() => send(': still here\n\n'), heartbeat)
          beat.unref()
          end = () => {
            clearInterval(beat)
            clients.delete(take)
          }
          clients.set(take, user)
          send(`retry: 2000\n\n${missed ? 'event: missed\ndata: {}\n\n' : ''}`)
          for (const event of events) if (clients.has(take)) take(event)
        },
        cancel: () => end(),
      },
      { highWaterMark: behind, size: (chunk) => chunk.byteLength },
    )
  }
}

function typesOf(text: string | null): ReadonlySet<string> | null {
  if (text === null || text === '') return null
  const types = text.split(',').map((each) => each.trim())
  const bad = types.find((each) => !/^[a-z][a-z-]{0,63}$/.test(each))
  if (bad !== undefined)
    throw new ApiError(400, 'bad-query', `types has ${JSON.stringify(bad.slice(0, 64))}, which is no type`)
  return new Set(types)
}
