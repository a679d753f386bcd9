import { onOneLine } from '../verdict/shell.ts'

/* Lines of a text report: at most `width` columns, nothing of a peer's that moves a cursor or turns a line round. */

export const width = 110

/** Text as lines of at most `width` columns; words that are longer are cut. The first line has its own indent. */
export function wrapped(text: string, indent: string, first = indent): readonly string[] {
  const lines: string[] = []
  let line = first
  let isEmpty = true
  for (const word of onOneLine(text, 4000).split(' ')) {
    for (const piece of pieces(word, width - indent.length)) {
      if (!isEmpty && line.length + 1 + piece.length > width) {
        lines.push(line)
        line = indent
        isEmpty = true
      }
      line += isEmpty ? piece : ` ${piece}`
      isEmpty = false
    }
  }
  return [...lines, line.trimEnd()]
}

/**
 * A command on lines of at most `width` columns where its words allow: broken between words, outside of quotes, so that a shell
 * reads the same command. A word that is longer stays whole.
 */
export function foldedCommand(command: string, indent: string): readonly string[] {
  const lines: string[] = []
  let line = indent
  for (const word of shellPieces(command)) {
    const joined = line === indent || line === `${indent}  ` ? line + word : `${line} ${word}`
    // two columns for the backslash
    if (joined.length + 2 > width && line.trim() !== '') {
      lines.push(`${line} \\`)
      line = `${indent}  ${word}`
    } else line = joined
  }
  return [...lines, line]
}

/** Divided at single spaces outside of quotes and substitutions. */
function shellPieces(command: string): readonly string[] {
  const found: string[] = []
  let word = ''
  let quote = ''
  let depth = 0
  for (let at = 0; at < command.length; at += 1) {
    const character = command[at] ?? ''
    if (character === '\\' && quote !== "'") {
      word += character + (command[at + 1] ?? '')
      at += 1
      continue
    }
    if (quote === '' && (character === "'" || character === '"')) quote = character
    else if (character === quote) quote = ''
    if (quote !== "'" && character === '{') depth += 1
    if (quote !== "'" && character === '}') depth -= 1
    if (character === ' ' && quote === '' && depth <= 0) {
      found.push(word)
      word = ''
    } else word += character
  }
  return [...found, word]
}

function* pieces(word: string, most: number): Generator<string> {
  for (let at = 0; at < word.length; at += most) yield word.slice(at, at + most)
}
