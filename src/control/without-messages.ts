import type { RecordedStep, RecordedTransaction } from '../observe/recording.ts'

/** The transaction without heads, bodies and variables: what spans are made of. Nothing of them leaves unmasked (I6). */
export function withoutMessages(transaction: RecordedTransaction): RecordedTransaction {
  if (transaction.sessions.length === 0) return transaction
  return { ...transaction, steps: transaction.steps.flatMap(bare) }
}

function bare(step: RecordedStep): readonly RecordedStep[] {
  switch (step.type) {
    case 'request-received':
    case 'request-body':
    case 'response-body':
    case 'condition':
    case 'variable':
      return []
    case 'request-sent':
    case 'response-received':
    case 'response-sent':
      return [{ ...step, message: null }]
    default:
      return [step]
  }
}
