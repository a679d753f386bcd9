import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { createServer as createSecure } from 'node:https'
import type { AddressInfo, Server } from 'node:net'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- a test that is wrong about it fails
  readonly json: any
}

interface AlertReceiver extends AsyncDisposable {
  readonly url: string
  readonly received: readonly Received[]
  /** Waits until that many have come. */
  until(count: number): Promise<void>
}

/** A webhook. @param answer of each message; null: none ever comes */
export async function startReceiver(
  answer: (count: number) => number | null = () => 204,
  tls: { readonly cert: string; readonly key: string } | null = null,
): Promise<AlertReceiver> {
  const received: Received[] = []
  const waiting = new Set<() => void>()
  const take: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      received.push({ headers: request.headers, text, json: JSON.parse(text) })
      const status = answer(received.length)
      if (status !== null) response.writeHead(status).end('thanks')
      for (const look of waiting) look()
    })
  }
  const server: Server & { closeAllConnections(): void } = tls === null ? createServer(take) : createSecure(tls, take)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}/hook?token=t0p`,
    received,
    until: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (received.length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Asks again until it is so; the test runner's own limit ends what never is. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}
