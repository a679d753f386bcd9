import { PosternError } from '../../core/errors.ts'
import type { StoredSample } from '../../monitor/query.ts'
import type { RecordedTransaction } from '../../observe/recording.ts'
import type { Collection } from '../../support/collection.ts'
import { recordOf, requestFromRecord, requestFromSample, requestFromTransaction } from '../../support/found-request.ts'
import type { FoundRequest } from '../../support/types.ts'
import { hiddenAs } from '../../traces/hidden-variables.ts'
import type { MaskSet } from '../../traces/mask.ts'
import { maskTransaction } from '../../traces/masking.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { otherOrganizations, type Place, proxiesHere } from './support-scope.ts'

/** What is known of a request before anything is masked. */
export interface KnownRequest {
  readonly sample: StoredSample | null
  /** As the debug sessions keep it: masked by theirs; one that shows credentials is masked again. */
  readonly transactions: readonly KnownTransaction[]
  /** It belongs to somebody else: nothing of it is told. */
  readonly isOthers: boolean
}

export interface KnownTransaction {
  readonly session: string
  readonly transaction: RecordedTransaction
  readonly masks: MaskSet
}

export async function knownRequest(
  { monitor, traces }: NativeGateway,
  id: string,
  { organization, environment }: Place,
  into: Collection,
): Promise<KnownRequest> {
  let found: StoredSample | null = null
  try {
    found = await monitor.find(id)
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    into.lack('the request as monitoring counted it', error.message)
  }
  const isHere = found?.key.organization === organization && found.key.environment === environment
  const all = traces.all()
  const recorded = all.flatMap(({ id: session, request, transactions }) =>
    transactions.flatMap((transaction) => (transaction.id === id ? [{ session, request, transaction }] : [])),
  )
  const here = recorded.filter(
    ({ request }) => request.organization === organization && request.environment === environment,
  )
  return {
    sample: isHere ? found : null,
    transactions: here.map(({ session, request, transaction }) => ({
      session,
      masks: request.masks,
      transaction: request.showCredentials
        ? maskTransaction(transaction, { masks: request.masks, showCredentials: false })
        : transaction,
    })),
    isOthers: (found !== null && !isHere) || (here.length === 0 && recorded.length > 0),
  }
}

/** As monitoring has it; else as a debug session has. Nothing of it is masked that was not before. */
export function requestFrom({ sample, transactions }: KnownRequest): FoundRequest | null {
  if (sample !== null) return requestFromSample(sample)
  const [first] = transactions
  return first === undefined ? null : requestFromTransaction(first.transaction)
}

/** Whether lines of a log that name a request, and nothing else, can be told to somebody of this organization. */
export const ownsAllLogs = (native: NativeGateway, { organization }: Place): boolean =>
  otherOrganizations(native, organization).length === 0

/**
 * A request that neither monitoring nor a session has, from its line in a native log. null: it is not said there whose it is.
 */
export function requestFromLog(
  native: NativeGateway,
  place: Place,
  id: string,
  lines: readonly string[],
): FoundRequest | null {
  for (const line of lines) {
    const record = recordOf(line)
    if (record?.['type'] !== 'access' || record['id'] !== id) continue
    const { proxy } = record
    const isOurs = proxiesHere(native, place).some(({ name }) => name === proxy)
    const isOthers = native.plan.proxies.some(
      ({ name, organization, environment }) =>
        name === proxy && (organization !== place.organization || environment !== place.environment),
    )
    if (!isOurs || isOthers) return null
    return requestFromRecord(record, id)
  }
  return null
}

/** The request with what is hidden in every transaction, and the values that were hidden because the organization says so. */
export function maskedRequest(
  request: FoundRequest,
  masks: MaskSet,
): { readonly request: FoundRequest; readonly hidden: readonly string[] } {
  const [method = '', uri = '', protocol = ''] = request.request.split(' ')
  const [, address = request.client] = /^\[?([^\]]+?)\]?(?::\d+)?$/.exec(request.client) ?? []
  const asked = { uri, address }
  const told = maskedParts(asked, masks)
  const plain = maskedParts(asked, { ...masks, variables: [] })
  const isAddressHidden = told.address !== address
  return {
    request: {
      ...request,
      request: [method, told.uri, protocol].join(' ').trimEnd(),
      client: isAddressHidden ? hiddenAs : request.client,
    },
    // Credentials are found by their names wherever they stand; these only here.
    hidden: [
      ...(isAddressHidden ? [address] : []),
      ...(told.uri === plain.uri ? [] : valuesOf(plain.uri).filter((value) => !told.uri.includes(value))),
    ],
  }
}

function maskedParts(asked: { readonly uri: string; readonly address: string }, masks: MaskSet) {
  const { uri, client } = maskTransaction(
    {
      id: '',
      sessions: [],
      context: null,
      worker: 0,
      startedAt: 0,
      totalMs: 0,
      listener: '',
      client: { address: asked.address, port: 0, protocol: '', tls: '' },
      method: '',
      uri: asked.uri,
      host: '',
      proxy: null,
      status: 0,
      requestBytes: 0,
      responseBytes: 0,
      backend: null,
      fault: null,
      steps: [],
      dropped: { steps: 0, bytes: 0 },
    },
    { masks, showCredentials: false },
  )
  return { uri, address: client.address }
}

/** The whole, its path, its query and each value: whichever of them is gone was hidden. */
function valuesOf(uri: string): readonly string[] {
  const [path = '', query = ''] = uri.split('?', 2)
  const values = query.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1))
  return [uri, path, query, ...values].filter((value) => value.length >= 3 && value !== hiddenAs)
}
