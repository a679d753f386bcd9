import { codeOf, PosternError } from '../../core/errors.ts'
import { formatOf, type Material, type MaterialFormat, readMaterial, refuseExpired } from '../../trust/material.ts'
import { ApiError, type ApiCall } from '../api.ts'
import { badValue, flagOf } from './bean.ts'
import { type MultipartPart, readMultipart } from './multipart.ts'

/** Of a request that carries certificates and keys. A store in a file may be larger than the 50 KB of Edge's certificates. */
export const maxUpload = 2 * 1024 * 1024

/** Edge's limit for certificates and PEM (apigee-edge.md 1.3, rule 13). */
const maxPem = 50 * 1024
const maxStore = 1024 * 1024

export type UploadFormat = 'keycertfile' | 'pkcs12' | 'keycertjar' | 'jks'

/** Of the query; `selfsignedcert` is the caller's. `jks` is ours, Edge has no word for it. */
export function uploadFormat(call: ApiCall): UploadFormat {
  const format = (call.query.get('format') ?? 'keycertfile').toLowerCase()
  // A name such as `constructor` is no format.
  if (Object.hasOwn(formats, format)) return format as UploadFormat
  throw badValue('format', `must be one of ${Object.keys(formats).join(', ')} and selfsignedcert`)
}

const formats: Readonly<Record<UploadFormat, readonly MaterialFormat[]>> = {
  keycertfile: ['pem', 'der', 'pkcs7'],
  pkcs12: ['pkcs12'],
  keycertjar: ['keycertjar'],
  jks: ['jks'],
}

export interface UploadOptions {
  readonly format: UploadFormat
  readonly alias: string
  /** PKCS#8 PEM that the certificates must belong to, where no other key comes with them. */
  readonly heldKey?: Buffer | null
}

/**
 * Certificates, with or without their key, out of a form or out of a bare body. Everything is checked before anything is
 * stored; ApiError 400 with the code of the fault, 413 for what is too large.
 */
export async function readUpload(call: ApiCall, options: UploadOptions): Promise<Material> {
  const { format } = options
  const given = await partsOf(call, format)
  const limit = format === 'keycertfile' ? maxPem : maxStore
  checkSize(given.file, limit)
  if (given.key !== null) checkSize(given.key, maxPem)
  const password = given.password ?? call.query.get('password') ?? undefined
  const key = given.key?.content ?? options.heldKey ?? undefined
  checkNewlines(call, format, given.file.content)
  const { name: label, content } = given.file
  const asked = {
    label,
    formats: formats[format],
    password,
    key,
    ...(given.key === null ? {} : { keyLabel: given.key.name }),
    alias: options.alias,
  }
  const material = await refusing(
    () => readMaterial(content, asked),
    (code) => (code === 'material-format' ? takenAs(content, format) : ''),
  )
  if (!flagOf(call.query.get('ignoreExpiryValidation'), 'ignoreExpiryValidation', false)) {
    await refusing(
      () => refuseExpired(material.certificates, call.services.clock(), label),
      () => '; ignoreExpiryValidation=true takes it all the same',
    )
  }
  return material
}

interface Given {
  readonly file: MultipartPart
  readonly key: MultipartPart | null
  readonly password: string | undefined
}

async function partsOf(call: ApiCall, format: UploadFormat): Promise<Given> {
  const body = await call.body()
  if (call.contentType !== 'multipart/form-data') {
    if (body.length === 0) throw new ApiError(400, 'material-empty', 'the request body is empty')
    return { file: { name: 'the request body', fileName: null, content: body }, key: null, password: undefined }
  }
  const parts = readMultipart(body, call.headers['content-type'] ?? '')
  const names = format === 'keycertfile' ? ['certFile', 'file'] : ['file', 'certFile']
  const file = names.map((name) => onlyPart(parts, name)).find((part) => part !== null) ?? null
  if (file === null) {
    throw new ApiError(400, 'material-missing', `the form has no part ${names[0]}`, { part: names[0] })
  }
  const password = onlyPart(parts, 'password')?.content.toString('utf8')
  return { file, key: format === 'keycertfile' ? filled(onlyPart(parts, 'keyFile')) : null, password }
}

/** Forms send a field that was left empty, too. */
const filled = (part: MultipartPart | null): MultipartPart | null =>
  part === null || (part.content.length === 0 && part.fileName === '') ? null : part

function onlyPart(parts: readonly MultipartPart[], name: string): MultipartPart | null {
  const found = parts.filter((part) => part.name === name)
  if (found.length > 1) throw new ApiError(400, 'bad-multipart', `the form has the part ${name} ${found.length} times`)
  return found[0] ?? null
}

function checkSize({ name, content }: MultipartPart, most: number): void {
  if (content.length <= most) return
  throw new ApiError(413, 'material-too-large', `${name}: ${content.length} bytes; at most ${most} are taken`, {
    limit: most,
  })
}

/**
 * Edge refuses a chain without a blank line between its certificates unless told not to; whoever sends such a chain means
 * the same, so here it has to be asked for: `ignoreNewlineValidation=true`, whose sense is the inverse of its name.
 */
function checkNewlines(call: ApiCall, format: UploadFormat, content: Buffer): void {
  if (format !== 'keycertfile' || !flagOf(call.query.get('ignoreNewlineValidation'), 'ignoreNewlineValidation', false))
    return
  if (!/-----END [A-Z0-9 ]+-----[ \t]*\r?\n?-----BEGIN /.test(content.toString('latin1'))) return
  throw new ApiError(
    400,
    'material-newline',
    'certFile: a blank line is needed between the certificates of a chain; ignoreNewlineValidation=false takes it without',
  )
}

/** The format that takes what was sent; '' where it is not another one. */
function takenAs(content: Buffer, asked: UploadFormat): string {
  const is = formatOf(content)
  const fitting = Object.entries(formats).find(([, each]) => each.includes(is))?.[0] ?? asked
  return fitting === asked ? '' : `; format=${fitting} takes it`
}

/**
 * What is wrong with the material is the client's to mend, and safe to tell: its errors quote nothing (I7).
 * @param instead what would be taken, as the end of the sentence
 */
async function refusing<T>(work: () => T | Promise<T>, instead: (code: string) => string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof PosternError) || !/^(?:material|zip)-/.test(codeOf(error))) throw error
    throw new ApiError(
      error.code === 'material-too-large' ? 413 : 400,
      error.code,
      `${error.message}${instead(error.code)}`,
      error.evidence,
    )
  }
}
