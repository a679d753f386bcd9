/** What may be asked of one session (I10). The defaults are Edge's (apigee-edge.md 1.8). */
export const sessionLimits = {
  timeoutSeconds: { usual: 600, most: 3600 },
  transactions: { usual: 20, most: 200 },
  bodyBytes: { usual: 16 * 1024, most: 128 * 1024 },
  /** Conditions on header fields, and on query parameters. */
  conditions: 16,
  /** Of a name or a value of such a condition. */
  length: 1024,
} as const
