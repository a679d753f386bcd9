import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIntermediate, createLeaf, createRoot, createSelfSigned } from '../../src/pki/make.ts'

export const hasKeytool = spawnSync('keytool', ['-help']).error === undefined

export const root = await createRoot({ commonName: 'Root' })
export const issuing = await createIntermediate(root, { commonName: 'Issuing CA' })
export const leaf = await createLeaf(issuing, { names: ['leaf.test'], key: 'rsa-2048' })
export const stranger = await createSelfSigned({ names: ['stranger.test'] })
export const expired = await createSelfSigned({
  names: ['expired.test'],
  notBefore: new Date('2020-01-01T00:00:00Z'),
  notAfter: new Date('2021-01-01T00:00:00Z'),
})

export const fixture = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}`, import.meta.url))

/** A folder for what command line tools read and write. */
export function workshop() {
  const folder = mkdtempSync(join(tmpdir(), 'postern-material-'))
  return {
    folder,
    file: (name: string): string => join(folder, name),
    /** Runs a tool there; @returns what it wrote to `out`. */
    run(command: 'openssl' | 'keytool', args: readonly string[], out: string): Buffer {
      execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
      return readFileSync(join(folder, out))
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

/** The same value as BER: indefinite lengths, and octet strings in pieces, as Windows and older Java write them. */
export function berOf(der: Buffer, piece = 100): Buffer {
  const out: Buffer[] = []
  for (let at = 0; at < der.length; ) {
    const tag = der[at] as number
    const first = der[at + 1] as number
    const octets = first < 0x80 ? 0 : first & 0x7f
    const body = at + 2 + octets
    const length = octets === 0 ? first : der.readUIntBE(at + 2, octets)
    const content = der.subarray(body, body + length)
    at = body + length
    if ((tag & 0x20) !== 0) out.push(Buffer.from([tag, 0x80]), berOf(content, piece), Buffer.from([0, 0]))
    else if ((tag === 0x04 || tag === 0x80) && length > piece) {
      // [0] is what is encrypted, an octet string under an implicit tag.
      out.push(Buffer.from([tag | 0x20, 0x80]))
      for (let from = 0; from < length; from += piece) out.push(element(0x04, content.subarray(from, from + piece)))
      out.push(Buffer.from([0, 0]))
    } else out.push(der.subarray(body - 2 - octets, at))
  }
  return Buffer.concat(out)
}

export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  const { length } = body
  const head = length < 0x80 ? [length] : length < 0x1_00 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), body])
}
