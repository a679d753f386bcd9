import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { codeOf, PosternError } from '../core/errors.ts'

/**
 * The way out for PKCS#12 files that are encrypted with RC2, or written in BER: the openssl of the machine, asked for
 * certificates only. The password goes through a pipe of its own, where no list of processes shows it.
 */
export async function certificatesByOpenssl(bytes: Uint8Array, password: string, reason: string): Promise<string> {
  const args = ['pkcs12', '-nokeys', '-legacy', '-passin', 'fd:3']
  const child = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] })
  const exited = once(child, 'close')
  for (const [pipe, content] of [
    [child.stdin, bytes],
    [child.stdio[3] as Writable, `${password}\n`],
  ] as const) {
    // A child that ends early breaks the pipe; its exit code tells the story.
    pipe.on('error', () => {})
    pipe.end(content)
  }
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  try {
    const [exitCode] = (await exited) as [number | null]
    const [pem, complaint] = await output
    if (exitCode === 0) return pem
    const line = complaint.split('\n').find((it) => it.trim() !== '') ?? `exit code ${exitCode}`
    throw new PosternError('pkcs12-unsupported', `${reason}; openssl could not read it either: ${line}`)
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT') throw thrown
    const advice = 'no openssl was found to read it instead. Install it, or export the file again with AES encryption'
    throw new PosternError('pkcs12-unsupported', `${reason}, and ${advice}`, { cause: thrown })
  }
}
