import type { EdgeSession } from './edge-model.ts'
import { readSessionJson } from './edge-json-read.ts'
import { readSessionXml } from './edge-xml-read.ts'
import { importLimits, TraceFileError } from './import-error.ts'

/** An offline file of Edge (XML) or X (JSON). Throws TraceFileError with the place. */
export function readSessionFile(bytes: Uint8Array): EdgeSession {
  if (bytes.length > importLimits.bytes) {
    throw new TraceFileError('', `the file has ${bytes.length} bytes, at most ${importLimits.bytes} are read`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new TraceFileError('', 'the file is not UTF-8', error)
  }
  const start = text.trimStart().charAt(0)
  if (start === '<') return readSessionXml(text)
  if (start === '{') return readSessionJson(text)
  throw new TraceFileError('', 'the file is neither XML nor JSON')
}
