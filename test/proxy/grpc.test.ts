import assert from 'node:assert/strict'
import { type EventEmitter, once } from 'node:events'
import { after, describe, it } from 'node:test'
import {
  type Client,
  credentials,
  makeGenericClientConstructor,
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'

/* gRPC through the gateway, with its public client and server; over TLS with ALPN and without, by prior knowledge. */

const same = (value: Buffer): Buffer => value
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})
const service = {
  unary: method('Unary', false, false),
  fail: method('Fail', false, false),
  download: method('Download', false, true),
  upload: method('Upload', true, false),
  chat: method('Chat', true, true),
  never: method('Never', false, false),
  endless: method('Endless', false, true),
} satisfies ServiceDefinition

let cancelled = 0
const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 })
server.addService(service, {
  unary(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
    const trailers = new Metadata()
    trailers.set('x-trailer', String(call.metadata.get('x-asked')[0] ?? ''))
    trailers.set('x-bytes-bin', Buffer.from([0, 1, 254, 255]))
    done(null, call.request, trailers)
  },
  fail(_call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
    const metadata = new Metadata()
    metadata.set('x-why', 'asked to')
    done({ code: status.FAILED_PRECONDITION, details: 'not today, Zoë', metadata })
  },
  download(call: ServerWritableStream<Buffer, Buffer>) {
    const count = Number(call.request.toString())
    for (let i = 0; i < count; i++) call.write(Buffer.from(`message ${i}`))
    call.end()
  },
  upload(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
    let bytes = 0
    call.on('data', (message: Buffer) => {
      bytes += message.length
    })
    call.on('end', () => done(null, Buffer.from(String(bytes))))
  },
  chat(call: ServerDuplexStream<Buffer, Buffer>) {
    call.on('data', (message: Buffer) => call.write(Buffer.from(`> ${message.toString()}`)))
    call.on('end', () => call.end())
  },
  never(call: ServerUnaryCall<Buffer, Buffer>) {
    call.on('cancelled', () => cancelled++)
  },
  endless(call: ServerWritableStream<Buffer, Buffer>) {
    const timer = setInterval(() => call.write(Buffer.from('tick')), 10)
    call.on('cancelled', () => {
      clearInterval(timer)
      cancelled++
    })
  },
})
const root = await createRoot({ commonName: 'gRPC Test CA' })
const inner = await createLeaf(root, { names: ['grpc.test'] })
const outer = await createLeaf(root, { names: ['gateway.test'] })
const pem = (text: string): Buffer => Buffer.from(text)
const bind = (how: ServerCredentials): Promise<number> =>
  new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', how, (error, port) => (error === null ? resolve(port) : reject(error))),
  )
const tlsPort = await bind(
  ServerCredentials.createSsl(null, [{ cert_chain: pem(inner.chainPem), private_key: pem(inner.keyPem) }]),
)
const plainPort = await bind(ServerCredentials.createInsecure())
const gateway = await startTestGateway(
  {
    listeners: [
      { name: 'http', address: '127.0.0.1', port: 0, h2c: true },
      {
        name: 'https',
        address: '127.0.0.1',
        port: 0,
        tls: { certificates: [{ certificate: './outer.pem', key: './outer.key' }] },
      },
    ],
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      tls: {
        url: `https://127.0.0.1:${tlsPort}`,
        tls: { trust: ['test'], serverName: 'grpc.test', alpn: ['h2'] },
      },
      plain: { url: `http://127.0.0.1:${plainPort}`, h2c: true },
      down: { url: 'http://127.0.0.1:1', h2c: true },
    },
    proxies: {
      tls: { hosts: ['gateway.test'], basePath: '/', target: 'tls', path: 'keep' },
      plain: { basePath: '/', target: 'plain', path: 'keep' },
      down: { hosts: ['down.test'], basePath: '/', target: 'down', path: 'keep' },
    },
  },
  { files: { 'ca.pem': root.certificatePem, 'outer.pem': outer.chainPem, 'outer.key': outer.keyPem } },
)
const Echo = makeGenericClientConstructor(service, 'Echo')
const options = { 'grpc.max_receive_message_length': 64 * 1024 * 1024 }
/** The methods of a generic client are made at run time; these are the calls that they return. */
interface Call extends AsyncIterable<Buffer>, EventEmitter {
  write(message: Buffer): void
  end(): void
  cancel(): void
}
type EchoClient = Client & Record<keyof typeof service, (...values: unknown[]) => Call>
const overTls = new Echo(
  `127.0.0.1:${gateway.gateway.ports['https'] ?? 0}`,
  credentials.createSsl(pem(root.certificatePem)),
  { ...options, 'grpc.ssl_target_name_override': 'gateway.test', 'grpc.default_authority': 'gateway.test' },
) as unknown as EchoClient
const inPlain = new Echo(
  `127.0.0.1:${gateway.gateway.ports['http'] ?? 0}`,
  credentials.createInsecure(),
  options,
) as unknown as EchoClient
const toNobody = new Echo(`127.0.0.1:${gateway.gateway.ports['http'] ?? 0}`, credentials.createInsecure(), {
  'grpc.default_authority': 'down.test',
}) as unknown as EchoClient
after(async () => {
  for (const client of [overTls, inPlain, toNobody]) client.close()
  server.forceShutdown()
  await gateway[Symbol.asyncDispose]()
})

