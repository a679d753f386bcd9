import { PosternError } from '../core/errors.ts'

/** What one object may hold, at most (I10); the API sets lower ones. */
const limits = {
  /** Characters of scope and name together. */
  place: 4_096,
  /** Characters of the body as JSON. */
  body: 16 * 1024 * 1024,
  blob: 64 * 1024 * 1024,
  secret: 1024 * 1024,
} as const

/** Throws `state-name` for a place that could not be told from another one. */
export function expectPlace(scope: string, name: string): void {
  const bad = (why: string): PosternError => new PosternError('state-name', `no object can have this name: ${why}`)
  if (name === '') throw bad('it is empty')
  if (scope.length + name.length > limits.place) throw bad(`it is longer than ${limits.place} characters`)
  if (`${scope}${name}`.includes('\0')) throw bad('it has a character that cannot be written')
  if (!scope.isWellFormed() || !name.isWellFormed()) throw bad('it is not Unicode')
  if (scope !== '' && scope.split('/').includes('')) throw bad(`a part of its scope ${JSON.stringify(scope)} is empty`)
}

export function expectContent(
  object: string,
  body: string,
  content: { readonly blob?: Uint8Array | null; readonly secret?: Uint8Array | null },
): void {
  const sizes = { body: body.length, blob: content.blob?.byteLength ?? 0, secret: content.secret?.byteLength ?? 0 }
  for (const part of ['body', 'blob', 'secret'] as const) {
    if (sizes[part] <= limits[part]) continue
    throw new PosternError('state-too-large', `the ${part} of ${object} is larger than ${limits[part]} bytes`, {
      evidence: { size: sizes[part], limit: limits[part] },
    })
  }
}
