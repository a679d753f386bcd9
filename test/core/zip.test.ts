import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, deflateRawSync } from 'node:zlib'
import { codeOf } from '../../src/core/errors.ts'
import { readZip, writeZip, type ZipLimits } from '../../src/core/zip.ts'

interface Part {
  readonly name: string
  readonly content?: Buffer
  readonly stored?: boolean
  readonly flags?: number
  readonly method?: number
  readonly mode?: number
  readonly crc?: number
  readonly size?: number
  /** Of the local header; default: the same. */
  readonly localName?: string
}

const text = (content: string): Buffer => Buffer.from(content)

describe('a zip that was written here', () => {
  it('is read back, in order of names', async () => {
    const files = new Map([
      ['apiproxy/b.xml', text('<b/>')],
      ['apiproxy/a.xml', text('<a/>')],
      ['apiproxy/résumé.txt', text('ü')],
      ['apiproxy/empty', text('')],
    ])
    const read = await readZip(await writeZip(files))
    assert.deepEqual([...read.keys()], [...files.keys()].sort())
    for (const [name, content] of files) assert.deepEqual(read.get(name), content)
  })

  it('has the same bytes in whatever order, time and zone', async () => {
    const parts = [['a', text('1')] as const, ['b', text('2'.repeat(1000))] as const]
    const zone = process.env['TZ']
    try {
      process.env['TZ'] = 'UTC'
      const one = await writeZip(parts)
      process.env['TZ'] = 'Asia/Tokyo'
      assert.deepEqual(await writeZip([...parts].reverse()), one)
    } finally {
      if (zone === undefined) delete process.env['TZ']
      else process.env['TZ'] = zone
    }
  })

  it('may hold nothing', async () => {
    assert.equal((await readZip(await writeZip([]))).size, 0)
  })
})

describe('a zip that somebody else wrote', () => {
  it('is read whether packed or stored, folders left out', async () => {
    const zip = zipOf([
      { name: 'apiproxy/' },
      { name: 'apiproxy/a', content: text('stored'), stored: true },
      { name: 'apiproxy/b', content: text('packed'.repeat(100)), mode: 0o100_755 },
    ])
    const files = await readZip(zip)
    assert.deepEqual([...files.keys()], ['apiproxy/a', 'apiproxy/b'])
    assert.equal(files.get('apiproxy/b')?.length, 600)
  })

  it('may hold a file of zeros that is small', async () => {
    const zip = zipOf([{ name: 'zeros', content: Buffer.alloc(500_000) }])
    assert.equal((await readZip(zip)).get('zeros')?.length, 500_000)
  })
})

