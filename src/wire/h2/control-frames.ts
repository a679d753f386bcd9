import { latin1 } from '../bytes.ts'
import type { FrameVisitor } from './frame-visitor.ts'
import { flags, frameTypes, read31, read32 } from './frames.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'
import type { PeerSettings } from './settings.ts'

/** More of a GOAWAY's debug data is nobody's to keep. (I10) */
const maxDebugBytes = 256

/**
 * Tells the visitor what a whole frame other than DATA, HEADERS and CONTINUATION says; `frameFault` has passed its header,
 * so the lengths are right.
 *
 * @returns why the connection is refused
 */
export function readControlFrame(
  visitor: FrameVisitor,
  peer: PeerSettings,
  fromServer: boolean,
  type: number,
  frameFlags: number,
  streamId: number,
  buf: Buffer,
  start: number,
  end: number,
): H2Refusal | null {
  const ack = (frameFlags & flags.ack) !== 0
  switch (type) {
    case frameTypes.settings: {
      if (ack) {
        visitor.settingsAck()
        return null
      }
      const before = peer.initialWindowSize
      const refusal = peer.apply(buf, start, end, fromServer)
      if (refusal === null) visitor.settings(peer.initialWindowSize - before)
      return refusal
    }
    case frameTypes.ping:
      if (ack) visitor.pingAck(buf, start)
      else visitor.ping(buf, start)
      return null
    case frameTypes.windowUpdate: {
      const increment = read31(buf, start)
      if (increment > 0) visitor.windowUpdate(streamId, increment)
      else if (streamId === 0) return h2Refusals.connectionWindowIncrement
      else visitor.streamError(streamId, h2Refusals.windowIncrement)
      return null
    }
    case frameTypes.rstStream:
      visitor.rstStream(streamId, read32(buf, start))
      return null
    case frameTypes.goaway: {
      const debug = latin1(buf, start + 8, Math.min(end, start + 8 + maxDebugBytes))
      visitor.goaway(read31(buf, start), read32(buf, start + 4), debug)
      return null
    }
    default:
      if (read31(buf, start) === streamId) visitor.streamError(streamId, h2Refusals.selfDependency)
      else visitor.ignored(type, streamId)
      return null
  }
}
