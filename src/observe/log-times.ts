/** '.000' to '.999', shared by every line: the cheapest way to print milliseconds with leading zeros. */
const fractions: readonly string[] = Array.from({ length: 1000 }, (_, ms) => `.${String(ms).padStart(3, '0')}`)

let cachedSecond = Number.NaN
let cachedPrefix = ''

/** `2026-01-23T07:26:27.251`, UTC without zone. The second is cached, as thousands of lines share it. */
export function isoMillis(at: number): string {
  const whole = Math.floor(at)
  const second = Math.floor(whole / 1000)
  if (second !== cachedSecond) {
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 19)
    cachedSecond = second
  }
  return cachedPrefix + fractions[whole - second * 1000]
}

/** Milliseconds with three decimals. Small integers and shared strings are cheaper than printing a double. */
export function millis(ms: number): string {
  if (!(ms >= 0)) return '-1'
  const micros = Math.round(ms * 1000)
  const whole = Math.floor(micros / 1000)
  return `${whole}${fractions[micros - whole * 1000]}`
}

/** Whole milliseconds, never negative. */
export function wholeMillis(ms: number): number {
  return ms > 0 ? Math.round(ms) : 0
}
