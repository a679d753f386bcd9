/** What stands in the place of a hidden value, as Edge shows it. */
export const hiddenAs = '*****'

/** Whether a mask configuration names a flow variable. Names of header fields are one in every case. */
export function hidesVariable(hidden: readonly string[], name: string): boolean {
  const asked = name.toLowerCase()
  return hidden.some((each) => each.toLowerCase() === asked)
}
