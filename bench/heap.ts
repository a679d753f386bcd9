/**
 * Bytes of V8 heap allocated in a second, all threads of the process together, from what `--trace-gc-nvp` printed. A line
 * tells how much its thread allocated since its line before, so a thread counts from its first collection to its last.
 */
export function allocatedPerSecond(output: string): number {
  const threads = new Map<string, { first: number; last: number; bytes: number }>()
  for (const [, isolate = '', millis, bytes] of output.matchAll(line)) {
    const at = Number(millis)
    const thread = threads.get(isolate)
    if (thread === undefined) {
      threads.set(isolate, { first: at, last: at, bytes: 0 })
    } else {
      thread.last = at
      thread.bytes += Number(bytes)
    }
  }
  let sum = 0
  for (const { first, last, bytes } of threads.values()) if (last > first) sum += (bytes / (last - first)) * 1000
  return sum
}

const line = /^\[\d+:0x([0-9a-f]+):\d+\]\s+(\d+) ms: .* allocated=(\d+)/gm
