/** Error codes of RFC 9113 section 7. */
export const errorCodes = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const

export type H2ErrorCode = (typeof errorCodes)[keyof typeof errorCodes]

const names: readonly string[] = Object.keys(errorCodes).map((name) =>
  name.replace(/[A-Z1]/g, (part) => `_${part}`).toUpperCase(),
)

/** The name as RFC 9113 writes it, for logs; codes of no RFC are no error (section 7) and get their number. */
export function errorCodeName(code: number): string {
  return names[code] ?? `0x${code.toString(16)}`
}
