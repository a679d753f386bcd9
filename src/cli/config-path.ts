import { PosternError } from '../core/errors.ts'

/** A name, a place in a list, or `+` for the place behind its last element. */
export type EditStep = string | number

/**
 * Reads a place in the configuration as problems print it: `targets.billing.tls.trust[0]`, `targets["a.b"].url`. A name with
 * a dot has to be quoted, because the dot would divide it; `[+]` at the end stands for a new element of a list.
 */
export function parseConfigPath(text: string): readonly EditStep[] {
  const steps: EditStep[] = []
  let at = 0
  while (at < text.length) {
    const step = stepAt(text, at)
    if (step === null) {
      throw new PosternError(
        'usage',
        `${JSON.stringify(text)} is not a place in a configuration, such as targets.billing.tls.serverName`,
      )
    }
    steps.push(step.value)
    at = step.end
  }
  if (steps.length === 0 || typeof steps[0] !== 'string')
    throw new PosternError('usage', 'a place in the configuration is missing')
  return steps
}

function stepAt(text: string, at: number): { value: EditStep; end: number } | null {
  const bare = at === 0 ? /([A-Za-z0-9_-]+)/y : /\.([A-Za-z0-9_-]+)/y
  bare.lastIndex = at
  const name = bare.exec(text)
  if (name?.[1] !== undefined) return { value: name[1], end: bare.lastIndex }
  const bracket = /\[(?:(\d{1,6})|(\+)|("(?:[^"\\]|\\.)*"))\]/y
  bracket.lastIndex = at
  const found = bracket.exec(text)
  if (found === null) return null
  const end = bracket.lastIndex
  if (found[1] !== undefined) return { value: Number(found[1]), end }
  if (found[2] !== undefined) return end === text.length ? { value: '+', end } : null
  return jsonName(found[3] ?? '', end)
}

function jsonName(text: string, end: number): { value: string; end: number } | null {
  try {
    const value: unknown = JSON.parse(text)
    // `+` is the one name that stands for something else
    return typeof value === 'string' && value !== '+' ? { value, end } : null
  } catch {
    return null
  }
}
