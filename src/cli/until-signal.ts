/** As a shell says it of a command that a signal ended: 128 and its number. */
export function interruptedBy(signal: unknown): number {
  return signal === 'SIGINT' ? 130 : 143
}

/** One Ctrl-C comes twice where a parent passes on what the terminal has sent to both; a SIGTERM is meant each time. */
const sameSignalMs = 250

/** `process`, as far as it is needed. */
interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  exit(code: number): void
}

/** Aborted by the first SIGTERM or SIGINT, which is the reason; a second one ends the process at once. */
export function untilSignal(source: SignalSource, now: () => number = () => performance.now()): AbortSignal {
  const controller = new AbortController()
  let first = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    source.on(signal, () => {
      if (!controller.signal.aborted) {
        first = now()
        controller.abort(signal)
      } else if (signal === 'SIGTERM' || now() - first > sameSignalMs) source.exit(interruptedBy(signal))
    })
  }
  return controller.signal
}
