import type { Fault } from './fault.ts'

import { apigeeTable, javaCause } from './apigee.ts'

/**
 * `error.cause` of a trace: the text of Java's exception without its class (apigee-edge.md 3.3), so that it is the same as in
 * the client's body and in the last `Caused by` of the log. Where the original's is not known, our own sentence.
 */
export function apigeeErrorCause(fault: Fault): string {
  switch (fault.kind) {
    case 'tls-untrusted':
    case 'tls-failed':
    case 'client-certificate':
      return javaCause(fault).replace(/^[a-z]+(?:\.\w+)+: /, '')
    case 'response-eof':
      return 'eof unexpected'
    default:
      return fault.summary
  }
}

/** `error.class` of a trace; '' where the original's is not known. */
export function apigeeErrorClass(fault: Fault): string {
  const { status } = apigeeTable[fault.kind]
  return classes[status] ?? ''
}

const classes: Readonly<Record<number, string>> = {
  502: 'com.apigee.errors.http.server.BadGateway',
  503: 'com.apigee.errors.http.server.ServiceUnavailableException',
  504: 'com.apigee.errors.http.server.GatewayTimeout',
}
