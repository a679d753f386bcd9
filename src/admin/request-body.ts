import type { IncomingMessage } from 'node:http'
import { ApiError } from './api.ts'
import { ErrorWithHeaders } from './error-answer.ts'

/** Bytes of request bodies that are held at the same moment, whoever sent them (I10). */
export class BodyBudget {
  readonly #most: number
  #held = 0

  constructor(most: number) {
    this.#most = most
  }

  take(bytes: number): void {
    if (this.#held + bytes > this.#most) {
      throw new ErrorWithHeaders(503, 'busy', 'too many request bodies are under way', { 'retry-after': '1' })
    }
    this.#held += bytes
  }

  give(bytes: number): void {
    this.#held -= bytes
  }
}

export interface HeldBody {
  readonly bytes: Buffer
  /** To be called once it is needed no more. */
  readonly release: () => void
}

export interface BodyLimits {
  /** Bytes. */
  readonly most: number
  /** Milliseconds; of a body that is larger than `small`, `largeTime`. */
  readonly time: number
  readonly small: number
  readonly largeTime: number
}

/** Reads a body whole, and no further than `most` (RFC 9110, section 15.5.14). With or without Content-Length. */
export async function readBody(
  request: IncomingMessage,
  { most, ...times }: BodyLimits,
  budget: BodyBudget,
  goOn: () => void,
): Promise<HeldBody> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > most) throw tooLarge(most)
  goOn()
  const chunks: Buffer[] = []
  let length = 0
  let held = 0
  const release = (): void => {
    budget.give(held)
    held = 0
  }
  try {
    await readChunks(request, { ...times, isLarge: () => Math.max(length, announced) > times.small }, (chunk) => {
      length += chunk.length
      if (length > most) throw tooLarge(most)
      budget.take(chunk.length)
      held += chunk.length
      chunks.push(chunk)
    })
  } catch (error) {
    release()
    if (error instanceof ApiError) throw error
    // Nobody is there to read this one.
    throw new ApiError(400, 'client-gone', 'the client ended the connection before the request was whole', {}, error)
  }
  return { bytes: Buffer.concat(chunks, length), release }
}

/** Ends with the body, with what `take` throws, and after its time; whatever ends it, nothing more is read. */
function readChunks(
  request: IncomingMessage,
  { time, largeTime, isLarge }: { readonly time: number; readonly largeTime: number; readonly isLarge: () => boolean },
  take: (chunk: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = (): void => over(new ApiError(408, 'request-timeout', 'the request body did not come in time'))
    let timer = setTimeout(() => {
      if (!isLarge()) late()
      else timer = setTimeout(late, Math.max(0, largeTime - time))
    }, time)
    const over = (error: Error | null): void => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      request.pause()
      if (error === null) resolve()
      else reject(error)
    }
    const onData = (chunk: Buffer): void => {
      try {
        take(chunk)
      } catch (error) {
        over(error as Error)
      }
    }
    const onEnd = (): void => over(null)
    const onError = (error: Error): void => over(error)
    const onClose = (): void => over(new Error('the connection has ended'))
    if (request.readableEnded) onEnd()
    else if (request.destroyed) onClose()
    else request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}

function tooLarge(most: number): ApiError {
  return new ApiError(413, 'body-too-large', `the request body is larger than ${most} bytes`, { limit: most })
}
