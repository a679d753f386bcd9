// `npm run bench:check [-- --endpoints N --concurrency N --faulty PERCENT --passes N]`: how many endpoints `tls check` judges
// per second and core, and whether its memory stays flat. Backends are another process on loopback. Fails where a bar is missed.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkCommand } from '../src/cli/tls-check.ts'
import { createIntermediate, createLeaf, createRoot } from '../src/pki/make.ts'

const self = fileURLToPath(import.meta.url)
/** Other systems have one loopback address; there every endpoint is on it. */
const addresses = existsSync('/proc/net')
  ? Array.from({ length: 20 }, (_, index) => `127.0.1.${index + 1}`)
  : ['127.0.0.1']

/** Per second and core. */
const leastRate = 200
/**
 * Of the last pass over the list against the first one measured: what the process has taken at most, and what is held once
 * garbage is collected. Between two collections of old garbage memory rises and falls, so that one pass alone says nothing.
 */
const mostGrowth = 1.15
const mostHeldMiB = 4

if (process.argv[2] === 'serve') await serve()
else await bench()

async function bench(): Promise<void> {
  const { values } = parseArgs({
    options: {
      endpoints: { type: 'string', default: '2000' },
      concurrency: { type: 'string', default: '16' },
      faulty: { type: 'string', default: '10' },
      passes: { type: 'string', default: '4' },
    },
  })
  const total = Number(values.endpoints)
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-check-'))
  const backends = fork(self, ['serve'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  try {
    const [{ root, good, faulty }] = (await once(backends, 'message')) as [Served]
    const list = Array.from({ length: total }, (_, index) => {
      const ports = index % 100 < Number(values.faulty) ? faulty : good
      // A name of its own for each, so that no two are judged under the same snapshot.
      return `${addresses[index % addresses.length]}:${ports[index % ports.length]} name=host-${index}.bench.test`
    })
    await writeFile(join(directory, 'root.pem'), root)
    await writeFile(join(directory, 'list'), `${list.join('\n')}\n`)
    const check = async (): Promise<number> => {
      const args = ['--from', join(directory, 'list'), '--ca', join(directory, 'root.pem'), '--bundled', '--quiet']
      args.push('--concurrency', values.concurrency, '--out', join(directory, 'out.jsonl'))
      let summary = ''
      const io = { stdout: (text: string) => (summary = text), stderr: (text: string) => process.stderr.write(text) }
      const code = await checkCommand(args, io, new AbortController().signal)
      await rm(join(directory, 'out.jsonl'))
      process.stdout.write(summary)
      return code
    }
    // Once for the compiler and the caches.
    await check()
    const passes: Pass[] = []
    for (let count = 0; count < Math.max(2, Number(values.passes)); count++) {
      const pass = await measure(check, total)
      console.log(
        `${pass.seconds.toFixed(2)} s, CPU ${(1000 / pass.rate).toFixed(2)} ms each: ${Math.round(pass.rate)}/s and core; RSS ${pass.rssMiB.toFixed(0)} MiB at most, ${pass.heldMiB.toFixed(1)} MiB held after collection`,
      )
      passes.push(pass)
    }
    const [first, last] = [passes[0] as Pass, passes.at(-1) as Pass]
    const rate = passes.map((pass) => pass.rate).toSorted((one, other) => one - other)[passes.length >> 1] as number
    const growth = last.rssMiB / first.rssMiB
    const held = last.heldMiB - first.heldMiB
    const bars = [
      [`${Math.round(rate)}/s and core, at least ${leastRate}`, rate >= leastRate],
      [
        `RSS of the last pass ${growth.toFixed(2)} times that of the first, at most ${mostGrowth}`,
        growth <= mostGrowth,
      ],
      [`held ${held.toFixed(1)} MiB more, at most ${mostHeldMiB}`, held <= mostHeldMiB],
    ] as const
    for (const [text, met] of bars) console.log(`${text}: ${met ? 'met' : 'missed'}`)
    process.exitCode = bars.every(([, met]) => met) ? 0 : 1
  } finally {
    backends.kill('SIGKILL')
    await rm(directory, { recursive: true, force: true })
  }
}

interface Served {
  readonly root: string
  readonly good: readonly number[]
  readonly faulty: readonly number[]
}

async function serve(): Promise<void> {
  const root = await createRoot({ commonName: 'Bench Root' })
  const issuing = await createIntermediate(root, { commonName: 'Bench Issuing CA' })
  const elsewhere = await createRoot({ commonName: 'Bench Elsewhere Root' })
  const names = ['*.bench.test']
  const yesterday = new Date(Date.now() - 86_400_000)
  const good = await createLeaf(issuing, { names })
  const expired = await createLeaf(issuing, { names, notBefore: new Date(0), notAfter: yesterday })
  const unknown = await createLeaf(elsewhere, { names })
  const misnamed = await createLeaf(issuing, { names: ['other.test'] })
  const listen = async ({ chainPem, keyPem }: typeof good): Promise<number> => {
    const server = createServer({ cert: chainPem, key: keyPem }, (socket) => socket.on('error', () => {}))
    server.on('tlsClientError', () => {})
    const [first = '', ...others] = addresses
    server.listen(0, first)
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    for (const other of others) {
      const twin = createServer({ cert: chainPem, key: keyPem }, (socket) => socket.on('error', () => {}))
      twin.on('tlsClientError', () => {})
      twin.listen(port, other)
      await once(twin, 'listening')
    }
    return port
  }
  const message: Served = {
    root: root.certificatePem,
    good: [await listen(good), await listen(good)],
    faulty: [await listen(expired), await listen(unknown), await listen(misnamed)],
  }
  process.send?.(message)
  // Whoever asked is gone: so is the reason to serve.
  process.on('disconnect', () => process.exit(0))
}

interface Pass {
  readonly seconds: number
  /** Endpoints per second of CPU. */
  readonly rate: number
  readonly rssMiB: number
  readonly heldMiB: number
}

async function measure(check: () => Promise<number>, endpoints: number): Promise<Pass> {
  let rss = 0
  const sampler = setInterval(() => (rss = Math.max(rss, process.memoryUsage.rss())), 50)
  const startedAt = performance.now()
  const before = process.cpuUsage()
  await check()
  const { user, system } = process.cpuUsage(before)
  const seconds = (performance.now() - startedAt) / 1000
  clearInterval(sampler)
  return { seconds, rate: (endpoints * 1e6) / (user + system), rssMiB: rss / 1024 ** 2, heldMiB: await held() }
}

/** What is left of the heap and of what hangs on it outside. */
async function held(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('needs --expose-gc')
  // Twice, as closed handles are let go of in between.
  globalThis.gc()
  await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024 ** 2
}