for (const [how, client] of [
  ['over TLS on both sides', overTls],
  ['without TLS, by prior knowledge', inPlain],
] as const) {
  describe(`gRPC ${how}`, () => {
    it('calls with one message each way, metadata and trailers', async () => {
      const metadata = new Metadata()
      metadata.set('x-asked', 'for this')
      const { reply, trailers } = await unary(client, 'unary', Buffer.from('hello'), metadata)
      assert.equal(reply?.toString(), 'hello')
      assert.deepEqual(trailers?.get('x-trailer'), ['for this'])
      assert.deepEqual(trailers?.get('x-bytes-bin'), [Buffer.from([0, 1, 254, 255])])
    })

    it('carries a status that is no success, with its details and metadata', async () => {
      const { error } = await unary(client, 'fail', Buffer.from(''))
      assert.equal(error?.code, status.FAILED_PRECONDITION)
      assert.equal(error?.details, 'not today, Zoë')
      assert.deepEqual(error?.metadata.get('x-why'), ['asked to'])
    })

    it('carries messages of many frames', async () => {
      const message = Buffer.alloc(8 * 1024 * 1024, 'postern ')
      const { reply } = await unary(client, 'unary', message)
      assert.ok(reply?.equals(message))
    })

    it('streams from the server', async () => {
      const seen: string[] = []
      for await (const message of client.download(Buffer.from('500'))) seen.push(String(message))
      assert.equal(seen.length, 500)
      assert.equal(seen[499], 'message 499')
    })

    it('streams from the client', async () => {
      const reply = await new Promise<Buffer>((resolve, reject) => {
        const call = client.upload((error: ServiceError | null, value: Buffer) => {
          if (error === null) resolve(value)
          else reject(error)
        })
        for (let i = 0; i < 300; i++) call.write(Buffer.alloc(10_000))
        call.end()
      })
      assert.equal(reply.toString(), '3000000')
    })

    it('streams both ways, each message as it comes', async () => {
      const call = client.chat()
      for (const message of ['one', 'two', 'three']) {
        call.write(Buffer.from(message))
        const [reply] = (await once(call, 'data')) as [Buffer]
        assert.equal(reply.toString(), `> ${message}`)
      }
      call.end()
      await once(call, 'end')
    })

    it('keeps deadlines: the client has its status, the server hears of it', async () => {
      const before = cancelled
      const { error } = await unary(client, 'never', Buffer.from(''), new Metadata(), { deadline: Date.now() + 200 })
      assert.equal(error?.code, status.DEADLINE_EXCEEDED)
      await until(() => cancelled > before)
    })

    it('cancels a stream on the server when the client cancels it', async () => {
      const before = cancelled
      const call = client.endless(Buffer.from(''))
      call.on('error', () => {})
      await once(call, 'data')
      call.cancel()
      await until(() => cancelled > before)
    })

    it('has many calls under way at once', async () => {
      const replies = await Promise.all(
        Array.from({ length: 200 }, (_, i) => unary(client, 'unary', Buffer.from(String(i)))),
      )
      assert.deepEqual(
        replies.map(({ reply }) => reply?.toString()),
        Array.from({ length: 200 }, (_, i) => String(i)),
      )
    })
  })
}

describe('gRPC to a backend that is down', () => {
  it('is UNAVAILABLE', async () => {
    const { error } = await unary(toNobody, 'unary', Buffer.from(''))
    assert.equal(error?.code, status.UNAVAILABLE)
  })
})

interface Outcome {
  readonly error: ServiceError | null
  readonly reply: Buffer | undefined
  readonly trailers: Metadata | undefined
}

function unary(
  client: EchoClient,
  name: keyof typeof service,
  message: Buffer,
  metadata: Metadata = new Metadata(),
  call: { readonly deadline?: number } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    let outcome: Omit<Outcome, 'trailers'> | null = null
    let trailers: Metadata | undefined
    const done = (): void => {
      if (outcome !== null && (trailers !== undefined || outcome.error !== null)) resolve({ ...outcome, trailers })
    }
    const stream = client[name](message, metadata, call, (error: ServiceError | null, reply: Buffer | undefined) => {
      outcome = { error, reply }
      done()
    })
    stream.on('status', ({ metadata: last }: { metadata: Metadata }) => {
      trailers = last
      done()
    })
  })
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 10))
}
