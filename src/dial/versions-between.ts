import type { TlsVersion } from '../proxy/plan.ts'

const versions: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** Oldest first, both ends included. */
export function versionsBetween(min: TlsVersion, max: TlsVersion): readonly TlsVersion[] {
  return versions.slice(versions.indexOf(min), versions.indexOf(max) + 1)
}
