import type { AuditEntry } from '../state/types.ts'
import type { ApiRoute } from './api.ts'
import { pathForAudit, type RequestPath } from './request-path.ts'

export interface AuditedRequest {
  readonly at: number
  readonly method: string
  readonly path: RequestPath
  readonly user: string
  readonly from: string
  readonly route: ApiRoute | null
  readonly organization: string
  /** See AuditEntry; '' for none. */
  readonly detail?: string
}

/** What a request is called in the audit trail; '' where it has no entry. */
export function operationOf(route: Pick<ApiRoute, 'method' | 'operation'>): string {
  return route.operation ?? operations[route.method]
}

const operations: Readonly<Record<ApiRoute['method'], string>> = {
  GET: '',
  POST: 'CREATE',
  PUT: 'UPDATE',
  PATCH: 'UPDATE',
  DELETE: 'DELETE',
}

/** The status that is written with a change, in its transaction: the answer is made after that. */
export function successOf(route: ApiRoute): number {
  return route.success ?? (operationOf(route) === 'CREATE' ? 201 : 200)
}

export function auditEntry(request: AuditedRequest, operation: string, status: number): AuditEntry {
  return {
    at: request.at,
    user: request.user,
    from: request.from,
    operation,
    method: request.method,
    uri: pathForAudit(request.path),
    status,
    organization: request.organization,
    ...(request.detail === undefined || request.detail === '' ? {} : { detail: request.detail }),
  }
}
