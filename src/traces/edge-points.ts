import type { RecordedMessage, RecordedStep, RecordedTransaction } from '../observe/recording.ts'
import { analyticsPoint, finalMessage, messageResult, requestResult } from './edge-messages.ts'
import { connectionFlows, failedTryFlows } from './edge-connection.ts'
import type { EdgePair, EdgePoint, EdgeResult, EdgeTransaction } from './edge-model.ts'
import { errorPoint, errorVariables } from './edge-error.ts'
import {
  endpointOf,
  placeFlows,
  proxyVariables,
  requestVariables,
  responseVariables,
  sentVariables,
} from './edge-variables.ts'
import { hiddenAs, hidesVariable } from './hidden-variables.ts'

/**
 * A recorded request as Edge's states and points (apigee-edge.md 4.1, 4.2).
 * @param hidden variables of the mask configuration: also of what is only derived here
 */
export function edgeTransaction(transaction: RecordedTransaction, hidden: readonly string[] = []): EdgeTransaction {
  const points = new Points(transaction).all()
  return { id: transaction.id, completed: true, points: hidden.length === 0 ? points : points.map(masked(hidden)) }
}

type State =
  | 'REQ_START'
  | 'REQ_HEADERS_PARSED'
  | 'PROXY_REQ_FLOW'
  | 'TARGET_REQ_FLOW'
  | 'REQ_SENT'
  | 'RESP_START'
  | 'TARGET_RESP_FLOW'
  | 'PROXY_RESP_FLOW'
  | 'RESP_SENT'
  | 'END'
  | 'PROXY_POST_RESP_SENT'

/** Every state has its own method that leads to it; what a step means beside that is in `take`. */
class Points {
  readonly #transaction: RecordedTransaction
  readonly #points: EdgePoint[] = []
  #state: State = 'REQ_START'
  /** What was learnt in the target request flow: an Error point stands directly after the transition, before all of it. */
  #held: EdgePoint[] = []
  #targetChosen = false
  #response: RecordedMessage | null = null
  /** Servers of tries that came to nothing. */
  readonly #failedServers: string[] = []
  #server = ''

  constructor(transaction: RecordedTransaction) {
    this.#transaction = transaction
  }

