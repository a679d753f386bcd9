import type { FlowVariables, Template } from './condition-types.ts'

/** `{request.header.x}-store`: text with flow variables in braces. A brace that is not closed, and `{}`, are text. */
export function parseTemplate(text: string): Template {
  const parts: (string | { variable: string })[] = []
  let at = 0
  // A brace inside another begins anew: `{a{b}` is the text `{a` and the variable b.
  for (const match of text.matchAll(/\{([^{}]+)\}/g)) {
    const variable = (match[1] ?? '').trim()
    if (variable === '') continue
    if (match.index > at) parts.push(text.slice(at, match.index))
    parts.push({ variable })
    at = match.index + match[0].length
  }
  if (at < text.length) parts.push(text.slice(at))
  return { parts }
}

/** The text with the values of its variables, or null when one of them has none. */
export function expandTemplate(template: Template, variables: FlowVariables): string | null {
  let text = ''
  for (const part of template.parts) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    const value = variables.get(part.variable)
    if (value === null) return null
    text += String(value)
  }
  return text
}

/** Whether there is a variable in it at all. */
export function isTemplate(text: string): boolean {
  return parseTemplate(text).parts.some((part) => typeof part !== 'string')
}
