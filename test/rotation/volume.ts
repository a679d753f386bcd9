import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

/**
 * A directory as the kubelet mounts a Secret or ConfigMap: the files are links into `..data`, which is a link to a
 * directory with a time in its name. An update writes another one and renames a new link over `..data`.
 */
export interface Volume extends AsyncDisposable {
  readonly directory: string
  /** Path of a file in it. */
  file(name: string): string
  swap(files: Readonly<Record<string, string>>): Promise<void>
}

export async function createVolume(files: Readonly<Record<string, string>>): Promise<Volume> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-volume-'))
  let number = 0
  let current = ''
  const swap = async (next: Readonly<Record<string, string>>): Promise<void> => {
    const fresh = join(directory, `..2026_11_21_10_00_00.${String(++number).padStart(9, '0')}`)
    await mkdir(fresh)
    for (const [name, text] of Object.entries(next)) await writeFile(join(fresh, name), text)
    await symlink(basename(fresh), join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
    if (current !== '') await rm(current, { recursive: true })
    current = fresh
  }
  await swap(files)
  for (const name of Object.keys(files)) await symlink(join('..data', name), join(directory, name))
  return {
    directory,
    file: (name) => join(directory, name),
    swap,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
