import { errorCodeName } from '../../wire/h2/error-codes.ts'
import { FrameReader } from '../../wire/h2/frame-reader.ts'
import type { FrameVisitor } from '../../wire/h2/frame-visitor.ts'
import {
  clientPreface,
  finishHeaders,
  frameHeaderBytes,
  defaultMaxFrameSize,
  flags,
  frameTypes,
  writeFrameHeader,
  writePing,
  writeSettingsAck,
} from '../../wire/h2/frames.ts'
import { encodedLines, encodePath, encodeRequestStart, fieldBound } from '../../wire/h2/hpack-encoder.ts'
import type { H2Refusal } from '../../wire/h2/refusals.ts'
import { ResponseFieldReader } from '../../wire/h2/response-fields.ts'
import { writeSettings } from '../../wire/h2/settings.ts'
import { headLines, type Question, type QuestionPlan, unanswered } from './question.ts'

/** The only stream of the connection. */
const stream = 1
/** Frames of an answer that comes to no end. (I10) */
const maxFrames = 256
const maxFields = 256

/** Asks in HTTP/2, on a connection of its own: preface, SETTINGS and one request in one write. */
export class Http2Question implements Question, FrameVisitor {
  readonly text: Buffer
  reply: Buffer | null = null
  readonly #reader: FrameReader
  readonly #fields: ResponseFieldReader
  #answer: number | string = unanswered

  constructor(plan: QuestionPlan) {
    const limits = { tableBytes: 0, listBytes: plan.headBytes, fieldCount: maxFields }
    this.#fields = new ResponseFieldReader(limits, 0)
    this.#reader = new FrameReader(this, { fromServer: true, blockBytes: plan.headBytes, continuations: 8 })
    this.text = requestFrames(plan)
  }

  get lines(): string {
    return this.#fields.head.lines
  }

  read(buf: Buffer, end: number): number | string {
    this.reply = null
    const refusal = this.#reader.feed(buf, 0, end)
    if (this.#answer !== unanswered) return this.#answer
    if (refusal !== null) return refusal.summary
    return this.#reader.frames > maxFrames ? 'frames without end' : unanswered
  }

  headers(
    streamId: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void {
    if (streamId !== stream) return
    const refused = refusal ?? this.#fields.read(block, start, end)
    if (refused !== null) this.#answered(refused.summary)
    else if (this.#fields.head.status >= 200) this.#answered(this.#fields.head.status)
    else if (endStream) this.#answered('the stream ended with an informational response')
  }

  settings(): void {
    const ack = Buffer.alloc(frameHeaderBytes)
    writeSettingsAck(ack, 0)
    this.#send(ack)
  }

  ping(buf: Buffer, at: number): void {
    const pong = Buffer.alloc(frameHeaderBytes + 8)
    writePing(pong, 0, true, buf, at)
    this.#send(pong)
  }

  rstStream(streamId: number, code: number): void {
    if (streamId === stream) this.#answered(`the stream was reset with ${errorCodeName(code)}`)
  }

  goaway(lastStreamId: number, code: number): void {
    if (lastStreamId < stream) this.#answered(`the connection was given up with ${errorCodeName(code)}`)
  }

  streamError(_streamId: number, refusal: H2Refusal): void {
    this.#answered(refusal.summary)
  }

  data(): void {
    this.#answered('a body came before its head')
  }

  settingsAck(): void {}

  pingAck(): void {}

  windowUpdate(): void {}

  ignored(): void {}

  #send(frame: Buffer): void {
    this.reply = this.reply === null ? frame : Buffer.concat([this.reply, frame])
  }

  /** The first word counts: what comes after the head is not read. */
  #answered(answer: number | string): void {
    if (this.#answer === unanswered) this.#answer = answer
  }
}

function requestFrames({ check, scheme }: QuestionPlan): Buffer {
  const start = encodeRequestStart(check.method, scheme, check.host)
  const lines = encodedLines(headLines(check))
  const room = start.length + lines.length + fieldBound(':path', check.path)
  const out = Buffer.alloc(
    clientPreface.length + 64 + room + frameHeaderBytes * (2 + Math.ceil(room / defaultMaxFrameSize)),
  )
  let at = clientPreface.copy(out, 0)
  // No dynamic table, so that a head means the same whatever came before; and nothing is to be pushed.
  at = writeSettings(out, at, { headerTableSize: 0, enablePush: 0 })
  let end = at + frameHeaderBytes
  end += start.copy(out, end)
  end = encodePath(out, end, check.path)
  end += lines.copy(out, end)
  const body = Buffer.from(check.body)
  const head = out.subarray(0, finishHeaders(out, at, end, stream, body.length === 0, defaultMaxFrameSize))
  return body.length === 0 ? head : Buffer.concat([head, ...dataFrames(body)])
}

function dataFrames(body: Buffer): readonly Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < body.length; at += defaultMaxFrameSize) {
    const part = body.subarray(at, at + defaultMaxFrameSize)
    const last = at + part.length === body.length
    const header = Buffer.alloc(frameHeaderBytes)
    writeFrameHeader(header, 0, part.length, frameTypes.data, last ? flags.endStream : 0, stream)
    frames.push(header, part)
  }
  return frames
}
