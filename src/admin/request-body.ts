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

/** Reads a body whole, and no further than `most` (RFC 9110, section 15.5.14). With or without Content-Length. */
export async function readBody(
  request: IncomingMessage,
  most: number,
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
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > most) throw tooLarge(most)
      budget.take(chunk.length)
      held += chunk.length
      chunks.push(chunk)
    }
  } catch (error) {
    release()
    if (error instanceof ApiError) throw error
    // Nobody is there to read this one.
    throw new ApiError(400, 'client-gone', 'the client ended the connection before the request was whole', {}, error)
  }
  return { bytes: Buffer.concat(chunks, length), release }
}

function tooLarge(most: number): ApiError {
  return new ApiError(413, 'body-too-large', `the request body is larger than ${most} bytes`, { limit: most })
}
