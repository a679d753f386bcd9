import { arch, release, type } from 'node:os'
import { version } from '../core/version.ts'
import type { Versions } from './types.ts'

export function versionsHere(): Versions {
  const { node, openssl, v8 } = process.versions
  return { postern: version, node, openssl, v8, os: `${type()} ${release()}`, arch: arch() }
}
