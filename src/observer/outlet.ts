/** Takes whole log lines in the observer thread, and sends them away. Never throws for want of a receiver: it drops and counts. */
export interface Outlet {
  /**
   * @param lines whole lines, each with its LF; the memory is free again when this returns
   * @param records how many lines
   */
  write(lines: Uint8Array, records: number): void
  /** Lines that were given up, since it began. */
  readonly dropped: number
  /** Sends what it has, at most for this long. */
  close(timeoutMs: number): Promise<void>
}
