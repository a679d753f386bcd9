import { z } from 'zod'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { configContext } from '../diagnosis/config-context.ts'
import { present } from '../diagnosis/diagnose.ts'
import { openDiagnoser } from '../diagnosis/diagnoser.ts'
import type { SeenServer } from '../diagnosis/what-if.ts'
import { readRegularFile } from '../trust/read-file.ts'
import { commandName } from './command-name.ts'
import type { LoadedConfig } from './tls-config.ts'
import { forEach } from './tls-each.ts'
import { usage } from './tls-endpoint.ts'

/** A server that trusts the store in question. */
export type Asked = Pick<SeenServer, 'server' | 'trust'>

/** What each server serves now: one probe of each, by the dialer of traffic (I4). */
export async function seenByProbes(
  asked: readonly Asked[],
  { resolved, file }: LoadedConfig,
  concurrency: number,
  signal: AbortSignal,
): Promise<readonly SeenServer[]> {
  const seen: SeenServer[] = []
  const diagnoser = openDiagnoser({ known: [], fetchIssuers: false, mode: 'runtime', time: null, signal })
  const where = { configFile: file, posternCommand: commandName(process.env) }
  try {
    await forEach(
      asked.entries(),
      concurrency,
      async ([index, { server, trust }]) => {
        const target = resolved.plan.targets.find(({ name }) => name === server.target)
        if (target === undefined) throw new TypeError(`the plan has no target ${server.target}`)
        const { probe, verdict } = await diagnoser.diagnose(server, configContext(resolved, target, server, where))
        const served = (probe.handshake?.served ?? []).map(present)
        const at = new Date().toISOString()
        seen[index] =
          served.length > 0
            ? { server, trust, served, seen: at, problem: '' }
            : { server, trust, served: null, seen: '', problem: `${verdict.code}: ${verdict.summary}` }
      },
      signal,
    )
  } finally {
    diagnoser.close()
  }
  if (signal.aborted) throw new PosternError('interrupted', 'interrupted; nothing can be said without all servers')
  return seen
}

/**
 * The chains that a gateway saw, from `GET /inventory` or a file with its answer. What comes from traffic is the path as the
 * runtime has it, where an intermediate may be the store's and not the server's: one that is to be removed is left out of it.
 */
export async function seenByInventory(
  asked: readonly Asked[],
  from: string,
  removed: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly SeenServer[]> {
  const document = parsed(from, /^https?:\/\//i.test(from) ? await fetched(from, signal) : fileText(from))
  const chains = new Map(document.servers.map(({ target, server, chains: all }) => [`${target}\n${server}`, all]))
  return asked.flatMap(({ server, trust }): SeenServer[] => {
    const all = chains.get(`${server.target}\n${server.name}`) ?? []
    if (all.length === 0) {
      return [{ server, trust, served: null, seen: '', problem: 'no chain of it is in the inventory' }]
    }
    // Several where servers stand behind one address: each of them counts.
    return all.map(({ chain, lastSeen, source }) => ({
      server,
      trust,
      served: chain
        .map((pem) => present(derOf(pem)))
        .filter(({ certificate }, index) => {
          return index === 0 || source === 'probe' || certificate === null || !removed.has(certificate.sha256)
        }),
      seen: lastSeen,
      problem: '',
    }))
  })
}

const Inventory = z.object({
  servers: z.array(
    z.object({
      target: z.string(),
      server: z.string(),
      chains: z.array(
        z.object({ chain: z.array(z.string()).min(1).max(64), lastSeen: z.string(), source: z.string() }),
      ),
    }),
  ),
})

function parsed(from: string, text: string): z.output<typeof Inventory> {
  try {
    const read = Inventory.safeParse(JSON.parse(text))
    if (read.success) return read.data
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw usage(`--inventory ${from}: this is no inventory, as GET /inventory of the management listener answers it`)
}

function fileText(path: string): string {
  try {
    return readRegularFile(path).toString('utf8')
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    throw usage(`--inventory: ${error.message}`)
  }
}

/** I10. */
const maxBytes = 64 * 1024 * 1024
const timeoutMs = 10_000

async function fetched(url: string, signal: AbortSignal): Promise<string> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      redirect: 'error',
    })
    if (!response.ok) throw usage(`--inventory ${url}: the answer is ${response.status}`)
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > maxBytes) throw usage(`--inventory ${url}: the answer is larger than 64 MiB`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    if (codeOf(error) === 'usage' || signal.aborted) throw error
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
    throw usage(`--inventory ${url}: ${messageOf(error)}${cause}`)
  }
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
