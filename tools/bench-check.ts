// `node tools/bench-check.ts [--endpoints N] [--concurrency N] [--faulty PERCENT]`: how many endpoints `tls check` judges
// per second and core, and whether its memory stays flat. Backends are another process on loopback.
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

if (process.argv[2] === 'serve') await serve()
else await bench()

async function bench(): Promise<void> {
  const { values } = parseArgs({
    options: {
      endpoints: { type: 'string', default: '2000' },
      concurrency: { type: 'string', default: '16' },
      faulty: { type: 'string', default: '10' },
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
    // Once for the compiler and the caches; the second run is measured.
    await check()
    const rss: number[] = []
    const sampler = setInterval(() => rss.push(process.memoryUsage.rss()), 50)
    const startedAt = performance.now()
    const before = process.cpuUsage()
    await check()
    const { user, system } = process.cpuUsage(before)
    const seconds = (performance.now() - startedAt) / 1000
    clearInterval(sampler)
    const cpu = (user + system) / 1e6
    const half = Math.floor(rss.length / 2)
    const growth = (mean(rss.slice(half)) - mean(rss.slice(0, half))) / 1024 ** 2
    console.log(
      [
        `${total} endpoints in ${seconds.toFixed(2)} s: ${Math.round(total / seconds)}/s`,
        `CPU ${cpu.toFixed(2)} s: ${((cpu * 1000) / total).toFixed(2)} ms each, ${Math.round(total / cpu)}/s and core`,
        ...(globalThis.gc === undefined ? [] : [`heap in use after collection ${collected()} MiB`]),
        `RSS ${(Math.max(...rss) / 1024 ** 2).toFixed(0)} MiB at most, second half against first ${growth.toFixed(1)} MiB`,
      ].join('\n'),
    )
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

/** With `--expose-gc`: what is really held. */
function collected(): string {
  globalThis.gc?.()
  return (process.memoryUsage().heapUsed / 1024 ** 2).toFixed(1)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
