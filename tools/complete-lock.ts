// Adds to package-lock.json the optional packages of other platforms that the registry in use does not carry. `npm ci`
// wants every optional dependency in the lock, also those that it will not install; a mirror that holds packages of one
// platform only makes `npm install` leave the others out. Run after `npm install` where `npm ci` says "Missing".
import { readFileSync, writeFileSync } from 'node:fs'

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockedPackage> }
let added = 0
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages) continue
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(entry.dev === true ? { dev: true } : {}),
      optional: true,
      ...platformOf(name),
    }
    added++
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
process.stdout.write(`${added} packages of other platforms added\n`)

/** What the name says of the platform; npm installs a package only where all of it fits. */
function platformOf(name: string): { os: string[]; cpu: string[]; libc?: string[] } {
  const os = /android|darwin|freebsd|linux|openharmony|win32|wasm|netbsd|openbsd|sunos|aix/.exec(name)?.[0] ?? 'none'
  const cpu = /arm64|arm|x64|ia32|ppc64|s390x|riscv64|loong64|mips64el|wasm32/.exec(name)?.[0] ?? 'none'
  return { os: [os], cpu: [cpu], ...(name.includes('musl') ? { libc: ['musl'] } : {}) }
}
