import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, describe, it } from 'node:test'
import { type DirectWrites, directWrites } from '../../src/proxy/direct-writes.ts'

/* What goes past the stream arrives in order, before what the stream writes, and its failures are the socket's. */

const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())

interface Pair {
  readonly client: Socket
  readonly accepted: Socket
  readonly direct: DirectWrites
}

async function connected(): Promise<Pair> {
  const arrival = once(server, 'connection')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = (await arrival) as [Socket]
  const direct = directWrites(accepted)
  assert(direct !== null, 'this runtime allows it')
  return { client, accepted, direct }
}

/** Writes until the kernel takes no more. @returns what was written, in order */
function fill(direct: DirectWrites): string {
  let written = ''
  for (let line = 0; ; line++) {
    const piece = `${String(line).padStart(7, '0')}${'x'.repeat(8000)}\n`
    if (!direct.write(piece)) return written
    written += piece
  }
}

describe('writes past the stream', () => {
  it('arrive byte for byte, latin1', async () => {
    const { client, accepted, direct } = await connected()
    assert.equal(direct.write('one \u00e9\u00ff '), true)
    assert.equal(direct.write('two'), true)
    accepted.end()
    const received: Buffer[] = []
    for await (const chunk of client) received.push(chunk as Buffer)
    assert.equal(Buffer.concat(received).toString('latin1'), 'one \u00e9\u00ff two')
    client.destroy()
    accepted.destroy()
  })

  it('leave to the stream what the kernel does not take, and its end comes behind all of it', async () => {
    const { client, accepted, direct } = await connected()
    client.pause()
    const written = fill(direct)
    assert.deepEqual([direct.pending, accepted.writableLength], [true, 0])
    assert.equal(direct.write('again'), false, 'one at a time')
    accepted.write('from the stream ', 'latin1')
    assert.equal(direct.write('overtaking'), false, 'the stream has something to write')
    accepted.end('and its end', 'latin1')
    assert.equal(await text(client), `${written}from the stream and its end`)
    client.destroy()
    accepted.destroy()
  })

  it('go on once the peer has read', async () => {
    const { client, accepted, direct } = await connected()
    client.pause()
    let expected = fill(direct)
    accepted.write('.', 'latin1')
    expected += '.'
    const whole = text(client)
    while (!direct.write('more')) await new Promise((resolve) => setImmediate(resolve))
    accepted.end()
    assert.equal(await whole, `${expected}more`)
    client.destroy()
    accepted.destroy()
  })

  it('are refused for text that would not be tried at once, and after the end', async () => {
    const { client, accepted, direct } = await connected()
    assert.equal(direct.write('x'.repeat(16_385)), false)
    accepted.end()
    assert.equal(direct.write('late'), false)
    client.destroy()
    accepted.destroy()
    assert.equal(direct.write('later'), false)
  })

  it('end with the socket when it is destroyed under them', async () => {
    const { client, accepted, direct } = await connected()
    const errors: unknown[] = []
    accepted.on('error', (error) => errors.push(error))
    client.pause()
    fill(direct)
    accepted.destroy()
    await once(accepted, 'close')
    assert.deepEqual(errors, [])
    client.destroy()
  })

  it('fail as the socket does when the peer is gone', async () => {
    for (const pending of [false, true]) {
      const { client, accepted, direct } = await connected()
      client.pause()
      client.on('error', () => {})
      if (pending) fill(direct)
      const failed = once(accepted, 'error') as Promise<[NodeJS.ErrnoException]>
      client.resetAndDestroy()
      await once(client, 'close')
      if (!pending) while (direct.write('x')) await new Promise((resolve) => setImmediate(resolve))
      const [error] = await failed
      assert.match(String(error.code), /^(?:EPIPE|ECONNRESET)$/)
      assert(accepted.destroyed)
    }
  })
})
