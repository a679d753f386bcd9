/** `23-01-26 07:26:26:678`, UTC (apigee-edge.md 4.3). */
export function edgeTime(at: number): string {
  const iso = new Date(Math.floor(at)).toISOString()
  const [, year, month, day, time, millis] = /^\d\d(\d\d)-(\d\d)-(\d\d)T([\d:]{8})\.(\d{3})Z$/.exec(iso) ?? []
  return `${day}-${month}-${year} ${time}:${millis}`
}

/** The century is not in it: this one is meant. @returns null where it is no such time */
export function readEdgeTime(text: string): number | null {
  const match = /^(\d\d)-(\d\d)-(\d\d) (\d\d:\d\d:\d\d):(\d{3})$/.exec(text.trim())
  if (match === null) return null
  const [, day, month, year, time, millis] = match
  const iso = `20${year}-${month}-${day}T${time}.${millis}Z`
  const at = Date.parse(iso)
  // The 31st of February would be read as the 3rd of March.
  return Number.isNaN(at) || new Date(at).toISOString() !== iso ? null : at
}
