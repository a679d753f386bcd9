import type { H2Refusal } from './refusals.ts'

/** What a peer said, frame by frame. Ranges of bytes are good until the call returns. */
export interface FrameVisitor {
  /**
   * A piece of DATA, as it comes: frames are not waited for. An empty range comes at the end of a frame only.
   *
   * @param flowBytes what the piece takes from the windows; padding counts (RFC 9113 section 6.1), with the frame's last piece
   * @param endStream only with the last piece of a frame that carries it
   */
  data(streamId: number, buf: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void
  /**
   * A whole field block. It has to be decoded whatever becomes of the stream, for the decoder's table; `refusal` says that
   * the stream is to be refused.
   */
  headers(
    streamId: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void
  /** `peer` of the reader has changed; `windowShift` is what every stream's send window changes by. */
  settings(windowShift: number): void
  settingsAck(): void
  /** The eight bytes from `at` on are to be sent back. */
  ping(buf: Buffer, at: number): void
  pingAck(buf: Buffer, at: number): void
  /** @param streamId 0: the connection */
  windowUpdate(streamId: number, increment: number): void
  rstStream(streamId: number, code: number): void
  goaway(lastStreamId: number, code: number, debug: string): void
  /** A frame without meaning here: PRIORITY, or a type of no RFC. Ignored, but whoever counts floods counts it. */
  ignored(type: number, streamId: number): void
  /** A frame that is wrong for its stream alone. */
  streamError(streamId: number, refusal: H2Refusal): void
}
