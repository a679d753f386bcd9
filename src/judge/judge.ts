import { judgeRuntime } from './runtime/judge-runtime.ts'
import { judgeStandard } from './standard.ts'
import type { JudgeInput, Judgement } from './types.ts'

/** Judges what a backend presented. Pure: the same input gives the same judgement, at any time and on any machine. */
export function judge(input: JudgeInput): Judgement {
  return input.mode === 'runtime' ? judgeRuntime(input) : judgeStandard(input)
}
