import type { Stamps } from '../../state/kinds.ts'
import type { StateView, StoredObject } from '../../state/types.ts'
import { ApiError, type ApiCall } from '../api.ts'

/** Throws 404 where there is no such organization. @returns its scope, which is its name */
export async function requireOrganization(view: StateView, org: string): Promise<string> {
  await organizationOf(view, org)
  return org
}

export async function organizationOf(view: StateView, org: string): Promise<StoredObject<'organization'>> {
  const found = await view.get('organization', '', org)
  if (found !== null) return found
  throw new ApiError(404, 'organizations.OrganizationDoesNotExist', `Organization ${org} does not exist`, { org })
}

/** Throws 404 where the organization or the environment is unknown. @returns the scope of what is in it, `ORG/ENV` */
export async function requireEnvironment(view: StateView, org: string, env: string): Promise<string> {
  await environmentOf(view, org, env)
  return `${org}/${env}`
}

export async function environmentOf(view: StateView, org: string, env: string): Promise<StoredObject<'environment'>> {
  await requireOrganization(view, org)
  const found = await view.get('environment', org, env)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.EnvironmentDoesNotExist',
    `Environment ${env} does not exist in organization ${org}`,
    { org, env },
  )
}

/** Of the parameters of a route: `ORG/ENV` below an environment, else `ORG`. Both must exist. */
export async function scopeOf(view: StateView, params: Readonly<Record<string, string>>): Promise<string> {
  const org = params['org'] ?? ''
  const env = params['env']
  return env === undefined ? requireOrganization(view, org) : requireEnvironment(view, org, env)
}

/** What a name is of; decides which characters it may have. */
export type NameKind =
  | 'organization'
  | 'environment'
  | 'keystore'
  | 'alias'
  | 'reference'
  | 'target server'
  | 'virtual host'
  | 'API proxy'
  | 'shared flow'
  | 'key value map'
  | 'cache'
  | 'resource file'
  | 'mask configuration'
  | 'developer'
  | 'app'
  | 'API product'

/** Edge's characters (apigee-edge.md 1.3, rule 12). @returns the name @throws ApiError 400 `bad-name` */
export function checkName(kind: NameKind, name: unknown): string {
  if (typeof name !== 'string' || name === '') throw badName(kind, `${kind}: a name is needed`)
  const rule = rules[kind] ?? plain
  if (name.length > rule.length) {
    throw badName(kind, `${kind}: the name has ${name.length} characters, at most ${rule.length} are allowed`)
  }
  // A path segment of one or two dots would be resolved away by every HTTP client.
  if (!rule.pattern.test(name) || name === '.' || name === '..') {
    throw badName(kind, `${kind}: the name ${JSON.stringify(name)} has other characters than ${rule.said}`)
  }
  if (kind === 'environment' && reserved.has(name)) throw badName(kind, `environment: the name ${name} is reserved`)
  return name
}

/** The four stamps of a change by the caller; `previous` keeps when and by whom it was created. */
export function stamps(call: Pick<ApiCall, 'principal'>, clock: () => number, previous?: Stamps): Stamps {
  const at = clock()
  const by = call.principal.user
  return {
    createdAt: previous?.createdAt ?? at,
    createdBy: previous?.createdBy ?? by,
    lastModifiedAt: at,
    lastModifiedBy: by,
  }
}

/** The stamps alone, as Edge's beans carry them. */
export function stampsOf(body: Stamps): Stamps {
  return {
    createdAt: body.createdAt,
    createdBy: body.createdBy,
    lastModifiedAt: body.lastModifiedAt,
    lastModifiedBy: body.lastModifiedBy,
  }
}

interface NameRule {
  readonly pattern: RegExp
  readonly length: number
  readonly said: string
}

const plain: NameRule = { pattern: /^[A-Za-z0-9._-]+$/, length: 255, said: 'A-Z a-z 0-9 . _ -' }
const withSigns: NameRule = { pattern: /^[A-Za-z0-9._$%-]+$/, length: 255, said: 'A-Z a-z 0-9 . _ - $ %' }
/** Any printable text that can stand in one segment of a path. */
const printable: NameRule = {
  // oxlint-disable-next-line no-control-regex
  pattern: /^[^\s/\\\u0000-\u001f\u007f](?:[^/\\\u0000-\u001f\u007f]*[^\s/\\\u0000-\u001f\u007f])?$/,
  length: 255,
  said: 'printable ones; no / and \\, no space at its ends',
}

const rules: Readonly<Partial<Record<NameKind, NameRule>>> = {
  environment: withSigns,
  'virtual host': withSigns,
  alias: { ...printable, length: 128 },
  'key value map': printable,
  cache: printable,
  'resource file': printable,
  developer: printable,
  app: printable,
  'API product': printable,
}

/** Scopes of API proxies and shared flows are `ORG/apis/...` and `ORG/sharedflows/...`. */
const reserved: ReadonlySet<string> = new Set(['apis', 'sharedflows'])

const badName = (kind: NameKind, message: string): ApiError => new ApiError(400, 'bad-name', message, { kind })