const ok = { name: 'a', content: text('content') }
const refusals: readonly {
  readonly title: string
  readonly zip: Buffer
  readonly limits?: Partial<ZipLimits>
  readonly code: string
  readonly says: RegExp
}[] = [
  { title: 'nothing', zip: Buffer.alloc(0), code: 'zip-malformed', says: /is not a zip/ },
  { title: 'text', zip: text('<html>'.repeat(100)), code: 'zip-malformed', says: /is not a zip, or is cut off/ },
  { title: 'a zip that is cut off', zip: zipOf([ok]).subarray(0, -30), code: 'zip-malformed', says: /cut off/ },
  {
    title: 'bytes after the end',
    zip: Buffer.concat([zipOf([ok]), text('x')]),
    code: 'zip-malformed',
    says: /Are there extra bytes/,
  },
  { title: 'a name with ..', zip: zipOf([{ ...ok, name: '../a' }]), code: 'zip-unsafe-name', says: /outside/ },
  { title: 'a name with .. inside', zip: zipOf([{ ...ok, name: 'x/../../a' }]), code: 'zip-unsafe-name', says: /"x/ },
  { title: 'an absolute name', zip: zipOf([{ ...ok, name: '/etc/a' }]), code: 'zip-unsafe-name', says: /absolute/ },
  { title: 'a drive letter', zip: zipOf([{ ...ok, name: 'C:a' }]), code: 'zip-unsafe-name', says: /absolute/ },
  { title: 'a backslash', zip: zipOf([{ ...ok, name: 'x\\a' }]), code: 'zip-unsafe-name', says: /backslash/ },
  { title: 'a dot', zip: zipOf([{ ...ok, name: './a' }]), code: 'zip-unsafe-name', says: /empty part/ },
  { title: 'a doubled slash', zip: zipOf([{ ...ok, name: 'x//a' }]), code: 'zip-unsafe-name', says: /empty part/ },
  { title: 'a line break', zip: zipOf([{ ...ok, name: 'x\na' }]), code: 'zip-unsafe-name', says: /"x\\na"/ },
  { title: 'an empty name', zip: zipOf([{ ...ok, name: '' }]), code: 'zip-unsafe-name', says: /empty/ },
  { title: 'a link', zip: zipOf([{ ...ok, mode: 0o120_777 }]), code: 'zip-not-a-file', says: /symbolic link/ },
  { title: 'a device', zip: zipOf([{ ...ok, mode: 0o020_666 }]), code: 'zip-not-a-file', says: /neither/ },
  { title: 'an encrypted file', zip: zipOf([{ ...ok, flags: 1 }]), code: 'zip-encrypted', says: /"a".* encrypted/ },
  { title: 'one name twice', zip: zipOf([ok, ok]), code: 'zip-duplicate', says: /"a" twice/ },
  { title: 'a method other than deflate', zip: zipOf([{ ...ok, method: 12 }]), code: 'zip-method', says: /method 12/ },
  { title: 'a wrong checksum', zip: zipOf([{ ...ok, crc: 1 }]), code: 'zip-checksum', says: /"a".* damaged/ },
  { title: 'more than announced', zip: zipOf([{ ...ok, size: 3 }]), code: 'zip-checksum', says: /damaged/ },
  { title: 'less than announced', zip: zipOf([{ ...ok, size: 30 }]), code: 'zip-checksum', says: /damaged/ },
  {
    title: 'two names for one file',
    zip: zipOf([{ ...ok, localName: 'b' }]),
    code: 'zip-malformed',
    says: /two things/,
  },
  {
    title: 'more bytes than are read',
    zip: zipOf([ok]),
    limits: { bytes: 20 },
    code: 'zip-too-large',
    says: /at most 20/,
  },
  {
    title: 'more entries',
    zip: zipOf([ok, { ...ok, name: 'b' }]),
    limits: { entries: 1 },
    code: 'zip-too-many',
    says: /2/,
  },
  { title: 'a larger file', zip: zipOf([ok]), limits: { each: 6 }, code: 'zip-too-large', says: /"a".* 7 bytes/ },
  {
    title: 'more in total',
    zip: zipOf([ok, { ...ok, name: 'b' }]),
    limits: { total: 13 },
    code: 'zip-bomb',
    says: /13/,
  },
  {
    title: 'a bomb of zeros',
    zip: zipOf([{ name: 'a', content: Buffer.alloc(8 * 1024 * 1024) }]),
    code: 'zip-bomb',
    says: /packed more than 1:100/,
  },
]

describe('a zip is refused with', () => {
  for (const { title, zip, limits, code, says } of refusals) {
    it(title, async () => {
      await assert.rejects(readZip(zip, limits), (error: unknown) => {
        assert.equal(codeOf(error), code)
        assert.match((error as Error).message, says)
        return true
      })
    })
  }

  it('any byte changed, without another kind of error', async () => {
    const whole = zipOf([ok, { name: 'b/c', content: text('x'.repeat(300)) }])
    let read = 0
    for (let at = 0; at < whole.length; at++) {
      for (const bit of [1, 0x80]) {
        const bytes = Buffer.from(whole)
        bytes[at] = (bytes[at] as number) ^ bit
        try {
          await readZip(bytes)
          read += 1
        } catch (error) {
          assert.match(codeOf(error), /^zip-/)
        }
      }
    }
    // Times, versions, attributes and sizes of the local headers mean nothing here.
    assert.ok(read > 0 && read < whole.length)
  })
})

/** PKWARE APPNOTE 4.3, byte for byte, for what no zip writer would write. */
function zipOf(parts: readonly Part[]): Buffer {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = 0
  for (const part of parts) {
    const content = part.content ?? Buffer.alloc(0)
    const packed = part.stored === true ? content : deflateRawSync(content)
    const name = Buffer.from(part.name)
    const localName = Buffer.from(part.localName ?? part.name)
    const facts = Buffer.alloc(22)
    facts.writeUInt16LE(20, 0)
    facts.writeUInt16LE((part.flags ?? 0) | 0x8_00, 2)
    facts.writeUInt16LE(part.method ?? (part.stored === true ? 0 : 8), 4)
    facts.writeUInt32LE(part.crc ?? crc32(content), 10)
    facts.writeUInt32LE(packed.length, 14)
    facts.writeUInt32LE(part.size ?? content.length, 18)
    const local = Buffer.concat([
      Buffer.from('PK\x03\x04', 'latin1'),
      facts,
      u16(localName.length),
      u16(0),
      localName,
      packed,
    ])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(((part.mode ?? 0) << 16) >>> 0, 6)
    tail.writeUInt32LE(offset, 10)
    centrals.push(
      Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), u16(0x03_14), facts, u16(name.length), u16(0), tail, name]),
    )
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(parts.length, 8)
  end.writeUInt16LE(parts.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}
