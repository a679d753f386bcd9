import type { RolloverBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { type ApiCall, ApiError } from '../api.ts'
import { stamps } from '../edge/scope.ts'

/* A rollover as it is stored: found, moved on with a note of who did what, and bounded. */

/** I10. */
const maxNotes = 100
const maxKept = 100

export async function keep(
  tx: StateTransaction,
  call: ApiCall,
  place: string,
  { name, body }: StoredObject<'rollover'>,
  change: Partial<RolloverBody>,
  text: string,
): Promise<StoredObject<'rollover'>> {
  const notes = [...body.notes, noteOf(call, text)].slice(-maxNotes)
  await tx.put('rollover', place, name, {
    body: { ...body, ...stamps(call, call.services.clock, body), ...change, notes },
  })
  return mustGet(tx, place, name)
}

/** Those that are over, the oldest first, down to so many. */
export async function prune(
  tx: StateTransaction,
  place: string,
  all: readonly StoredObject<'rollover'>[],
): Promise<void> {
  const over = all
    .filter(({ body }) => !isOpen(body))
    .sort((one, other) => one.body.lastModifiedAt - other.body.lastModifiedAt)
  for (const { name } of over.slice(0, Math.max(0, over.length - maxKept))) await tx.delete('rollover', place, name)
}

export async function rolloverOf(
  view: StateView,
  place: string,
  { params }: ApiCall,
): Promise<StoredObject<'rollover'>> {
  const id = params['rollover'] ?? ''
  const found = await view.get('rollover', place, id)
  if (found !== null) return found
  throw new ApiError(404, 'rollover-unknown', `there is no rollover ${id} in ${place}`)
}

export async function mustGet(view: StateView, place: string, id: string): Promise<StoredObject<'rollover'>> {
  const found = await view.get('rollover', place, id)
  if (found === null) throw new TypeError(`rollover ${id} is not there after it was written`)
  return found
}

export const isOpen = ({ state }: RolloverBody): boolean => state === 'prepared' || state === 'switched'

export function expectState(body: RolloverBody, state: RolloverBody['state']): void {
  if (body.state !== state) throw wrongState(body)
}

export const wrongState = ({ state }: RolloverBody): ApiError =>
  new ApiError(409, 'rollover-state', `the rollover is ${state}`, { state })

export function noteOf(call: ApiCall, text: string): RolloverBody['notes'][number] {
  return { at: call.services.clock(), by: call.principal.user, text: text.slice(0, 2000) }
}
