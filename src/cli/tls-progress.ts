/** What is shown while a long list is worked off. */
export interface Progress {
  /** One more is done. */
  step(trusted: boolean): void
  /** Removes what would stand in the way of other output; it is drawn again with the next step. */
  clear(): void
  end(): void
}

/** Standard error as far as progress needs it. */
export interface ProgressOutput {
  readonly isTTY: boolean
  readonly columns: number
  readonly write: (text: string) => void
}

/** What the rate is of: a list may be quick at first and slow in the end. */
const recentMs = 10_000
const maxRecent = 1024

export const noProgress: Progress = { step() {}, clear() {}, end() {} }

/** A bar on a terminal, drawn again at most ten times a second; elsewhere a line for each tenth of the list. */
export function showProgress(
  { total, atATime }: { readonly total: number; readonly atATime: number },
  output: ProgressOutput,
  now: () => number = () => performance.now(),
): Progress {
  const startedAt = now()
  /** When the last of them were done, oldest first. */
  const recent: number[] = [startedAt]
  let done = 0
  let faults = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  let tenths = 0
  /** How many were done when the bar was drawn; -1: it is not there. */
  let drawn = -1
  const facts = (): string => {
    const seconds = (now() - (recent[0] ?? startedAt)) / 1000
    const rate = seconds > 0 ? (recent.length - 1) / seconds : 0
    // The last ones have all begun: how long they take is no matter of the rate.
    const left = rate > 0 && total - done > atATime ? `, about ${Math.ceil((total - done) / rate)} s left` : ''
    const shown = rate >= 1 ? Math.round(rate) : rate.toFixed(1)
    return `${done} of ${total}, ${faults} ${faults === 1 ? 'fault' : 'faults'}, ${shown}/s${left}`
  }
  const draw = (): void => {
    drawnAt = now()
    drawn = done
    const text = facts()
    const width = Math.min(40, output.columns - text.length - 4)
    const filled = Math.round((width * done) / total)
    const bar = width < 5 ? '' : `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] `
    // to the start of the line, and what is left of a longer one removed
    output.write(`\r${bar}${text}\u001b[K`)
  }
  return {
    step(trusted) {
      done += 1
      recent.push(now())
      while (recent.length > 2 && (recent.length > maxRecent || now() - (recent[0] ?? 0) > recentMs)) recent.shift()
      if (!trusted) faults += 1
      if (output.isTTY) {
        if (now() - drawnAt >= 100 || done === total) draw()
        return
      }
      if (Math.floor((done * 10) / total) === tenths) return
      tenths = Math.floor((done * 10) / total)
      output.write(`${facts()}\n`)
    },
    clear() {
      if (drawn === -1) return
      drawn = -1
      drawnAt = Number.NEGATIVE_INFINITY
      output.write('\r\u001b[K')
    },
    end() {
      if (!output.isTTY || done === 0) return
      if (drawn !== done) draw()
      output.write('\n')
    },
  }
}
