import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBackend, type Backend } from './backend.ts'
import { makeCertificates, type BenchCertificates } from './certificates.ts'
import type { Cores } from './machine.ts'

/** What every scenario of a run shares: the folder, the certificates and the backend. */
export interface Testbed {
  readonly directory: string
  readonly cores: Cores
  readonly certificates: BenchCertificates
  readonly backend: Backend
  /** The checkout that is measured as Postern. */
  readonly posternRoot: string
  readonly signal: AbortSignal
  /** A fresh folder for one launched process. */
  newFolder(name: string): Promise<string>
  close(): Promise<void>
}

/** Opens the testbed, or throws naming what the machine lacks. Closing it removes the folder. */
export async function openTestbed(cores: Cores, posternRoot: string, signal: AbortSignal): Promise<Testbed> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const removeFolder = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', removeFolder)
  let folders = 0
  const newFolder = async (name: string) => {
    const folder = join(directory, `${String(++folders).padStart(3, '0')}-${name.replaceAll(/[^a-z0-9-]+/gi, '-')}`)
    await mkdir(folder)
    return folder
  }
  const discard = () => {
    removeFolder()
    process.off('exit', removeFolder)
  }
  try {
    const certificates = await makeCertificates(join(directory, 'certificates'))
    const backend = await startBackend(await newFolder('backend'), certificates, cores, signal)
    const close = async () => {
      await backend.stop()
      discard()
    }
    return { directory, cores, certificates, backend, posternRoot, signal, newFolder, close }
  } catch (cause) {
    discard()
    throw cause
  }
}
