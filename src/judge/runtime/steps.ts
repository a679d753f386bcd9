/** What one judgement cost (I10). The runtime's own way has no branches: it is bounded by what can be served and stored. */
export interface Steps {
  candidates: number
  signatures: number
}
