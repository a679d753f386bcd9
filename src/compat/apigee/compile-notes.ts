import type { ManagedFinding, ManagedProblem } from '../../config/managed-view.ts'

/** Where compiling puts what it finds. */
export interface Notes {
  readonly findings: ManagedFinding[]
  readonly problems: ManagedProblem[]
}

export function newNotes(): Notes {
  return { findings: [], problems: [] }
}

export function find(
  notes: Notes,
  code: string,
  severity: ManagedFinding['severity'],
  object: string,
  message: string,
): void {
  notes.findings.push({ code, severity, object, message })
}

/** @returns null, for whoever has nothing else to return then */
export function refuse(notes: Notes, code: string, object: string, message: string): null {
  notes.problems.push({ code, object, message })
  return null
}
