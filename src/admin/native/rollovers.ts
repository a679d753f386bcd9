import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { RolloverBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import { stamps } from '../edge/scope.ts'
import { refuseIfUsed } from '../edge/usage.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { parseBody } from '../parse-body.ts'
import { answered, factsOf, proofText, Rollover, RolloverFacts } from './rollover-answer.ts'
import { askedServers, type Survey, survey } from './rollover-survey.ts'
import { placeOf } from './scope.ts'
import { storeUses } from './store-uses.ts'

const Name = z.string().min(1).max(255)
const Begin = z.strictObject({ reference: Name, to: Name.meta({ description: 'The store it is to lead to.' }) })
const Switch = z.strictObject({
  force: z.boolean().default(false),
  reason: z.string().max(1000).default('').meta({ description: 'Needed with `force`; it is noted.' }),
})
const Finish = z.strictObject({
  keepStore: z.boolean().default(false).meta({ description: 'Leave the old store where it is.' }),
})

const collection = '/api/organizations/:org/environments/:env/rollovers'
const item = `${collection}/:rollover`
const conflict = { 409: 'The step does not follow from the state it is in, or something stands against it.' }

/** Trust moves from one store to another by a reference, step by step; every step says what was found and what is next. */
export function rolloverRoutes(gateway: NativeGateway): readonly ApiRoute[] {
  const step = (
    name: string,
    summary: string,
    body: z.ZodType,
    handle: (call: ApiCall) => Promise<ApiAnswer>,
  ): ApiRoute => ({
    method: 'POST',
    path: `${item}/${name}`,
    role: 'operator',
    operation: `ROLLOVER_${name.toUpperCase()}`,
    doc: { summary, body, answer: Rollover, errors: conflict },
    handle,
  })
  return [
    {
      method: 'GET',
      path: collection,
      role: 'viewer',
      doc: { summary: 'Rollovers, the newest first', answer: z.object({ rollovers: z.array(RolloverFacts) }) },
      async handle(call) {
        const place = placeOf(gateway.stored, call)
        const all = await call.services.read((view) => view.list('rollover', place))
        const newest = [...all].sort((one, other) => other.body.createdAt - one.body.createdAt)
        return json(200, { rollovers: newest.map((each) => factsOf(each, null)) })
      },
    },
    {
      method: 'POST',
      path: collection,
      role: 'operator',
      doc: {
        summary: 'Prepare: who uses the reference, and what the new store makes of each of its servers',
        body: Begin,
        answer: Rollover,
        errors: conflict,
      },
      handle: (call) => begin(gateway, call),
    },
    {
      method: 'GET',
      path: item,
      role: 'viewer',
      doc: { summary: 'One rollover, judged by what the servers have shown last', answer: Rollover },
      async handle(call) {
        const place = placeOf(gateway.stored, call)
        const rollover = await call.services.read((view) => rolloverOf(view, place, call))
        return answered(200, rollover, await surveyOf(gateway, place, rollover.body, false))
      },
    },
    step('switch', 'Let the reference lead to the new store, once every server is proved', Switch, (call) =>
      switchOver(gateway, call),
    ),
    step(
      'prove',
      'Connect to every server under the trust in force, and keep what came of it',
      z.strictObject({}),
      (call) => prove(gateway, call),
    ),
    step('finish', 'Delete the old store, once the proof is good and nobody uses it', Finish, (call) =>
      finish(gateway, call),
    ),
    step('cancel', 'Go back to the old store, or give up before the switch', z.strictObject({}), (call) =>
      cancel(gateway, call),
    ),
  ]
}

async function begin(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  const { reference, to } = await parseBody(call, Begin)
  const found = gateway.stored.references.get(`${place}/${reference}`)
  if (found === undefined)
    throw new ApiError(404, 'reference-unknown', `there is no reference ${reference} in ${place}`)
  const from = found.refers
  if (from === to) throw new ApiError(409, 'rollover-same', `reference ${reference} leads to ${to} already`)
  if (!gateway.stored.keystores.has(`${place}/${to}`)) {
    throw new ApiError(404, 'store-unknown', `there is no store ${to} in ${place}`)
  }
  const seen = await surveyOf(gateway, place, { reference, from, to }, true)
  const id = randomBytes(6).toString('hex')
  const rollover = await call.services.change(call, async (tx) => {
    const all = await tx.list('rollover', place)
    const open = all.find(({ body }) => body.reference === reference && isOpen(body))
    if (open !== undefined) {
      throw new ApiError(
        409,
        'rollover-open',
        `rollover ${open.name} of ${reference} is ${open.body.state}: finish or cancel it`,
      )
    }
    await prune(tx, place, all)
    const text = `prepared: ${proofText(seen)}`
    const body: RolloverBody = {
      ...stamps(call, call.services.clock),
      reference,
      from,
      to,
      state: 'prepared',
      notes: [noteOf(call, text)],
      proof: null,
    }
    await tx.put('rollover', place, id, { body })
    return mustGet(tx, place, id)
  })
  return answered(201, rollover, seen)
}

async function switchOver(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  const { force, reason } = await parseBody(call, Switch)
  if (force && reason.trim() === '') throw new ApiError(400, 'bad-body', 'force needs a reason')
  const { body } = await call.services.read((view) => rolloverOf(view, place, call))
  expectState(body, 'prepared')
  const seen = await surveyOf(gateway, place, body, true)
  if (!seen.ready && !force) {
    const servers = seen.servers.filter(({ proved }) => !proved)
    throw new ApiError(409, 'rollover-not-proved', `not switched: ${proofText(seen)}`, {
      refused: seen.refused,
      servers,
      identities: seen.identities.filter(({ fits }) => !fits),
    })
  }
  const text = `switched to ${body.to}: ${proofText(seen)}${seen.ready ? '' : `; forced: ${reason.trim()}`}`
  const rollover = await call.services.change(call, async (tx) => {
    const now = await rolloverOf(tx, place, call)
    expectState(now.body, 'prepared')
    await repoint(tx, call, place, now.body.reference, now.body.from, now.body.to)
    return keep(tx, call, place, now, { state: 'switched', proof: null }, text)
  })
  return answered(200, rollover, seen)
}

async function prove(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  await parseBody(call, z.strictObject({}))
  const before = await call.services.read((view) => rolloverOf(view, place, call))
  expectState(before.body, 'switched')
  const asked = askedServers(gateway, place, before.body.reference)
  const seen = await gateway.probe(asked)
  const failed = asked.flatMap(({ server }, index) => {
    const diagnosis = seen[index]
    if (diagnosis === undefined) throw new TypeError(`no diagnosis of ${server.name}`)
    const { verdict } = gateway.recordCheck(server, diagnosis).report
    return verdict.code === 'trusted' ? [] : [`${server.target} (${server.name}) ${verdict.code}`]
  })
  const proof = { at: call.services.clock(), servers: asked.length, failed: failed.length }
  const shown = failed.slice(0, 20).join(', ')
  const text = `proved: ${asked.length - failed.length} of ${asked.length} servers trusted${shown === '' ? '' : `; not ${shown}`}`
  const rollover = await call.services.change(call, async (tx) => {
    const now = await rolloverOf(tx, place, call)
    expectState(now.body, 'switched')
    return keep(tx, call, place, now, { proof }, text)
  })
  return answered(200, rollover, await surveyOf(gateway, place, rollover.body, false))
}

async function finish(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  const { keepStore } = await parseBody(call, Finish)
  const rollover = await call.services.change(call, async (tx) => {
    const now = await rolloverOf(tx, place, call)
    expectState(now.body, 'switched')
    const { from, proof = null } = now.body
    if (proof === null)
      throw new ApiError(409, 'rollover-not-proved', 'nobody has asked the servers since the switch: prove first')
    if (proof.failed > 0) {
      throw new ApiError(
        409,
        'rollover-not-proved',
        `${proof.failed} of ${proof.servers} servers were not trusted: mend them and prove again`,
      )
    }
    if (keepStore) return keep(tx, call, place, now, { state: 'finished' }, `finished; ${from} is kept`)
    // By the text of what is deployed, and by what runs: the file of the configuration names stores, too.
    await refuseIfUsed(tx, place, { kind: 'keystore', name: from }, 'store-in-use')
    const users = storeUses(gateway).stores.get(`${place}/${from}`) ?? []
    if (users.length > 0) {
      const [first] = users
      throw new ApiError(409, 'store-in-use', `${from} is used by ${first?.kind} ${first?.name}`, { users })
    }
    await tx.deleteBelow('alias', `${place}/${from}`)
    await tx.delete('keystore', place, from)
    return keep(tx, call, place, now, { state: 'finished' }, `finished; ${from} is deleted`)
  })
  return answered(200, rollover, await surveyOf(gateway, place, rollover.body, false))
}

async function cancel(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  await parseBody(call, z.strictObject({}))
  const rollover = await call.services.change(call, async (tx) => {
    const now = await rolloverOf(tx, place, call)
    const { state, reference, from, to } = now.body
    if (!isOpen(now.body)) throw wrongState(now.body)
    if (state === 'switched') await repoint(tx, call, place, reference, to, from)
    const text = state === 'switched' ? `cancelled: ${reference} leads to ${from} again` : 'cancelled'
    return keep(tx, call, place, now, { state: 'cancelled' }, text)
  })
  return answered(200, rollover, await surveyOf(gateway, place, rollover.body, false))
}

/** Throws 409 where somebody else has moved it meanwhile, or the store is gone. */
async function repoint(
  tx: StateTransaction,
  call: ApiCall,
  place: string,
  name: string,
  from: string,
  to: string,
): Promise<void> {
  const reference = await tx.get('reference', place, name)
  if (reference === null) throw new ApiError(409, 'reference-unknown', `reference ${name} is gone`)
  if (reference.body.refers !== from) {
    throw new ApiError(409, 'reference-moved', `reference ${name} leads to ${reference.body.refers}, not to ${from}`)
  }
  if ((await tx.get('keystore', place, to)) === null) throw new ApiError(409, 'store-unknown', `store ${to} is gone`)
  const body = { ...reference.body, ...stamps(call, call.services.clock, reference.body), refers: to }
  await tx.put('reference', place, name, { body })
}

/** I10. */
const maxNotes = 100
const maxKept = 100

async function keep(
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
async function prune(tx: StateTransaction, place: string, all: readonly StoredObject<'rollover'>[]): Promise<void> {
  const over = all
    .filter(({ body }) => !isOpen(body))
    .sort((one, other) => one.body.lastModifiedAt - other.body.lastModifiedAt)
  for (const { name } of over.slice(0, Math.max(0, over.length - maxKept))) await tx.delete('rollover', place, name)
}

async function rolloverOf(view: StateView, place: string, { params }: ApiCall): Promise<StoredObject<'rollover'>> {
  const id = params['rollover'] ?? ''
  const found = await view.get('rollover', place, id)
  if (found !== null) return found
  throw new ApiError(404, 'rollover-unknown', `there is no rollover ${id} in ${place}`)
}

async function mustGet(view: StateView, place: string, id: string): Promise<StoredObject<'rollover'>> {
  const found = await view.get('rollover', place, id)
  if (found === null) throw new TypeError(`rollover ${id} is not there after it was written`)
  return found
}

function surveyOf(
  gateway: NativeGateway,
  place: string,
  { reference, from, to }: Pick<RolloverBody, 'reference' | 'from' | 'to'>,
  probe: boolean,
): Promise<Survey> {
  const { keystores } = gateway.stored
  return survey(gateway, {
    place,
    reference,
    from: keystores.get(`${place}/${from}`) ?? null,
    to: keystores.get(`${place}/${to}`) ?? null,
    probe,
  })
}

const isOpen = ({ state }: RolloverBody): boolean => state === 'prepared' || state === 'switched'

function expectState(body: RolloverBody, state: RolloverBody['state']): void {
  if (body.state !== state) throw wrongState(body)
}

const wrongState = ({ state }: RolloverBody): ApiError =>
  new ApiError(409, 'rollover-state', `the rollover is ${state}`, { state })

function noteOf(call: ApiCall, text: string): RolloverBody['notes'][number] {
  return { at: call.services.clock(), by: call.principal.user, text: text.slice(0, 2000) }
}
