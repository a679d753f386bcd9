import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Recorder {
  readonly origin: string
  /** Requests since it was asked last, `GET /v1/o/acme`, in their order. */
  recorded(): readonly string[]
  close(): void
}

/** Passes everything on to the port as it is, and writes down what was asked for. */
export async function recorder(port: number): Promise<Recorder> {
  const requests: string[] = []
  const server = createServer((incoming, response) => {
    const { method, url, headers } = incoming
    requests.push(`${method} ${url}`)
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    recorded: () => requests.splice(0),
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
