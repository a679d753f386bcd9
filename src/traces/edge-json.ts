import type { EdgeAccess, EdgePair, EdgePoint, EdgeResult, EdgeSession, EdgeTransaction } from './edge-model.ts'
import { edgeTime } from './edge-time.ts'

type Json = Readonly<Record<string, unknown>>

/** One transaction. Every pair of spellings is there, so that readers of either product find theirs (apigee-edge.md 4.5). */
export function transactionJson({ completed, points }: EdgeTransaction): Json {
  return { completed, point: points.map(pointJson) }
}

/** The offline file of Apigee X. */
export function sessionJson(session: EdgeSession): Json {
  return {
    DebugSession: {
      Retrieved: new Date(session.retrieved).toISOString(),
      Recorded: session.transactions.length > 0,
      Organization: session.organization,
      Environment: session.environment,
      API: session.api,
      Revision: session.revision,
      SessionId: session.sessionId,
      Version: '2.1',
    },
    Messages: session.transactions.map((each) => ({ DebugId: each.id, ...transactionJson(each) })),
  }
}

const pointJson = ({ id, results }: EdgePoint): Json => ({ id, results: results.map(resultJson) })

function resultJson(result: EdgeResult): Json {
  const kind = { ActionResult: result.kind, actionResult: result.kind }
  switch (result.kind) {
    case 'DebugInfo': {
      const properties = fromFirst(result.properties).map(pairJson)
      const time = result.at === null ? {} : { timestamp: edgeTime(result.at) }
      return { ...kind, ...time, properties: { property: properties, properties } }
    }
    case 'RequestMessage': {
      const { uri, verb, content } = result
      return { ...kind, headers: result.headers.map(pairJson), uRI: uri, uri, verb, content }
    }
    case 'ResponseMessage': {
      const { reason, status, content } = result
      return { ...kind, headers: result.headers.map(pairJson), reasonPhrase: reason, statusCode: status, content }
    }
    case 'VariableAccess':
      return { ...kind, accessList: result.accesses.map(accessJson) }
    default:
      return result satisfies never
  }
}

const pairJson = ([name, value]: EdgePair): Json => ({ name, value })

function accessJson({ kind, name, value, success }: EdgeAccess): Json {
  const access = kind === 'set' ? { name, value, success } : { name, value }
  return { get: null, set: null, remove: null, [kind]: access }
}

/** Here `From` precedes `To`; in XML it is the other way round. */
function fromFirst(properties: readonly EdgePair[]): readonly EdgePair[] {
  const [to, from, ...rest] = properties
  return to?.[0] === 'To' && from?.[0] === 'From' ? [from, to, ...rest] : properties
}
