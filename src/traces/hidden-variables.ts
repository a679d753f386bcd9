export { hiddenAs } from '../observe/credentials.ts'

/** Whether a mask configuration names a flow variable. Names of header fields are one in every case. */
export function hidesVariable(hidden: readonly string[], name: string): boolean {
  const asked = name.toLowerCase()
  return hidden.some((each) => each.toLowerCase() === asked)
}
