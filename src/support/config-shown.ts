import { parse, stringify } from 'yaml'
import { hiddenAs } from '../traces/hidden-variables.ts'

/**
 * A configuration as it may be shown: secrets are named by place in it, so they stand in few places where they could be by
 * mistake: values of headers, user names, comments. It is written again, so comments are gone. A text that is no YAML is not
 * shown at all: null.
 */
export function configShown(text: string): string | null {
  try {
    return stringify(shown(parse(text), ''))
  } catch {
    return null
  }
}

function shown(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value.map((each) => shown(each, key))
  if (typeof value !== 'object' || value === null)
    return hidesText.test(key) && typeof value === 'string' ? hiddenAs : value
  const entries = Object.entries(value)
  // Of health checks and of OTLP: a value may be a place, which says nothing.
  if (key === 'headers' || key === 'expectHeaders') {
    return Object.fromEntries(entries.map(([name, each]) => [name, typeof each === 'string' ? hiddenAs : each]))
  }
  return Object.fromEntries(entries.map(([name, each]) => [name, shown(each, name)]))
}

const hidesText = /^(?:user|username|password|passphrase|token|secret|authorization|body)$/i
