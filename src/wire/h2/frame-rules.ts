import { flags, frameTypes } from './frames.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'

/**
 * What a frame header says wrong by itself: length and stream of its type (RFC 9113 section 6). Known before a byte of the
 * payload has come, so nothing is kept for a frame that will be refused. `prioritySize` alone is an error of the stream.
 */
export function frameFault(type: number, frameFlags: number, length: number, streamId: number): H2Refusal | null {
  switch (type) {
    case frameTypes.data:
    case frameTypes.headers: {
      if (streamId === 0) return h2Refusals.streamZero
      if ((streamId & 1) === 0) return h2Refusals.evenStream
      let least = (frameFlags & flags.padded) === 0 ? 0 : 1
      if (type === frameTypes.headers && (frameFlags & flags.priority) !== 0) least += 5
      return length < least ? h2Refusals.paddedSize : null
    }
    case frameTypes.priority:
      if (streamId === 0) return h2Refusals.streamZero
      return length === 5 ? null : h2Refusals.prioritySize
    case frameTypes.rstStream:
      if (streamId === 0) return h2Refusals.streamZero
      if ((streamId & 1) === 0) return h2Refusals.evenStream
      return length === 4 ? null : h2Refusals.rstStreamSize
    case frameTypes.settings:
      if (streamId !== 0) return h2Refusals.streamNotZero
      if ((frameFlags & flags.ack) !== 0) return length === 0 ? null : h2Refusals.settingsAckSize
      return length % 6 === 0 ? null : h2Refusals.settingsSize
    case frameTypes.pushPromise:
      return h2Refusals.push
    case frameTypes.ping:
      if (streamId !== 0) return h2Refusals.streamNotZero
      return length === 8 ? null : h2Refusals.pingSize
    case frameTypes.goaway:
      if (streamId !== 0) return h2Refusals.streamNotZero
      return length >= 8 ? null : h2Refusals.goawaySize
    case frameTypes.windowUpdate:
      if (streamId !== 0 && (streamId & 1) === 0) return h2Refusals.evenStream
      return length === 4 ? null : h2Refusals.windowUpdateSize
    default:
      return null
  }
}
