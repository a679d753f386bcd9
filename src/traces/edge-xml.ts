import type { EdgeAccess, EdgePair, EdgePoint, EdgeResult, EdgeSession, EdgeTransaction } from './edge-model.ts'
import { edgeTime } from './edge-time.ts'

const declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

/**
 * One transaction (apigee-edge.md 4.3). Readers of it go by position and by the text `<Completed>true</Completed>`, so the
 * order of children is exact and no white space stands between elements.
 */
export function transactionXml(transaction: EdgeTransaction): string {
  return `${declaration}<Message>${dataXml(transaction)}</Message>`
}

/** The file that Edge's own viewer loads (apigee-edge.md 4.4): seven children, `Messages` being the last. */
export function sessionXml(session: EdgeSession): string {
  const messages = session.transactions.map(
    (each) => `<Message>${element('DebugId', each.id)}<Data>${dataXml(each)}</Data></Message>`,
  )
  return (
    `${declaration}<DebugSession>${element('Retrieved', new Date(session.retrieved).toISOString())}` +
    `${element('Organization', session.organization)}${element('Environment', session.environment)}` +
    `${element('API', session.api)}${element('Revision', session.revision)}${element('SessionId', session.sessionId)}` +
    `<Messages>${messages.join('')}</Messages></DebugSession>`
  )
}

function dataXml({ completed, points }: EdgeTransaction): string {
  return `<Completed>${completed}</Completed>${points.map(pointXml).join('')}`
}

function pointXml({ id, results }: EdgePoint): string {
  const start = `<Point id="${attribute(id)}"`
  return results.length === 0 ? `${start}/>` : `${start}>${results.map(resultXml).join('')}</Point>`
}

function resultXml(result: EdgeResult): string {
  switch (result.kind) {
    case 'DebugInfo': {
      const time = result.at === null ? '' : `<Timestamp>${edgeTime(result.at)}</Timestamp>`
      const properties = result.properties.map(([name, value]) => named('Property', name, value)).join('')
      return `<DebugInfo>${time}<Properties>${properties}</Properties></DebugInfo>`
    }
    case 'RequestMessage':
      return `<RequestMessage>${headersXml(result.headers)}${element('URI', result.uri)}${element('Verb', result.verb)}${element('Content', result.content)}</RequestMessage>`
    case 'ResponseMessage':
      return `<ResponseMessage>${headersXml(result.headers)}${element('ReasonPhrase', result.reason)}${element('StatusCode', result.status)}${element('Content', result.content)}</ResponseMessage>`
    case 'VariableAccess':
      return `<VariableAccess>${result.accesses.map(accessXml).join('')}</VariableAccess>`
    default:
      return result satisfies never
  }
}

function headersXml(headers: readonly EdgePair[]): string {
  return `<Headers>${headers.map(([name, value]) => named('Header', name, value)).join('')}</Headers>`
}

const tags = { get: 'Get', set: 'Set', remove: 'Remove' } as const

function accessXml({ kind, name, value, success }: EdgeAccess): string {
  const told = value === null ? '' : ` value="${attribute(value)}"`
  return `<${tags[kind]} name="${attribute(name)}"${told}${kind === 'set' ? ` success="${success}"` : ''}/>`
}

const named = (tag: string, name: string, value: string): string =>
  `<${tag} name="${attribute(name)}">${text(value)}</${tag}>`

const element = (tag: string, value: string): string => `<${tag}>${text(value)}</${tag}>`

/** What XML 1.0 cannot hold, not even as a reference (section 2.2), lone surrogates included. */
export const noXmlCharacter =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

const references: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // As themselves they would be read as line feeds, in attributes as spaces (sections 2.11 and 3.3.3).
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
}

const text = (value: string): string =>
  value.replace(noXmlCharacter, '\ufffd').replace(/[&<>\r]/g, (each) => references[each] as string)

const attribute = (value: string): string =>
  value.replace(noXmlCharacter, '\ufffd').replace(/[&<>"\r\n\t]/g, (each) => references[each] as string)
