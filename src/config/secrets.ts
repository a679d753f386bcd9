import { resolve } from 'node:path'
import { z } from 'zod'
import { PosternError } from '../core/errors.ts'
import { readRegularFile } from '../trust/read-file.ts'
import type { Environment } from '../trust/source.ts'
import { FilePath } from './scalars.ts'

/* Passwords and the like: the file says where they are and never what they are (I7). */

const placeTitle = 'place of a secret: env or file'
const variableTitle = 'name of a variable'
export const userTitle = 'user: text without a colon'

/** Titles of values that problems do not repeat: a secret may stand there by mistake. */
export const secretTitles: ReadonlySet<string> = new Set([placeTitle, variableTitle, userTitle])

const EnvSecret = z.strictObject({
  env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
    .meta({
      title: variableTitle,
      description: 'Environment variable that holds it.',
      examples: ['PROXY_PASSWORD'],
    }),
})
const FileSecret = z.strictObject({
  file: FilePath.meta({
    description: 'File that holds it; one line end at its end is ignored. Watched.',
    examples: ['/run/secrets/proxy-password'],
  }),
})

export const Secret = z.union([EnvSecret, FileSecret]).meta({
  id: 'Secret',
  title: placeTitle,
  description: 'Where a secret is: exactly one of `env`, `file`. Never the secret itself.',
  examples: ['{ env: PROXY_PASSWORD }', '{ file: /run/secrets/proxy-password }'],
})

export type SecretPlace = z.output<typeof Secret>

const maxSecretLength = 8192

/** Reads a secret, and throws `secret-refused` with its place, never its content, when it could not be sent. */
export function readSecret(place: SecretPlace, baseDirectory: string, env: Environment): string {
  const from = 'env' in place ? `the variable ${place.env}` : resolve(baseDirectory, place.file)
  const text =
    'env' in place
      ? env[place.env]
      : readRegularFile(from)
          .toString('utf8')
          .replace(/\r?\n$/, '')
  if (text === undefined) throw refusal(`${from} is not set`)
  if (text === '') throw refusal(`${from} is empty`)
  if (text.length > maxSecretLength) throw refusal(`${from} has more than ${maxSecretLength} characters`)
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) throw refusal(`${from} has a line end or another control character`)
  return text
}

/** The file to watch for a secret; null where there is none. */
export function secretPath(place: SecretPlace, baseDirectory: string): string | null {
  return 'env' in place ? null : resolve(baseDirectory, place.file)
}

function refusal(message: string): PosternError {
  return new PosternError('secret-refused', message)
}
