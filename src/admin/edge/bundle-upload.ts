import { readBundleInTurns } from '../../compat/apigee/bundle-read.ts'
import { checkRunnable } from '../../compat/apigee/bundle-runnable.ts'
import type { BundleProblem } from '../../compat/apigee/bundle-types.ts'
import { PosternError } from '../../core/errors.ts'
import { readZip } from '../../core/zip.ts'
import { ApiError, type ApiCall } from '../api.ts'
import type { Asset } from './asset.ts'
import { readMultipart } from './multipart.ts'
import type { Bundle } from './revision-files.ts'

/** Edge's limit for a bundle (apigee-edge.md 1.3, rule 13). */
export const bundleBytes = 15 * 1024 * 1024

export interface UploadedBundle {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly bundle: Bundle
}

/** The bytes of a call: its body, or the part `file` of a form. */
export async function uploadedBytes(call: ApiCall): Promise<Buffer> {
  const body = await call.body()
  if (call.contentType !== 'multipart/form-data') return body
  const parts = readMultipart(body, call.headers['content-type'] ?? '')
  const part = parts.find(({ name }) => name === 'file') ?? parts.find(({ fileName }) => fileName !== null)
  if (part === undefined) throw invalidBundle('the form has no part named file')
  return Buffer.from(part.content)
}

/**
 * A bundle as it was sent, whole or not at all. What is in the zip beside the root folder is left out, as by Edge.
 * @param strict refuse what could be kept, but would not run
 */
export async function uploadedBundle(call: ApiCall, asset: Asset, strict: boolean): Promise<UploadedBundle> {
  const bytes = await uploadedBytes(call)
  if (bytes.length === 0) throw invalidBundle('Empty bundle')
  const files = new Map([...(await unzipped(bytes))].filter(([path]) => path.startsWith(`${asset.root}/`)))
  if (files.size === 0) {
    throw invalidBundle(`Unable to read/find ${asset.rootElement} contents: the zip has no folder ${asset.root}`)
  }
  const bundle = await readBundleInTurns(files, asset.root)
  refuseUnreadable(bundle)
  if (strict) refuseErrors(validated(bundle))
  return { files, bundle }
}

/** What cannot be read as XML is never kept: whoever reads it next would see something else in it, or nothing. */
export function refuseUnreadable({ problems }: Bundle): void {
  refuseErrors(problems.filter(({ code }) => code.startsWith('xml-')))
}

/**
 * What the bundle has wrong in itself. What it has right, and cannot be run here, is the matter of its deployment: clients
 * validate each import.
 */
function validated(bundle: Bundle): readonly BundleProblem[] {
  const missing = checkRunnable(bundle).filter(({ code }) => /^(policy|target-endpoint)-missing$/.test(code))
  return [...bundle.problems, ...missing]
}

function refuseErrors(problems: readonly BundleProblem[]): void {
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw invalidBundle(listed(errors), { problems: errors, contexts: errors })
}

/** `apiproxy/policies/P.xml line 3: ...`, one after the other; bounded. */
function listed(problems: readonly BundleProblem[]): string {
  const told = problems.slice(0, mostListed).map(({ file, line, message }) => `${file} line ${line}: ${message}`)
  const rest = problems.length - told.length
  return `${told.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`
}

/** Edge's code and wording for a bundle it does not take. */
export function invalidBundle(
  why: string,
  evidence: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): ApiError {
  return new ApiError(400, 'messaging.config.beans.InvalidBundle', `Bundle is invalid. ${why}`, evidence, cause)
}

const mostListed = 50

async function unzipped(bytes: Buffer): Promise<Map<string, Buffer>> {
  try {
    return await readZip(bytes)
  } catch (error) {
    if (!(error instanceof PosternError) || !error.code.startsWith('zip-')) throw error
    throw invalidBundle(`${error.code}: ${error.message}`, { reason: error.code }, error)
  }
}
