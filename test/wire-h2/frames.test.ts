import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errorCodeName, errorCodes } from '../../src/wire/h2/error-codes.ts'
import { maxWindow, ReceiveWindow, SendWindow } from '../../src/wire/h2/flow-window.ts'
import {
  finishHeaders,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettingsAck,
  writeWindowUpdate,
} from '../../src/wire/h2/frames.ts'
import { writeSettings } from '../../src/wire/h2/settings.ts'
import { settings } from './frame-cases.ts'
import { readPieces } from './recording-visitor.ts'

const options = { blockBytes: 200_000, continuations: 20, fromServer: true }

function readBack(write: (out: Buffer, at: number) => number): readonly string[] {
  const out = Buffer.alloc(200_000, 0xee)
  const end = write(out, 7)
  assert.equal(out[end], 0xee)
  const { events, refusal } = readPieces(Buffer.concat([settings, out.subarray(7, end)]), [], options)
  assert.equal(refusal, null)
  return events.slice(1)
}

describe('written frames are read back', () => {
  it('SETTINGS', () => {
    assert.deepEqual(
      readBack((out, at) =>
        writeSettings(out, at, { headerTableSize: 0, initialWindowSize: 65_536, maxFrameSize: 16_384 }),
      ),
      ['settings 1'],
    )
    assert.deepEqual(
      readBack((out, at) => writeSettings(out, at, {})),
      ['settings 0'],
    )
    assert.deepEqual(readBack(writeSettingsAck), ['settings ack'])
  })

  it('PING', () => {
    const payload = Buffer.from('_12345678_')
    assert.deepEqual(
      readBack((out, at) => writePing(out, at, false, payload, 1)),
      ['ping 12345678'],
    )
    assert.deepEqual(
      readBack((out, at) => writePing(out, at, true, payload, 1)),
      ['ping ack 12345678'],
    )
  })

  it('RST_STREAM, WINDOW_UPDATE, GOAWAY', () => {
    assert.deepEqual(
      readBack((out, at) => writeRstStream(out, at, 2 ** 31 - 1, errorCodes.cancel)),
      ['reset 2147483647 8'],
    )
    assert.deepEqual(
      readBack((out, at) => writeWindowUpdate(out, at, 0, maxWindow)),
      ['window 0 2147483647'],
    )
    assert.deepEqual(
      readBack((out, at) => writeGoaway(out, at, 5, errorCodes.enhanceYourCalm, 'too many')),
      ['goaway 5 11 too many'],
    )
  })

  it('HEADERS of every size around the maximum, in as many frames as that takes', () => {
    for (const size of [0, 1, 99, 100, 101, 199, 200, 201, 1000, 1001]) {
      const block = Buffer.from(Array.from({ length: size }, (_, index) => index % 251))
      let end = 0
      const events = readBack((out, at) => {
        block.copy(out, at + 9)
        end = finishHeaders(out, at, at + 9 + size, 3, size % 2 === 1, 100)
        assert.equal(end - at, size + 9 * Math.max(1, Math.ceil(size / 100)))
        return end
      })
      assert.deepEqual(events, [`headers 3 ${block.toString('hex')}${size % 2 === 1 ? ' end' : ''}`])
    }
  })
})

describe('windows', () => {
  it('a send window is taken from, given to, and never beyond 2^31-1', () => {
    const window = new SendWindow(65_535)
    window.take(65_535)
    assert.equal(window.available, 0)
    assert.equal(window.shift(maxWindow), true)
    assert.equal(window.shift(1), false)
    assert.equal(window.available, maxWindow, 'a refused increment changes nothing')
  })

  it('a send window may become negative when the initial size shrinks (RFC 9113 6.9.2)', () => {
    const window = new SendWindow(100)
    window.take(80)
    assert.equal(window.shift(-100), true)
    assert.equal(window.available, -80)
    assert.equal(window.shift(81), true)
    assert.equal(window.available, 1)
  })

  it('a receive window refuses what is over it, and is granted again in large pieces as bytes are passed on', () => {
    const window = new ReceiveWindow(100)
    assert.equal(window.received(60), true)
    assert.equal(window.consumed(30), 0)
    assert.equal(window.consumed(20), 50)
    assert.equal(window.available, 90)
    assert.equal(window.consumed(10), 0)
    assert.equal(window.received(90), true)
    assert.equal(window.received(1), false)
  })
})

it('error codes have the names of RFC 9113', () => {
  assert.deepEqual([0, 1, 9, 11, 13, 14, 0xffff_ffff].map(errorCodeName), [
    'NO_ERROR',
    'PROTOCOL_ERROR',
    'COMPRESSION_ERROR',
    'ENHANCE_YOUR_CALM',
    'HTTP_1_1_REQUIRED',
    '0xe',
    '0xffffffff',
  ])
})
