import type { Fault } from './fault.ts'

/** TLS alert descriptions (RFC 8446 section 6, and the registry for the retired ones), by our evidence's spelling. */
const alertIds: Readonly<Record<string, number>> = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  no_certificate: 41,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  no_renegotiation: 100,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120,
}

export interface ReceivedAlert {
  readonly id: number
  /** As in the registry: `handshake_failure`; '' for a number outside of it. */
  readonly name: string
}

/** The alert the backend sent, from `evidence.alert` (its number or its name); null when it sent none. */
export function receivedAlert(fault: Fault): ReceivedAlert | null {
  const alert = fault.evidence['alert']
  if (typeof alert === 'number') return { id: alert, name: alertName(alert) }
  if (typeof alert !== 'string') return null
  // Runtimes write "handshake failure" or "handshake_failure".
  const name = alert.replaceAll(' ', '_')
  const id = alertIds[name]
  return id === undefined ? null : { id, name }
}

/** As in the registry; '' for a number outside of it. */
export function alertName(id: number): string {
  return Object.keys(alertIds).find((name) => alertIds[name] === id) ?? ''
}
