import assert from 'node:assert/strict'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** A few clients that ask all the time, and a way to send many requests at once. Each must be answered with 200 and `ok`. */
export interface Load {
  /** Answered so far. */
  readonly answered: number
  /** Sends so many with long paths, a few at a time; resolves when all are answered. */
  burst(requests: number): Promise<void>
  /** Throws where any request, of a burst or not, was answered otherwise, or not within the client's time. */
  check(): void
  end(): Promise<void>
}

/** What a client of these requests would wait. */
const patienceMs = 5_000
const clients = 4
const pauseMs = 25

export function openLoad(port: number): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  const failed: string[] = []
  let answered = 0
  const ended = new AbortController()
  const ask = async (path: string): Promise<void> => {
    const began = performance.now()
    const said = await answerTo(agent, port, path)
    if (said === '200 ok') answered++
    else failed.push(`${path.slice(0, 20)}: ${said} after ${Math.round(performance.now() - began)} ms`)
  }
  const loops = Array.from({ length: clients }, async (_, client) => {
    for (let number = 0; !ended.signal.aborted; number++) {
      await ask(`/light/${client}/${number}`)
      await sleep(pauseMs)
    }
  })
  return {
    get answered() {
      return answered
    },
    async burst(requests) {
      const long = 'x'.repeat(7_000)
      let sent = 0
      await Promise.all(
        Array.from({ length: 24 }, async () => {
          while (sent < requests) await ask(`/burst/${sent++}/${long}`)
        }),
      )
    },
    check() {
      assert.deepEqual(failed, [])
    },
    async end() {
      ended.abort()
      await Promise.all(loops)
      agent.destroy()
    },
  }
}

function answerTo(agent: Agent, port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ agent, host: '127.0.0.1', port, path, timeout: patienceMs }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      response.on('end', () => resolve(`${response.statusCode} ${text}`))
      response.on('error', (error) => resolve(error.message))
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', (error) => resolve(error.message))
  })
}
