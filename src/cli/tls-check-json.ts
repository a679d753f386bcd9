/** What makes a result of an earlier run this one's as well: the same question under the same trust, judged the same way. */
export function resultKey(entry: string, server: string, snapshot: string, mode: string, asOf: string | null): string {
  return [entry, server, snapshot, mode, asOf ?? ''].join('\n')
}
