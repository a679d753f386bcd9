import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AdminLimits } from '../../src/admin/server.ts'
import type { ApiRoute } from '../../src/admin/api.ts'
import { startAdmin } from '../admin/support.ts'

const answerBytes = 1024 * 1024

/** A large answer for everybody, as `/metrics` is. */
async function listener(limits: Partial<AdminLimits> = {}) {
  const seen = { handled: 0, done: 0 }
  const routes: readonly ApiRoute[] = [
    {
      method: 'GET',
      path: '/large',
      role: 'anyone',
      handle: async () => {
        seen.handled++
        return { status: 200, bytes: 'x'.repeat(answerBytes), type: 'text/plain' }
      },
    },
    {
      method: 'GET',
      path: '/slow',
      role: 'anyone',
      handle: async () => {
        await sleep(600)
        seen.done++
        return { status: 200, bytes: 'slow', type: 'text/plain' }
      },
    },
  ]
  return { ...(await startAdmin(routes, { limits })), seen }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/** Sends and reads nothing. */
async function deaf(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  socket.write(text)
  return socket
}

async function reading(port: number, text: string): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  let text_ = ''
  socket.on('data', (chunk: Buffer) => (text_ += chunk.toString('latin1')))
  await once(socket, 'connect')
  socket.write(text)
  return { socket, received: () => text_ }
}

describe('The management listener', () => {
  test('makes the next answer of a connection when the one before has been taken', async () => {
    await using server = await listener()
    const socket = await deaf(server.admin.port, get('/large').repeat(50))
    await sleep(400)
    // Some fit into the buffers of the system.
    assert.ok(server.seen.handled < 20, `${server.seen.handled} answers of 1 MiB were made for who reads none`)
    socket.destroy()
    const patient = await reading(server.admin.port, get('/large').repeat(5))
    while (patient.received().length < 5 * answerBytes) await once(patient.socket, 'data')
    patient.socket.destroy()
  })

  test('ends a connection that sends more ahead than anyone needs', async () => {
    await using server = await listener()
    const socket = await deaf(server.admin.port, get('/large').repeat(500))
    socket.resume()
    await once(socket, 'close')
    assert.ok(server.seen.handled < 100, `${server.seen.handled} were handled`)
  })

  test('frees its places of clients that read nothing, and keeps those of routes that take their time', async () => {
    await using server = await listener({ stalled: 250, connections: 8 })
    const stalled = await Promise.all(
      Array.from({ length: 7 }, () => deaf(server.admin.port, get('/large').repeat(20))),
    )
    const slow = await reading(server.admin.port, get('/slow'))
    await sleep(900)
    assert.match(slow.received(), /slow$/)
    assert.equal(server.seen.done, 1)
    const next = await reading(server.admin.port, get('/slow'))
    await once(next.socket, 'data')
    for (const socket of [...stalled, slow.socket, next.socket]) socket.destroy()
  })

  test('closes an idle connection', async () => {
    await using server = await listener({ keepAlive: 100, stalled: 30_000 })
    const { socket, received } = await reading(server.admin.port, get('/slow'))
    await once(socket, 'close')
    assert.match(received(), /slow$/)
  })
})