  all(): readonly EdgePoint[] {
    const { steps } = this.#transaction
    this.#bare('Paused')
    this.#bare('Resumed')
    this.#go('REQ_HEADERS_PARSED', 0, requestResult(this.#transaction))
    this.#flow(0, requestVariables(this.#transaction))
    for (const pairs of placeFlows(this.#transaction)) this.#flow(0, pairs)
    const lastTry = startOfLastTry(steps)
    for (const [index, step] of steps.entries()) this.#take(step, index >= lastTry)
    this.#end(steps.at(-1)?.at ?? this.#transaction.totalMs)
    return this.#points
  }

  #take(step: RecordedStep, lastTry: boolean): void {
    switch (step.type) {
      case 'routed':
        this.#go('PROXY_REQ_FLOW', step.at, requestResult(this.#transaction, ''))
        this.#flow(step.at, proxyVariables(this.#transaction, step))
        return
      case 'condition':
        this.#condition(step)
        return
      case 'route-chosen':
        this.#targetChosen = !step.none
        this.#flow(step.at, [
          ['route.name', step.rule],
          ['route.type', step.none ? 'none' : 'target'],
          ['route.target', step.none ? '' : endpointOf(step.target)],
        ])
        return
      case 'variable':
        this.#flow(step.at, [[step.name, step.value]])
        return
      case 'server-chosen':
        this.#toTarget(step.at)
        this.#server = step.server
        this.#flow(step.at, [
          ['loadbalancing.targetserver', step.server],
          ...(this.#failedServers.length === 0
            ? []
            : ([['loadbalancing.failedservers', this.#failedServers.join(',')]] satisfies EdgePair[])),
          ['postern.attempt', String(step.attempt)],
        ])
        return
      case 'waiting':
        this.#toTarget(step.at)
        this.#flow(step.at, [['postern.waiting.server', step.server]])
        return
      case 'connected':
        this.#toTarget(step.at)
        for (const pairs of connectionFlows(step, this.#at(step.at))) this.#flow(step.at, pairs)
        return
      case 'connect-failed':
        this.#toTarget(step.at)
        this.#tryFailed(step)
        return
      case 'try-failed':
        this.#tryFailed({ ...step, story: null })
        return
      case 'request-sent':
        this.#toTarget(step.at)
        this.#flow(step.at, sentVariables(this.#transaction, step.message))
        // A backend may answer before it has everything.
        if (!lastTry || this.#state !== 'TARGET_REQ_FLOW') return
        this.#go('REQ_SENT', step.at, requestResult(this.#transaction, '', step.message))
        this.#bare('Paused')
        return
      case 'informational':
        this.#flow(step.at, [['postern.informational.status', String(step.status)]])
        return
      case 'response-received':
        if (!lastTry) {
          this.#flow(step.at, [['postern.attempt.status', String(step.message?.status ?? 0)]])
          return
        }
        if (this.#state === 'REQ_SENT') this.#bare('Resumed')
        this.#response = step.message
        this.#go('RESP_START', step.at, finalMessage(this.#transaction, 'received'))
        return
      case 'tunnel':
        this.#flow(step.at, [['postern.tunnel', 'true']])
        return
      case 'fault':
        this.#fault(step)
        return
      case 'response-sent':
        this.#sending(step.at, step.message)
        return
      case 'request-received':
      case 'request-body':
      case 'response-body':
      case 'ended':
        // Told with the messages, and at the end.
        return
      default:
        return step satisfies never
    }
  }

  #condition({ at, expression, result, reads }: Extract<RecordedStep, { type: 'condition' }>): void {
    const info: EdgePair[] = [
      ['Expression', expression],
      ['ExpressionResult', String(result)],
      ['Tree', `PROXY_${endpointOf(this.#transaction.proxy?.key ?? '')}`],
    ]
    const accesses = reads.map(({ name, value }) => ({ kind: 'get' as const, name, value, success: false }))
    const results: EdgeResult[] = [{ kind: 'DebugInfo', at: this.#at(at), properties: info }]
    if (accesses.length > 0) results.push({ kind: 'VariableAccess', accesses })
    this.#add({ id: 'Condition', results })
  }

  #tryFailed(step: Pick<Extract<RecordedStep, { type: 'connect-failed' }>, 'at' | 'fault' | 'story'>): void {
    this.#failedServers.push(step.story?.server ?? this.#server)
    for (const pairs of failedTryFlows(step)) this.#flow(step.at, pairs)
  }

  #fault({ at, fault }: Extract<RecordedStep, { type: 'fault' }>): void {
    if (this.#targetChosen) this.#toTarget(at)
    if (this.#state === 'REQ_SENT') this.#bare('Resumed')
    this.#points.push(errorPoint(this.#transaction, fault, this.#state, this.#at(at)))
    this.#points.push(...this.#held.splice(0))
    this.#flow(at, errorVariables(this.#transaction, fault, this.#state))
  }

  /** The head has gone to the client. */
  #sending(at: number, message: RecordedMessage | null): void {
    const head = message ?? this.#response
    if (this.#state === 'RESP_START') {
      this.#go('TARGET_RESP_FLOW', at, messageResult(head, this.#transaction.status))
      this.#flow(at, responseVariables(this.#transaction))
    }
    this.#go('PROXY_RESP_FLOW', at, messageResult(head, this.#transaction.status))
  }

  /** `END` precedes `PROXY_POST_RESP_SENT`, which has what the client got, and analytics. */
  #end(at: number): void {
    const message = finalMessage(this.#transaction, 'sent')
    if (this.#transaction.status > 0) {
      if (this.#state === 'RESP_START') this.#sending(at, null)
      if (this.#state !== 'PROXY_RESP_FLOW') this.#go('PROXY_RESP_FLOW', at, { ...message, content: '' })
      this.#go('RESP_SENT', at, { ...message, content: '' })
    }
    this.#go('END', at, { ...message, content: '' })
    this.#go('PROXY_POST_RESP_SENT', at, message)
    this.#points.push(analyticsPoint(this.#transaction, message, this.#at(at)))
  }

  #toTarget(at: number): void {
    if (this.#state === 'PROXY_REQ_FLOW' || this.#state === 'REQ_HEADERS_PARSED') {
      this.#go('TARGET_REQ_FLOW', at, requestResult(this.#transaction, ''))
    }
  }

  #go(to: State, at: number, message: EdgeResult): void {
    this.#points.push(...this.#held.splice(0))
    const properties: EdgePair[] = [
      ['To', to],
      ['From', this.#state],
    ]
    this.#points.push({ id: 'StateChange', results: [{ kind: 'DebugInfo', at: this.#at(at), properties }, message] })
    this.#state = to
  }

  #flow(at: number, properties: readonly EdgePair[]): void {
    if (properties.length === 0) return
    this.#add({ id: 'FlowInfo', results: [{ kind: 'DebugInfo', at: this.#at(at), properties }] })
  }

  #bare(id: 'Paused' | 'Resumed'): void {
    this.#add({ id, results: [] })
  }

  #add(point: EdgePoint): void {
    if (this.#state === 'TARGET_REQ_FLOW') this.#held.push(point)
    else this.#points.push(point)
  }

  #at(ms: number): number {
    return this.#transaction.startedAt + ms
  }
}

/** Index from which on nothing was tried again: what was sent before went nowhere. */
function startOfLastTry(steps: readonly RecordedStep[]): number {
  return steps.findLastIndex(
    ({ type }) => type === 'server-chosen' || type === 'connected' || type === 'connect-failed',
  )
}

const masked =
  (hidden: readonly string[]) =>
  (point: EdgePoint): EdgePoint => ({
    id: point.id,
    results: point.results.map((result): EdgeResult => {
      if (result.kind === 'DebugInfo') {
        const properties = result.properties.map(
          ([name, value]): EdgePair => [name, hidesVariable(hidden, name) ? hiddenAs : value],
        )
        return { ...result, properties }
      }
      if (result.kind !== 'VariableAccess') return result
      const accesses = result.accesses.map((each) =>
        each.value !== null && hidesVariable(hidden, each.name) ? { ...each, value: hiddenAs } : each,
      )
      return { ...result, accesses }
    }),
  })
