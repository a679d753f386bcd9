import { parseArgs, type ParseArgsConfig } from 'node:util'
import { nearest } from '../config/nearest.ts'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'

/** `parseArgs`, which throws `usage` with one plain sentence where the arguments are wrong. */
export function parseOptions<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (error) {
    if (!codeOf(error).startsWith('ERR_PARSE_ARGS')) throw error
    throw new PosternError('usage', sentenceFor(messageOf(error), Object.keys(config.options ?? {})), { cause: error })
  }
}

/** The runtime's own texts advise on quoting, with quotes that do not end. */
function sentenceFor(message: string, options: readonly string[]): string {
  const [, unknown] = /^Unknown option '([^']*)'/.exec(message) ?? []
  if (unknown !== undefined) {
    const close = nearest(unknown.replace(/^-+/, ''), new Set(options))
    return `there is no option ${unknown}${close === null ? '' : `; did you mean --${close}?`}`
  }
  const [, valued] = /^Option '([^']*)' argument (?:missing|is ambiguous)/.exec(message) ?? []
  if (valued !== undefined)
    return `${valued.replace(/ <value>$/, '')} needs a value; one that begins with - is written --option=-value`
  const [, flag] = /^Option '([^']*)' does not take an argument/.exec(message) ?? []
  if (flag !== undefined) return `${flag} takes no value`
  const [, word] = /^Unexpected argument '(.*)'\. This command/s.exec(message) ?? []
  return word === undefined ? message : `${JSON.stringify(word)} is not understood here: only options are`
}
