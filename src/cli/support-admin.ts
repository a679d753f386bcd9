import { z } from 'zod'
import { codeOf, PosternError } from '../core/errors.ts'
import { type AdminPlace, authorizationFrom, callAdmin, downloadAdmin } from './admin-client.ts'
import type { SupportOptions } from './support.ts'

/** POST .../support of a running gateway. Throws `support-refused` with what it says. */
export async function bundleOfGateway(
  options: SupportOptions,
  admin: string,
  tokenVariable: string | undefined,
  signal: AbortSignal,
): Promise<Buffer> {
  const place = { admin, authorization: authorizationFrom(process.env, tokenVariable) }
  const { organization: _organization, environment: _environment, ...rest } = options
  const where = await configuredPlace(options, place, signal)
  const body = { type: 'application/json' as const, text: JSON.stringify(rest) }
  const path = `/api/organizations/${encodeURIComponent(where.organization)}/environments/${encodeURIComponent(where.environment)}/support`
  // It may take as long as the gateway gives it, and be on its way.
  const call = { method: 'POST' as const, path, body, refused: 'support-refused', timeout: 120_000 }
  return downloadAdmin(place, call, 'application/zip', signal)
}

const Configured = z.looseObject({ config: z.looseObject({ organization: z.string(), environment: z.string() }) })

/** What is not given is that of the configuration. Throws `usage` where it may not be read. */
export async function configuredPlace(
  { organization, environment }: Pick<SupportOptions, 'organization' | 'environment'>,
  place: AdminPlace,
  signal: AbortSignal,
): Promise<{ readonly organization: string; readonly environment: string }> {
  // Not even asked for: an operator of one organization may not read it.
  if (organization !== null && environment !== null) return { organization, environment }
  try {
    const call = { method: 'GET' as const, path: '/api/config?format=json', refused: 'support-refused' }
    const { config } = Configured.parse(await callAdmin(place, call, signal))
    return { organization: organization ?? config.organization, environment: environment ?? config.environment }
  } catch (error) {
    if (codeOf(error) !== 'not-allowed' && !(error instanceof z.ZodError)) throw error
    throw new PosternError('usage', '--org and --env are needed: this user may not read the configuration', {
      cause: error,
    })
  }
}
