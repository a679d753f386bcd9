// node test/proxy/large-body.soak.ts [GiB]: bodies of 4 GiB, or as many as said, through a gateway that runs as a process
// of its own, TLS on both sides, contents compared. Exits 1 when its resident memory grows by more than 64 MiB.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { bodyHash, bodyStream, hashOf } from './body-stream.ts'
import { startServe } from './serve-process.ts'

const allowedGrowth = 64 * 1024 * 1024
const bytes = Number(process.argv[2] ?? '4') * 1024 ** 3

const root = await createRoot({ commonName: 'Soak Test CA' })
const inner = await createLeaf(root, { names: ['backend.test'] })
const outer = await createLeaf(root, { names: ['gateway.test'] })

const backend = createServer({ cert: inner.chainPem, key: inner.keyPem, requestTimeout: 0 }, (incoming, response) => {
  const path = incoming.url ?? ''
  if (path.startsWith('/down/')) {
    incoming.resume()
    const length = Number(path.slice(6))
    response.setHeader('content-length', length)
    pipeline(bodyStream(length), response).catch(() => {})
  } else if (path === '/up') {
    hashOf(incoming as AsyncIterable<Buffer>).then(
      (seen) => response.end(JSON.stringify(seen)),
      () => response.destroy(),
    )
  } else {
    pipeline(incoming, response).catch(() => {})
  }
})
backend.listen(0, '127.0.0.1')
await once(backend, 'listening')

await using gateway = await startServe(
  {
    listeners: [
      {
        name: 'https',
        address: '127.0.0.1',
        port: 0,
        tls: { certificates: [{ certificate: './outer.pem', key: './outer.key' }] },
      },
    ],
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      b: {
        url: `https://127.0.0.1:${(backend.address() as AddressInfo).port}`,
        tls: { trust: ['test'], serverName: 'backend.test' },
      },
    },
    proxies: { b: { basePath: '/', target: 'b' } },
  },
  { files: { 'ca.pem': root.certificatePem, 'outer.pem': outer.chainPem, 'outer.key': outer.keyPem } },
)

type Seen = { readonly sha256: string; readonly bytes: number }

function ask(
  path: string,
  method: string,
): { outgoing: ReturnType<typeof httpsRequest>; answered: Promise<IncomingMessage> } {
  const outgoing = httpsRequest({
    host: '127.0.0.1',
    port: gateway.portOf('https'),
    servername: 'gateway.test',
    ca: root.certificatePem,
    path,
    method,
    agent: false,
  })
  return { outgoing, answered: once(outgoing, 'response').then(([response]) => response as IncomingMessage) }
}

async function down(length: number): Promise<Seen> {
  const { outgoing, answered } = ask(`/down/${length}`, 'GET')
  outgoing.end()
  return hashOf((await answered) as AsyncIterable<Buffer>)
}

async function up(length: number): Promise<Seen> {
  const { outgoing, answered } = ask('/up', 'POST')
  const [response] = await Promise.all([answered, pipeline(bodyStream(length), outgoing)])
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return JSON.parse(text) as Seen
}

async function both(length: number): Promise<Seen> {
  const { outgoing, answered } = ask('/echo', 'POST')
  const sent = pipeline(bodyStream(length), outgoing)
  const seen = await hashOf((await answered) as AsyncIterable<Buffer>)
  await sent
  return seen
}

const mib = (count: number): string => `${(count / 1024 ** 2).toFixed(1)} MiB`

// A little first, so that code and buffers that any body needs are there before the counting begins.
for (const run of [down, up, both]) await run(1024 * 1024)
const before = await gateway.residentBytes()
let highest = before
const sampler = setInterval(() => {
  void gateway.residentBytes().then((now) => (highest = Math.max(highest, now)))
}, 50)

const expected = bodyHash(bytes)
let good = true
console.log(`resident before: ${mib(before)}`)
for (const [name, run] of [
  ['down', down],
  ['up', up],
  ['up and down at once', both],
] as const) {
  const startedAt = performance.now()
  const seen = await run(bytes)
  const seconds = (performance.now() - startedAt) / 1000
  const whole = seen.bytes === bytes && seen.sha256 === expected
  good &&= whole
  console.log(
    `${name}: ${seen.bytes} bytes ${whole ? 'whole' : 'CHANGED'} in ${seconds.toFixed(1)} s (${mib(seen.bytes / seconds)}/s); ` +
      `highest resident memory so far: ${mib(highest)}, growth ${mib(highest - before)}`,
  )
}
clearInterval(sampler)
backend.closeAllConnections()
backend.close()
good &&= highest - before <= allowedGrowth
console.log(good ? 'good' : `NOT good: allowed growth is ${mib(allowedGrowth)}`)
process.exitCode = good ? 0 : 1
