import { randomBytes } from 'node:crypto'
import type { EntityBody, Stamps } from '../../state/kinds.ts'
import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, type ApiCall } from '../api.ts'
import type { Attribute } from './attributes.ts'
import { badValue, type Bean } from './bean.ts'
import { appScope, type Developer, developerOf } from './developers.ts'
import { stampsOf } from './scope.ts'

export interface Credential {
  readonly consumerKey: string
  readonly consumerSecret: string
  readonly apiProducts: readonly { readonly apiproduct: string; readonly status: string }[]
  readonly attributes: readonly Attribute[]
  /** Milliseconds since the epoch; -1: never. */
  readonly expiresAt: number
  readonly issuedAt: number
  readonly scopes: readonly string[]
  readonly status: string
}

/** What is kept of an app in clear; its credentials are the object's secret. */
export interface AppEntity extends Readonly<Record<string, unknown>> {
  readonly appId: string
  readonly attributes: readonly Attribute[]
  readonly callbackUrl: string
  readonly developerId: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly status: string
}

export interface App {
  /** `ORG/DEVELOPER-ID` */
  readonly scope: string
  readonly entity: AppEntity
  readonly stamps: Stamps
  readonly credentials: readonly Credential[]
}

/** The app that a call's path names. Throws 404 with Edge's words (apigee-edge.md 1.5). */
export async function appOf(view: StateView, call: ApiCall): Promise<App> {
  const developer = await developerOf(view, call)
  const name = call.params['app'] ?? ''
  const found = await view.get('app', appScope(developer), name)
  if (found !== null) return loadApp(view, found)
  throw appUnknown(name, developer.body.entity)
}

export async function loadApp(
  view: StateView,
  found: { readonly scope: string; readonly name: string; readonly body: EntityBody },
): Promise<App> {
  const { scope, name, body } = found
  const bytes = await view.secret('app', scope, name)
  return {
    scope,
    entity: body.entity as AppEntity,
    stamps: stampsOf(body),
    credentials: bytes === null ? [] : (JSON.parse(bytes.toString('utf8')) as Credential[]),
  }
}

export async function keepApp(tx: StateTransaction, app: App): Promise<void> {
  if (app.credentials.length > maxCredentials) {
    throw badValue('credentials', `would be ${app.credentials.length}, at most ${maxCredentials} are allowed`)
  }
  await tx.put('app', app.scope, app.entity.name, {
    body: { ...app.stamps, entity: app.entity },
    secret: Buffer.from(JSON.stringify(app.credentials)),
  })
}

/** Every app of the organization, in order of developer and name. */
export async function appsOf(view: StateView, org: string): Promise<readonly App[]> {
  const apps: App[] = []
  for (const found of await view.below('app', org)) apps.push(await loadApp(view, found))
  return apps
}

export const appBean = (app: App): Bean => ({
  accessType: '',
  apiProducts: [],
  appFamily: 'default',
  ...app.stamps,
  ...app.entity,
  credentials: app.credentials,
})

/** A credential with a key and a secret of our making, unless they are given. */
export function newCredential(
  now: number,
  given: Partial<Credential> & { readonly keyExpiresIn?: number } = {},
): Credential {
  const { keyExpiresIn = -1, ...rest } = given
  return {
    apiProducts: [],
    attributes: [],
    consumerKey: randomText(24),
    consumerSecret: randomText(12),
    expiresAt: keyExpiresIn > 0 ? now + keyExpiresIn : -1,
    issuedAt: now,
    scopes: [],
    status: 'approved',
    ...rest,
  }
}

function appUnknown(name: string, developer: Developer): ApiError {
  return new ApiError(
    404,
    'developer.service.AppDoesNotExist',
    `App named ${name} does not exist under ${developer.email}`,
  )
}

const randomText = (bytes: number): string => randomBytes(bytes).toString('base64url')

const maxCredentials = 1000
