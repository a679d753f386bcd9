import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { fileProblem } from './file-problem.ts'
import { usage } from './tls-endpoint.ts'

/** Results as lines of JSON in a file that may be picked up again. */
export interface ResultFile {
  add(line: string): void
  close(): void
}

/**
 * Opens FILE for results. A file that holds some already is refused unless `resume` is given; then every whole line of it
 * goes to `held`, and what follows the last line break, the rest of a run that was killed in the middle of a line, is
 * dropped from the file.
 */
export function openResults(path: string, resume: boolean, held: (line: unknown) => void): ResultFile {
  const file = openFile(path)
  try {
    const size = fstatSync(file).size
    if (size > 0 && !resume)
      throw usage(`--out ${path}: the file holds results; --resume to go on with it, or another file`)
    const whole = resume ? readLines(file, path, held) : 0
    if (whole < size) ftruncateSync(file, whole)
  } catch (error) {
    closeSync(file)
    throw error
  }
  return {
    // One write for each line, at the end of the file: whoever kills the process leaves whole lines and at most one torn.
    add: (line) => writeWhole(file, Buffer.from(`${line}\n`)),
    close: () => closeSync(file),
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'a+', 0o644)
  } catch (error) {
    throw usage(`--out ${path}: ${fileProblem(error)}`)
  }
}

function writeWhole(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
}

/** I10: a report is some tens of KiB at most. */
const maxLineBytes = 16 * 1024 * 1024

/** @returns the length of the file up to its last line break */
function readLines(file: number, path: string, held: (line: unknown) => void): number {
  const chunk = Buffer.alloc(64 * 1024)
  let pending: Buffer = Buffer.alloc(0)
  let whole = 0
  let number = 0
  for (let at = 0; ; ) {
    const read = readSync(file, chunk, 0, chunk.length, at)
    if (read === 0) return whole
    at += read
    pending = Buffer.concat([pending, chunk.subarray(0, read)])
    for (let end = pending.indexOf(0x0a); end !== -1; end = pending.indexOf(0x0a)) {
      number += 1
      held(parsed(pending.subarray(0, end), path, number))
      pending = pending.subarray(end + 1)
      whole += end + 1
    }
    if (pending.length > maxLineBytes) throw usage(`--out ${path}: line ${number + 1} is no result of this command`)
  }
}

function parsed(bytes: Buffer, path: string, number: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // Not ours, so it is not to be written to.
    throw usage(`--out ${path}: line ${number} is no result of this command; name another file`)
  }
}
