/*
 * Edge sorts its fault codes into categories and subcategories (API Monitoring, "Fault code reference"). The names of those
 * that this gateway can give follow from the code itself.
 */

export interface FaultCodeFacts {
  readonly faultCode: string
  readonly faultCodeCategory: string
  readonly faultCodeSubCategory: string
  /** Last segment of the code: `SslHandshakeFailed`. */
  readonly faultCodeName: string
}

export function faultCodeFacts(code: string): FaultCodeFacts {
  const name = code.slice(code.lastIndexOf('.') + 1)
  return { faultCode: code, faultCodeName: name, ...categoryOf(code, name) }
}

/** Every word that is given must be that of the code; names in full or by their last segment, in any case of letters. */
export function isFaultCode(
  code: string,
  wanted: { readonly name?: string; readonly category?: string; readonly subCategory?: string },
): boolean {
  if (code === '') return false
  const facts = faultCodeFacts(code)
  const same = (one: string, other: string | undefined): boolean =>
    other === undefined || one.toLowerCase() === other.toLowerCase()
  return (
    (same(facts.faultCodeName, wanted.name) || same(facts.faultCode, wanted.name)) &&
    same(facts.faultCodeCategory, wanted.category) &&
    same(facts.faultCodeSubCategory, wanted.subCategory)
  )
}

function categoryOf(code: string, name: string): Pick<FaultCodeFacts, 'faultCodeCategory' | 'faultCodeSubCategory'> {
  if (code.startsWith('protocol.http.')) return { faultCodeCategory: 'API Protocol', faultCodeSubCategory: 'HTTP' }
  if (code.startsWith('steps.') || code.startsWith('policies.'))
    return { faultCodeCategory: 'Execution Policy', faultCodeSubCategory: 'Others' }
  if (code.startsWith('messaging.')) {
    const sub = ofTarget.has(name) ? 'Target' : ofVirtualHost.has(name) ? 'Virtual Host' : 'Others'
    return { faultCodeCategory: 'Gateway', faultCodeSubCategory: sub }
  }
  return { faultCodeCategory: 'Others', faultCodeSubCategory: 'Others' }
}

const ofTarget: ReadonlySet<string> = new Set([
  'SslHandshakeFailed',
  'ServiceUnavailable',
  'NoActiveTargets',
  'GatewayTimeout',
  'BadGateway',
  'UnexpectedEOFAtTarget',
  'ErrorResponseCode',
  'DecompressionFailureAtResponse',
])
const ofVirtualHost: ReadonlySet<string> = new Set([
  'ApplicationNotFound',
  'RequestTimeOut',
  'LengthRequired',
  'DecompressionFailureAtRequest',
])
