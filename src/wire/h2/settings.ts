import { maxWindow } from './flow-window.ts'
import { defaultMaxFrameSize, frameTypes, read32, write32, writeFrameHeader } from './frames.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'

/** RFC 9113 section 6.5.2, RFC 8441 section 3. */
export const settingIds = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const

export type SettingName = keyof typeof settingIds

/** What a peer announced; the values it has before its first SETTINGS are those of RFC 9113 section 6.5.2. */
export class PeerSettings {
  headerTableSize = 4096
  enablePush = true
  /** 2^32-1: no limit was said. */
  maxConcurrentStreams = 0xffff_ffff
  initialWindowSize = 65_535
  maxFrameSize = defaultMaxFrameSize
  maxHeaderListSize = 0xffff_ffff
  enableConnectProtocol = false

  /**
   * Applies the payload buf[start, end) of a SETTINGS frame, entry by entry. Unknown settings are ignored.
   *
   * @param fromServer only a client may allow push (section 6.5.2)
   */
  apply(buf: Buffer, start: number, end: number, fromServer: boolean): H2Refusal | null {
    if ((end - start) % 6 !== 0) return h2Refusals.settingsSize
    for (let at = start; at < end; at += 6) {
      const value = read32(buf, at + 2)
      switch (((buf[at] as number) << 8) | (buf[at + 1] as number)) {
        case settingIds.headerTableSize:
          this.headerTableSize = value
          break
        case settingIds.enablePush:
          if (value > (fromServer ? 0 : 1)) return h2Refusals.enablePush
          this.enablePush = value === 1
          break
        case settingIds.maxConcurrentStreams:
          this.maxConcurrentStreams = value
          break
        case settingIds.initialWindowSize:
          if (value > maxWindow) return h2Refusals.initialWindow
          this.initialWindowSize = value
          break
        case settingIds.maxFrameSize:
          if (value < defaultMaxFrameSize || value > 0xff_ffff) return h2Refusals.maxFrameSize
          this.maxFrameSize = value
          break
        case settingIds.maxHeaderListSize:
          this.maxHeaderListSize = value
          break
        case settingIds.enableConnectProtocol:
          // A promise that may not be taken back (RFC 8441 section 3).
          if (value > 1 || (value === 0 && this.enableConnectProtocol)) return h2Refusals.connectProtocol
          this.enableConnectProtocol = value === 1
          break
      }
    }
    return null
  }
}

/** Writes a SETTINGS frame at `at`. @returns the offset after it */
export function writeSettings(out: Buffer, at: number, settings: Partial<Record<SettingName, number>>): number {
  const entries = Object.entries(settings) as [SettingName, number][]
  let end = writeFrameHeader(out, at, 6 * entries.length, frameTypes.settings, 0, 0)
  for (const [name, value] of entries) {
    out[end] = 0
    out[end + 1] = settingIds[name]
    end = write32(out, end + 2, value)
  }
  return end
}
