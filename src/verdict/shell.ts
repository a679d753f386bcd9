import { PosternError } from '../core/errors.ts'

/*
 * Names in a remedy come from certificates, and a certificate says whatever its maker wanted. Nothing of it may end a word of
 * a command, begin a second line, or turn a line round on a terminal.
 */

/** Characters that a line of a command or of a report never holds: controls, formats (bidi), surrogates, line separators. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
const everyUnprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const bareWord = /^[A-Za-z0-9_./:=@%+,-]+$/

/**
 * One word of a POSIX shell, on one line, that stands for exactly this text. Throws `unquotable` for text with characters
 * that cannot be shown: such a command could not be read before it is run, so it is not offered.
 */
export function shellWord(text: string): string {
  if (unprintable.test(text)) throw new PosternError('unquotable', 'holds characters that a command cannot show')
  // `=` first would be zsh's command path, `%` a job, `-` is for the caller to decide
  if (bareWord.test(text) && !/^[=%]/.test(text)) return text
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** For `curl -u` of this program's management API: the variables that its own commands read. */
export const apiCredentials = '"${POSTERN_USER:?user of the management API}:${POSTERN_PASSWORD:?its password}"'

/** Text of a peer, made fit for one line of a report: nothing invisible, nothing endless. */
export function onOneLine(text: string, most = 300): string {
  const shown = text.replaceAll(everyUnprintable, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`
  })
  return shown.length <= most ? shown : `${shown.slice(0, most - 3)}...`
}

/** A file name for a certificate, from its common name: `Elsewhere Root CA` is `elsewhere-root-ca`. */
export function fileStem(subject: string): string {
  const name = /(?:^|, )CN=([^,]+)/.exec(subject)?.[1] ?? subject
  const stem = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 48)
    .replaceAll(/^-+|-+$/g, '')
  return stem === '' ? 'certificate' : stem
}
