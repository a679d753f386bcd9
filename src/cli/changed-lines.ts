import { onOneLine } from '../verdict/shell.ts'

const most = 40

/** The lines that differ, `-` before and `+` after, each with its number; equal lines at both ends are left out. */
export function changedLines(before: string, after: string): readonly string[] {
  const [old, now] = [before.split('\n'), after.split('\n')]
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1
  let tail = 0
  while (tail < old.length - start && tail < now.length - start && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1
  const shown = (lines: readonly string[], mark: string): string[] =>
    lines
      .slice(start, lines.length - tail)
      .map((line, index) => `${mark} ${start + index + 1}: ${onOneLine(line, 200)}`)
  const lines = [...shown(old, '-'), ...shown(now, '+')]
  return lines.length <= most ? lines : [...lines.slice(0, most), `  and ${lines.length - most} lines more`]
}
