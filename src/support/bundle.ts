import { createHash } from 'node:crypto'
import { writeZip } from '../core/zip.ts'
import { addCounts, type Redact, type RedactionCounts, type RedactionRule, redactionRules } from './redact.ts'
import type { BundleFile, MissingPart, SupportQuestion, Versions } from './types.ts'

export interface BundleParts {
  readonly question: SupportQuestion
  readonly createdAt: number
  readonly createdBy: string
  readonly versions: Versions
  readonly files: readonly BundleFile[]
  readonly missing: readonly MissingPart[]
}

export interface Manifest {
  readonly createdAt: string
  readonly createdBy: string
  readonly question: SupportQuestion
  readonly versions: Versions
  /** Every file of the archive but this one. */
  readonly files: readonly {
    readonly name: string
    readonly what: string
    readonly source: string
    readonly bytes: number
    readonly sha256: string
    readonly redacted: RedactionCounts
  }[]
  readonly redacted: readonly { readonly rule: RedactionRule; readonly what: string; readonly times: number }[]
  readonly missing: readonly MissingPart[]
}

export interface Bundle {
  readonly zip: Buffer
  readonly manifest: Manifest
}

/** I10: of all files together, as they are before they are packed. */
const maxBundleBytes = 50 * 1024 * 1024

/** Redacts, lists and packs. A file that would make it too large is left out, and the manifest says so. */
export async function packBundle(parts: BundleParts, redact: Redact, most = maxBundleBytes): Promise<Bundle> {
  const packed: { readonly file: BundleFile; readonly bytes: Uint8Array; readonly counts: RedactionCounts }[] = []
  const missing = [...parts.missing]
  let total = 0
  for (const file of parts.files) {
    const { bytes, counts } = await redactedContent(file, redact)
    if (total + bytes.length > most) {
      missing.push({ what: file.name, why: `with its ${bytes.length} bytes the bundle would have more than ${most}` })
      continue
    }
    total += bytes.length
    packed.push({ file, bytes, counts })
    // One file at a time: requests of the management API are answered in between.
    await turn()
  }
  // A name of somebody else's may be part of the name of a file.
  const nameOf = (file: BundleFile): string => redact(file.name).text.replaceAll(/[^A-Za-z0-9._/-]+/g, '_')
  const sum = packed.reduce<RedactionCounts>((counts, each) => addCounts(counts, each.counts), {})
  const manifest: Manifest = {
    createdAt: new Date(parts.createdAt).toISOString(),
    createdBy: parts.createdBy,
    question: parts.question,
    versions: parts.versions,
    files: packed.map(({ file, bytes, counts }) => ({
      name: nameOf(file),
      what: file.what,
      source: file.source,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      redacted: counts,
    })),
    redacted: (Object.keys(redactionRules) as RedactionRule[]).flatMap((rule) => {
      const times = sum[rule] ?? 0
      return times === 0 ? [] : [{ rule, what: redactionRules[rule], times }]
    }),
    missing,
  }
  const shown = JSON.parse(redact(JSON.stringify(manifest)).text) as Manifest
  const zip = await writeZip([
    ['manifest.json', Buffer.from(`${JSON.stringify(shown, null, 2)}\n`)],
    ...packed.map(({ file, bytes }) => [nameOf(file), bytes] as const),
  ])
  return { zip, manifest: shown }
}

async function redactedContent(
  { content, unmasked }: BundleFile,
  redact: Redact,
): Promise<{ readonly bytes: Uint8Array; readonly counts: RedactionCounts }> {
  if (content instanceof Uint8Array) return { bytes: content, counts: {} }
  if (typeof content === 'string') {
    const { text, counts } = redact(content, unmasked)
    return { bytes: Buffer.from(text), counts }
  }
  let sum: RedactionCounts = {}
  const files: [string, Uint8Array][] = []
  for (const [name, inside] of content) {
    const { text, counts } = redact(inside)
    sum = addCounts(sum, counts)
    files.push([name, Buffer.from(text)])
  }
  return { bytes: await writeZip(files), counts: sum }
}

/** For BundleFile.content. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
