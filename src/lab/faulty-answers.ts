import type { RequestListener } from 'node:http'
import { sleepWhileOpen } from './answers.ts'

/** Answers after `slowMs`, then byte for byte: too late for a first-byte timeout, and lively enough for an idle one. */
export function answersSlowly(slowMs: number): RequestListener {
  return (request, response) => {
    request.resume()
    const body = 'at last\n'
    const send = async () => {
      await sleepWhileOpen(response, slowMs)
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
      for (const letter of body) {
        response.write(letter)
        await sleepWhileOpen(response, slowMs / 20)
      }
      response.end()
    }
    send().catch(() => request.socket.destroy())
  }
}

export const closesEarly: RequestListener = (request) => {
  request.socket.end()
}

export const closesMidBody: RequestListener = (request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 1000 })
  response.write('x'.repeat(100), () => request.socket.end())
}

export const answersMalformed: RequestListener = (request) => {
  request.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!')
}
