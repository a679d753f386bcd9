import { parentPort } from 'node:worker_threads'
import { codeOf, messageOf } from '../core/errors.ts'
import { ObserverWork } from './work.ts'
import type { FromObserver, ToObserver } from './protocol.ts'

/** The observer thread: messages to what they are for. Nothing that goes wrong with one of them ends the thread. */
const work = new ObserverWork((message) => send(message))
const timer = setInterval(() => guarded('tick', tick), 1_000)

parentPort?.on('message', (message: ToObserver) => {
  switch (message.type) {
    case 'configure':
      guarded('configure', () => work.configure(message.plan))
      break
    case 'rollup':
      guarded('rollup', () => work.rollup(message.message))
      send({ type: 'taken', what: 'rollup', waiting: work.waiting })
      break
    case 'spans':
      guarded('spans', () => work.spans(message.batch))
      send({ type: 'taken', what: 'spans', waiting: work.waiting })
      break
    case 'metrics':
      guarded('metrics', () => work.metrics(message.at, message.families))
      send({ type: 'taken', what: 'metrics', waiting: work.waiting })
      break
    case 'log':
      guarded('log', () => work.log(message.sink, message.bytes, message.records))
      send({ type: 'log-done', ticket: message.ticket })
      break
    case 'ask':
      try {
        send({ type: 'answer', ticket: message.ticket, result: work.answer(message.question) })
      } catch (error) {
        const code = codeOf(error).startsWith('monitoring-') ? codeOf(error) : 'monitoring-failed'
        send({ type: 'refused', ticket: message.ticket, code, message: messageOf(error) })
      }
      break
    case 'close':
      clearInterval(timer)
      void close(message.timeoutMs)
      break
    default:
      message satisfies never
  }
})

function tick(): void {
  const { waiting } = work
  work.tick()
  if (work.waiting !== waiting) send({ type: 'waiting', waiting: work.waiting })
}

async function close(timeoutMs: number): Promise<void> {
  try {
    await work.close(timeoutMs)
  } catch (error) {
    warn('close', error)
  }
  guarded('tick', () => work.report())
  send({ type: 'closed' })
  parentPort?.close()
}

function guarded(what: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    warn(what, error)
  }
}

function warn(what: string, error: unknown): void {
  send({ type: 'warning', code: 'observer-failed', message: `monitoring failed at "${what}": ${messageOf(error)}` })
}

function send(message: FromObserver): void {
  parentPort?.postMessage(message)
}
