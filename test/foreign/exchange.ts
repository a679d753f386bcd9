import { once } from 'node:events'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { closed, dialOnce, serverPlan, tlsPlan } from '../dial/dial-once.ts'

/**
 * Dials as the data plane does, and asks for `/` over what it got.
 * @returns the verdict of a dial that failed; else the HTTP status, or `late ` and how the connection ended without one
 */
export async function exchange(
  port: number,
  anchorPem: string,
  name: string,
  change: Partial<TargetTlsPlan> = {},
): Promise<string> {
  const { dialed, fault, reads } = await dialOnce(serverPlan({ port, tls: tlsPlan(anchorPem, name, change) }))
  if (dialed === null) return fault?.verdict ?? 'no verdict'
  const { socket } = dialed
  const ended = new Promise<string>((resolve) => {
    socket.once('error', ({ message }: Error) => {
      const alert = /alert number (\d+)/.exec(message)?.[1]
      resolve(alert === undefined ? 'late end' : `late alert ${alert}`)
    })
    socket.once('close', () => resolve('late end'))
    socket.once('end', () => resolve('late end'))
  })
  const answered = reads.until((text) => text.includes('\r\n')).then((text) => text.slice(9, 12))
  const silent = once(AbortSignal.timeout(5000), 'abort').then(() => 'late silence')
  socket.write(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`)
  try {
    return await Promise.race([answered, ended, silent])
  } finally {
    await closed(socket)
  }
}
