import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

export interface SubPathMount {
  readonly path: string
  readonly warning: string
}

/**
 * Files that are mount points themselves. Kubernetes makes them so for `subPath`, and never updates them while the pod lives:
 * a changed Secret or ConfigMap would not arrive. `paths` may hold directories, whose files count too.
 */
export function findSubPathMounts(
  paths: readonly string[],
  mountinfo: string,
  isFile: (path: string) => boolean = isRegularFile,
): readonly SubPathMount[] {
  const wanted = new Set(paths.map((path) => resolve(path)))
  const mounts = new Set(mountPoints(mountinfo))
  return [...mounts]
    .filter((mount) => (wanted.has(mount) || wanted.has(dirname(mount))) && isFile(mount))
    .map((path) => ({ path, warning: warningFor(path) }))
}

/** The fifth field of /proc/self/mountinfo (proc_pid_mountinfo(5)); blanks and backslashes are octal there. */
function mountPoints(mountinfo: string): string[] {
  return mountinfo.split('\n').flatMap((line) => {
    const field = line.split(' ')[4]
    if (field === undefined) return []
    return [field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))]
  })
}

const warningFor = (path: string): string =>
  `${path} is mounted as a single file (subPath), so it never changes while this pod lives: an updated Secret or ConfigMap ` +
  `will not arrive without a restart. Mount the volume as a directory (drop subPath, mountPath: a directory of its own) ` +
  `and name the file inside of it.`

function isRegularFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    // Gone, or out of reach: then reading it fails with the reason.
    return false
  }
}
