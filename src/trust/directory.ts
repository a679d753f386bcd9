import { readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { codeOf, PosternError } from '../core/errors.ts'
import { readRegularFile, reasonOf, unreadable } from './read-file.ts'

interface DirectoryFile {
  readonly path: string
  readonly bytes: Buffer
}

export interface DirectoryReading {
  readonly files: readonly DirectoryFile[]
  readonly skipped: readonly { readonly path: string; readonly what: string; readonly why: string }[]
}

// I10. Ten times what the largest distribution keeps in its certificate directory.
const maxFiles = 4096

/**
 * Every file of a directory, whatever its name, in the order of names. Dot-files and sub-directories are not read; that also
 * keeps Kubernetes' `..data` and its time-stamped directory from being read beside the links that lead there. A file that
 * is reached under two names is read once.
 */
export function readDirectory(path: string, onFault?: (path: string, error: PosternError) => void): DirectoryReading {
  // A mounted Secret is replaced by swapping `..data` in one rename. Files read before and after it belong to two versions:
  // read again until the link stood still.
  for (let attempt = 1; ; attempt += 1) {
    const before = dataLink(path)
    try {
      const reading = readOnce(path, onFault)
      if (dataLink(path) === before || attempt === 5) return reading
    } catch (error) {
      if (dataLink(path) === before || attempt === 5) throw error
    }
  }
}

function readOnce(path: string, onFault?: (path: string, error: PosternError) => void): DirectoryReading {
  const names = listNames(path)
  const files: DirectoryFile[] = []
  const skipped: { path: string; what: string; why: string }[] = []
  const seen = new Map<string, string>()
  for (const name of names) {
    const file = join(path, name)
    try {
      const real = resolveFile(file)
      if (statSync(real).isDirectory()) {
        skipped.push({ path: file, what: 'directory', why: 'sub-directories are not read' })
        continue
      }
      const twin = seen.get(real)
      if (twin !== undefined) {
        skipped.push({ path: file, what: 'link', why: `the same file as ${twin}` })
        continue
      }
      seen.set(real, file)
      files.push({ path: file, bytes: readRegularFile(file) })
    } catch (error) {
      if (onFault === undefined || !(error instanceof PosternError)) throw error
      onFault(file, error)
    }
  }
  return { files, skipped }
}

function listNames(path: string): string[] {
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    throw unreadable(path, codeOf(error) === 'ENOTDIR' ? 'is a file, not a directory' : reasonOf(error), error)
  }
  if (names.length > maxFiles) throw unreadable(path, `holds ${names.length} files, more than the limit of ${maxFiles}`)
  return names.filter((name) => !name.startsWith('.')).sort()
}

function resolveFile(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw unreadable(path, codeOf(error) === 'ENOENT' ? 'is a link to nothing' : reasonOf(error), error)
  }
}

function dataLink(path: string): string | null {
  try {
    return readlinkSync(join(path, '..data'))
  } catch {
    // Most directories have none.
    return null
  }
}
