import type { IncomingHttpHeaders } from 'node:http'
import { ApiError } from './api.ts'

/**
 * Browsers send the Basic credentials they remember with requests that other sites make, so a page elsewhere could change
 * things in its visitor's name. Such requests say where they come from; programs say nothing and are let through.
 * Fetch Metadata (W3C) where the browser sends it, else the Origin header (RFC 6454, section 7).
 */
export function refuseCrossSite(method: string, headers: IncomingHttpHeaders): void {
  if (method === 'GET' || method === 'HEAD') return
  const site = headers['sec-fetch-site']
  if (site !== undefined) {
    if (site === 'same-origin' || site === 'none') return
  } else {
    const origin = headers.origin
    if (origin === undefined || hostOf(origin) === headers.host?.toLowerCase()) return
  }
  throw new ApiError(403, 'cross-site', 'the request was made by a page of another site')
}

/** '' for `null` and for what is no origin: never equal to a Host. */
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host || null : null
}
