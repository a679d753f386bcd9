import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A file system of its own, of that size; null, and the test is skipped, where none can be mounted. */
export async function smallDisk(t: TestContext, options: string): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-disk-'))
  const mounted = run('mount', '-t', 'tmpfs', '-o', options, 'none', folder)
  t.after(async () => {
    if (mounted) run('umount', '-l', folder)
    await rm(folder, { recursive: true, force: true })
  })
  if (mounted) return folder
  t.skip('skipped: no file system can be mounted')
  return null
}

function run(command: string, ...options: readonly string[]): boolean {
  try {
    execFileSync(command, options, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
