// `npm run bench:probe [-- --rounds N]`: CPU of this process for the whole of `tls check` of one endpoint (probe, judgement,
// report as text) against a plain verified handshake through the same dialer, in the same process, in turns. The backend is
// another process on loopback. Fails above three times.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { diagnose } from '../src/diagnosis/diagnose.ts'
import { renderReport } from '../src/diagnosis/report-text.ts'
import { trustMaterial } from '../src/diagnosis/trust-material.ts'
import { dial } from '../src/dial/dial.ts'
import { Resolver } from '../src/dial/resolver.ts'
import { TargetTrust } from '../src/dial/target-trust.ts'
import { createIntermediate, createLeaf, createRoot } from '../src/pki/make.ts'
import type { ServerPlan, TargetTlsPlan } from '../src/proxy/plan.ts'
import { bareContext } from '../src/verdict/remedy-context.ts'

const self = fileURLToPath(import.meta.url)
const name = 'endpoint.bench.test'
const atOnce = 200
const allowed = 3

if (process.argv[2] === 'serve') await serve()
else await bench()

async function bench(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } })
  const backend = fork(self, ['serve'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  try {
    const [{ port, root }] = (await once(backend, 'message')) as [{ port: number; root: string }]
    const server = serverPlan(port, root)
    const trust = new TargetTrust(server.tls)
    const resolver = new Resolver()
    const plain = () => handshake(server, trust, resolver)
    const whole = () => check(server, trust, resolver)
    const ratios: number[] = []
    // The first round is for the compiler.
    for (let round = 0; round <= Number(values.rounds); round++) {
      const one = await cpuOf(plain)
      const other = await cpuOf(whole)
      if (round > 0) ratios.push(other / one)
      console.log(`handshake ${one.toFixed(2)} ms, check ${other.toFixed(2)} ms, ratio ${(other / one).toFixed(2)}`)
    }
    resolver.close()
    const median = ratios.toSorted((a, b) => a - b)[ratios.length >> 1] ?? Number.POSITIVE_INFINITY
    const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
    console.log(
      `median ratio ${median.toFixed(2)} (${spread}), at most ${allowed}: ${median <= allowed ? 'met' : 'missed'}`,
    )
    process.exitCode = median <= allowed ? 0 : 1
  } finally {
    backend.kill('SIGKILL')
  }
}

/** Milliseconds of CPU for one call. */
async function cpuOf(call: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  for (let count = 0; count < atOnce; count++) await call()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / atOnce
}

function handshake(server: ServerPlan, trust: TargetTrust, resolver: Resolver): Promise<void> {
  return new Promise((resolve, reject) => {
    dial({
      server,
      trust,
      resolver,
      onread: { buffer: Buffer.alloc(16_384), callback: () => true },
      observer: { resolving() {}, offering() {}, presented() {} },
      opened({ socket }) {
        socket.once('close', () => resolve())
        socket.destroy()
      },
      failed: ({ summary }) => reject(new Error(summary)),
    })
  })
}

async function check(
  server: ServerPlan & { tls: TargetTlsPlan },
  trust: TargetTrust,
  resolver: Resolver,
): Promise<void> {
  const diagnosis = await diagnose({
    server,
    trust,
    material: trustMaterial(server.tls),
    resolver,
    known: [],
    fetchIssuers: null,
    settle: true,
    compare: ['rfc5280'],
    context: bareContext(server.host, server.port, Date.now()),
  })
  if (diagnosis.verdict.code !== 'trusted') throw new Error(diagnosis.verdict.summary)
  renderReport(diagnosis, server.name)
}

function serverPlan(port: number, root: string): ServerPlan & { tls: TargetTlsPlan } {
  const tls: TargetTlsPlan = {
    snapshotId: 'bench',
    anchors: [root],
    intermediates: [],
    partialChain: false,
    serverName: name,
    verifyNames: [name],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    alpn: ['http/1.1'],
    clientCertificate: null,
    skipChain: false,
    skipName: false,
    exceptions: [],
    resumption: false,
    revocation: { mode: 'off' },
    onTrustChange: 'drain',
  }
  const ms = 5000
  return {
    target: name,
    name,
    scheme: 'https',
    host: '127.0.0.1',
    port,
    tls,
    h2c: false,
    weight: 1,
    fallback: false,
    timeouts: { connectMs: ms, handshakeMs: ms, firstByteMs: ms, bodyIdleMs: ms, keepAliveMs: ms, drainMs: ms },
    limits: { connections: 1, streams: 1, pending: 0, responseHeaderBytes: 4096 },
    dns: { servers: [], refreshMs: ms },
    egress: null,
    authority: null,
  }
}

async function serve(): Promise<void> {
  const root = await createRoot({ commonName: 'Bench Root CA' })
  const issuing = await createIntermediate(root, { commonName: 'Bench Issuing CA' })
  const leaf = await createLeaf(issuing, { names: [name] })
  const server = createServer({ cert: leaf.chainPem, key: leaf.keyPem, ALPNProtocols: ['http/1.1'] }, (socket) => {
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1', () => {
    process.send?.({ port: (server.address() as AddressInfo).port, root: root.certificatePem })
  })
  process.once('disconnect', () => process.exit())
}
