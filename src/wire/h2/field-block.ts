import { frameTypes } from './frames.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'

export interface BlockLimits {
  /** Most bytes of a field block, padding included. */
  readonly blockBytes: number
  readonly continuations: number
}

/**
 * A field block in the making: HEADERS without END_HEADERS, and the CONTINUATION frames after it. Both their bytes and
 * their number are bounded; empty ones cost the sender nothing (CVE-2024-27316 and its kin). (I10)
 */
export class FieldBlock {
  /** 0: none is under way. */
  streamId = 0
  endStream = false
  /** The stream is to be refused, whatever the block says; it is decoded all the same. */
  refusal: H2Refusal | null = null
  bytes: Buffer = none
  length = 0
  readonly #limits: BlockLimits
  #continuations = 0

  constructor(limits: BlockLimits) {
    this.#limits = limits
  }

  /** What a frame header says wrong because a block is under way or not, or because the block would leave its limits. */
  fault(type: number, length: number, streamId: number): H2Refusal | null {
    if (type === frameTypes.continuation) {
      if (this.streamId === 0) return h2Refusals.loneContinuation
      if (this.streamId !== streamId) return h2Refusals.interleaved
      if (++this.#continuations > this.#limits.continuations) return h2Refusals.tooManyContinuations
    } else {
      if (this.streamId !== 0) return h2Refusals.interleaved
      if (type !== frameTypes.headers) return null
    }
    return this.length + length > this.#limits.blockBytes ? h2Refusals.blockTooLarge : null
  }

  begin(streamId: number, endStream: boolean, refusal: H2Refusal | null): void {
    this.streamId = streamId
    this.endStream = endStream
    this.refusal = refusal
    this.#continuations = 0
  }

  add(buf: Buffer, start: number, end: number): void {
    const needed = this.length + end - start
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, 2 * this.bytes.length), this.#limits.blockBytes))
      this.bytes.copy(grown, 0, 0, this.length)
      this.bytes = grown
    }
    buf.copy(this.bytes, this.length, start, end)
    this.length = needed
  }

  /** The block was used or is given up; its memory goes. */
  clear(): void {
    this.streamId = 0
    this.bytes = none
    this.length = 0
  }
}

const none = Buffer.alloc(0)
