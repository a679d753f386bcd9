/** Methods that OpenTelemetry's conventions know: RFC 9110 section 9, and PATCH (RFC 5789). Any other is `_OTHER` there. */
export const knownMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
])
