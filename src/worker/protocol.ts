import type { LogMessage } from '../observe/log-batcher.ts'
import type { RecordedBatch, RecordingOrder } from '../observe/recording.ts'
import type { RollupMessage } from '../observe/rollup.ts'
import type { DiagnosisAnswer, DiagnosisQuestion, SeenChain } from '../proxy/control-port.ts'

/** What the main thread tells a worker. */
export type ToWorker =
  | {
      readonly type: 'build'
      readonly generation: number
      /** A GenerationPlan as `v8.serialize` writes it, on shared memory: written once, however many workers there are. */
      readonly plan: SharedArrayBuffer
      /** Ports already chosen for listeners with port 0, by listener name. */
      readonly ports: Readonly<Record<string, number>>
      readonly metrics: SharedArrayBuffer
    }
  | { readonly type: 'commit'; readonly generation: number }
  | { readonly type: 'discard'; readonly generation: number }
  | { readonly type: 'acknowledge'; readonly segment: number }
  | { readonly type: 'unready' }
  | { readonly type: 'drain'; readonly timeoutMs: number }
  | { readonly type: 'diagnosed'; readonly answer: DiagnosisAnswer }
  /** All debug sessions that run, in the place of those before. */
  | { readonly type: 'record'; readonly orders: readonly RecordingOrder[] }
  /** So many of those `recorded` have been taken; a worker that is not told stops telling more. (I10) */
  | { readonly type: 'took'; readonly transactions: number }

/** What a worker tells the main thread. */
export type FromWorker =
  | { readonly type: 'built'; readonly generation: number; readonly ports: Readonly<Record<string, number>> }
  | { readonly type: 'build-failed'; readonly generation: number; readonly code: string; readonly message: string }
  | { readonly type: 'committed'; readonly generation: number }
  | { readonly type: 'log'; readonly message: LogMessage }
  | { readonly type: 'drained' }
  | { readonly type: 'diagnose'; readonly question: DiagnosisQuestion }
  | { readonly type: 'chain-seen'; readonly seen: SeenChain }
  | { readonly type: 'rollup'; readonly message: RollupMessage }
  /** To be answered with `took`. */
  | { readonly type: 'recorded'; readonly batch: RecordedBatch }

export interface WorkerData {
  readonly worker: number
  readonly ticketKeys: Uint8Array
  readonly hostName: string
  /** Where log lines are handed over; see log-segments.ts. */
  readonly logMemory: readonly SharedArrayBuffer[]
}
