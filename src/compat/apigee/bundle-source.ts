import { PosternError } from '../../core/errors.ts'
import { readZip } from '../../core/zip.ts'
import { readBundle } from './bundle-read.ts'
import type { ApiProxyBundle, BundleFiles, SharedFlowBundle } from './bundle-types.ts'

export interface FoundBundle {
  readonly kind: 'apiproxy' | 'sharedflowbundle'
  /** The folder above the root folder: '' or `orders/`. */
  readonly above: string
  readonly files: BundleFiles
}

const kinds = ['apiproxy', 'sharedflowbundle'] as const

/** Edge's limit for a bundle (apigee-edge.md 1.3). */
export const maxBundleBytes = 15 * 1024 * 1024

/** The bundles among files: their root folder stands at the top or one level down. Everything else is left out. */
export function findBundles(files: ReadonlyMap<string, Uint8Array>): readonly FoundBundle[] {
  const found = new Map<string, { kind: FoundBundle['kind']; above: string; files: Map<string, Uint8Array> }>()
  for (const [path, bytes] of files) {
    const parts = path.split('/')
    const depth = parts.findIndex((part) => kinds.some((kind) => kind === part))
    const kind = kinds.find((name) => name === parts[depth])
    if (kind === undefined || depth > 1 || depth === parts.length - 1) continue
    const above = depth === 0 ? '' : `${parts[0]}/`
    const key = above + kind
    const bundle = found.get(key) ?? { kind, above, files: new Map<string, Uint8Array>() }
    bundle.files.set(parts.slice(depth).join('/'), bytes)
    found.set(key, bundle)
  }
  return [...found.values()]
}

/** The bundle of a zip. @throws PosternError what `readZip` throws, `bundle-missing`, `bundle-ambiguous` */
export async function bundleFromZip(bytes: Uint8Array): Promise<ApiProxyBundle | SharedFlowBundle> {
  const bundles = findBundles(await readZip(bytes, { bytes: maxBundleBytes }))
  const [only] = bundles
  if (only === undefined) {
    throw new PosternError('bundle-missing', 'the zip has neither a folder apiproxy nor a folder sharedflowbundle', {
      party: 'client',
    })
  }
  if (bundles.length > 1) {
    const names = bundles.map(({ above, kind }) => above + kind).join(', ')
    throw new PosternError('bundle-ambiguous', `the zip has more than one bundle: ${names}`, { party: 'client' })
  }
  return readBundle(only.files, only.kind)
}
