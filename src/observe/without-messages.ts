import type { RecordedStep } from './recording.ts'

/** Steps without heads, bodies and variables: what spans are made of. Nothing of these leaves unmasked (I6). */
export function withoutMessages(steps: readonly RecordedStep[]): readonly RecordedStep[] {
  const kept: RecordedStep[] = []
  for (const step of steps) {
    switch (step.type) {
      case 'request-received':
      case 'request-body':
      case 'response-body':
      case 'condition':
      case 'variable':
        break
      case 'request-sent':
      case 'response-received':
      case 'response-sent':
        kept.push({ ...step, message: null })
        break
      default:
        kept.push(step)
    }
  }
  return kept
}
