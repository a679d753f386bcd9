// What the storage of the management API costs at size: 1,000 proxies of 5 revisions with 5 files each, 1,000 key stores.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openState } from '../src/state/open.ts'
import { randomKey } from '../src/state/sealing.ts'
import type { StateStore, StateView } from '../src/state/types.ts'

const stamps = { createdAt: 1, createdBy: 'ann@example.com', lastModifiedAt: 2, lastModifiedBy: 'ann@example.com' }
const directory = mkdtempSync(join(tmpdir(), 'postern-bench-state-'))
const key = randomKey()
try {
  const made = await openState({ directory, key })
  await timed('fill, in one transaction', () => fill(made))
  await made.close()
  const store = await timed('open', () => openState({ directory, key }))
  const view = (work: (view: StateView) => Promise<unknown>) => () => store.read(work)
  await median(
    'get a proxy',
    view((it) => it.get('api', 'o', 'proxy-500')),
  )
  await median(
    'names of all proxies',
    view((it) => it.names('api', 'o')),
  )
  await median(
    'list all proxies',
    view((it) => it.list('api', 'o')),
  )
  await median(
    'list the revisions of one',
    view((it) => it.list('api-revision', 'o/apis/proxy-500')),
  )
  await median(
    'files of a revision, with bytes',
    view(async (it) => {
      const scope = 'o/apis/proxy-500/3'
      for (const name of await it.names('api-file', scope)) await it.blob('api-file', scope, name)
    }),
  )
  await median(
    'below: all 5,000 revisions',
    view((it) => it.below('api-revision', 'o')),
  )
  await median(
    'below: all 25,000 files',
    view((it) => it.below('api-file', 'o')),
  )
  await median(
    'list 1,000 key stores',
    view((it) => it.list('keystore', 'o/e')),
  )
  await median(
    'below: their 1,000 aliases',
    view((it) => it.below('alias', 'o/e')),
  )
  await median(
    'get an alias, its chain and its key',
    view(async (it) => {
      const at = ['alias', 'o/e/store-500', 'a'] as const
      return [await it.get(...at), await it.blob(...at), await it.secret(...at)]
    }),
  )
  await median('change of one object, on disk', () => change(store))
  await timed('backup', () => store.backup(join(directory, 'copy.db')))
  print('size of the file', `${(statSync(join(directory, 'postern.db')).size / 1024 / 1024).toFixed(0)} MiB`)
  await store.close()
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function fill(store: StateStore): Promise<void> {
  const tx = await store.begin()
  const xml = Buffer.from('<Policy name="p"/>\n'.repeat(100))
  for (let index = 0; index < 1_000; index++) {
    await tx.put('api', 'o', `proxy-${index}`, { body: { ...stamps, lastRevision: 5 } })
    for (let revision = 1; revision <= 5; revision++) {
      const scope = `o/apis/proxy-${index}`
      await tx.put('api-revision', scope, `${revision}`, { body: { ...stamps, displayName: 'p', description: '' } })
      for (let file = 0; file < 5; file++) {
        const path = `apiproxy/policies/p${file}.xml`
        await tx.put('api-file', `${scope}/${revision}`, path, { body: { bytes: xml.byteLength }, blob: xml })
      }
    }
    await tx.put('keystore', 'o/e', `store-${index}`, { body: { ...stamps, generation: 1 } })
    await tx.put('alias', `o/e/store-${index}`, 'a', {
      body: { ...stamps, certName: 'a-cert', keyName: 'a-key', fingerprints: ['A'.repeat(64)] },
      blob: Buffer.alloc(3_000, 65),
      secret: Buffer.alloc(1_700, 66),
    })
  }
  await tx.commit()
}

async function change(store: StateStore): Promise<void> {
  const tx = await store.begin()
  await tx.put('keystore', 'o/e', 'store-500', { body: { ...stamps, generation: 2 } })
  await tx.commit()
}

async function median(what: string, work: () => Promise<unknown>): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < 21; round++) {
    const started = performance.now()
    await work()
    times.push(performance.now() - started)
  }
  times.sort((a, b) => a - b)
  print(what, `${times[10]?.toFixed(2)} ms, at most ${times[20]?.toFixed(2)} ms`)
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now()
  const result = await work()
  print(what, `${(performance.now() - started).toFixed(0)} ms`)
  return result
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(40)}${value}\n`)
}
