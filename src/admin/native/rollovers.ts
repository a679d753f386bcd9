import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { RolloverBody } from '../../state/kinds.ts'
import type { StateTransaction, StoredObject } from '../../state/types.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import { stamps } from '../edge/scope.ts'
import { refuseIfUsed } from '../edge/usage.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { parseBody } from '../parse-body.ts'
import { answered, factsOf, proofText, Rollover, RolloverFacts } from './rollover-answer.ts'
import { askedServers } from './rollover-asked.ts'
import { takes } from './rollover-identity.ts'
import { expectState, isOpen, keep, mustGet, noteOf, prune, rolloverOf, wrongState } from './rollover-record.ts'
import { type Survey, survey } from './rollover-survey.ts'
import { placeOf } from './scope.ts'
import { storeUses } from './store-uses.ts'

const Name = z.string().min(1).max(255)
const Begin = z.strictObject({ reference: Name, to: Name.meta({ description: 'The store it is to lead to.' }) })
const forced = {
  force: z.boolean().default(false),
  reason: z.string().max(1000).default('').meta({ description: 'Needed with `force`; it is noted.' }),
}
const Switch = z.strictObject(forced)
const Finish = z.strictObject({
  ...forced,
  keepStore: z.boolean().default(false).meta({ description: 'Leave the old store where it is.' }),
  deleteStore: z.boolean().default(false).meta({
    description: 'Delete it also where it holds a private key, or the proof is forced; else it is kept then.',
  }),
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
    step(
      'check',
      'Ask every server again what it makes of the new store; nothing is changed',
      z.strictObject({}),
      (call) => check(gateway, call),
    ),
    step('switch', 'Let the reference lead to the new store, once every server is proved', Switch, (call) =>
      switchOver(gateway, call),
    ),
    step(
      'prove',
      'Connect to every server under what is in force, and keep what came of it',
      z.strictObject({}),
      (call) => prove(gateway, call),
    ),
    step(
      'finish',
      'End it, once the proof is good; the old store goes if nobody uses it and it holds no private key',
      Finish,
      (call) => finish(gateway, call),
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

async function check(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  await parseBody(call, z.strictObject({}))
  const rollover = await call.services.read((view) => rolloverOf(view, place, call))
  if (!isOpen(rollover.body)) throw wrongState(rollover.body)
  return answered(200, rollover, await surveyOf(gateway, place, rollover.body, true))
}

async function switchOver(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  const { force, reason } = await parseBody(call, Switch)
  needReason(force, reason)
  const { body } = await call.services.read((view) => rolloverOf(view, place, call))
  expectState(body, 'prepared')
  const seen = await surveyOf(gateway, place, body, true)
  if (!seen.ready && !force) {
    const servers = seen.servers.filter(({ proved }) => !proved)
    throw new ApiError(409, 'rollover-not-proved', `not switched: ${proofText(seen)}`, {
      refused: seen.refused,
      servers,
      unasked: seen.unasked,
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
  const failed = asked.flatMap(({ server, shows }, index) => {
    const diagnosis = seen[index]
    if (diagnosis === undefined) throw new TypeError(`no diagnosis of ${server.name}`)
    const { report, clientAuthentication } = gateway.recordCheck(server, diagnosis)
    const { verdict } = report
    const where = `${server.target} (${server.name})`
    if (verdict.code !== 'trusted') return [`${where} ${verdict.code}`]
    return shows === null || takes(verdict, clientAuthentication) ? [] : [`${where}: ${clientAuthentication.why}`]
  })
  // Of a target whose key is gone there is no server to ask, and it answers nobody.
  const { identities } = await surveyOf(gateway, place, before.body, false)
  const lacking = identities.flatMap(({ user, fits, why }) => (fits ? [] : [`${user}: ${why}`]))
  failed.push(...lacking)
  const all = asked.length + lacking.length
  const proof = { at: call.services.clock(), servers: all, failed: failed.length }
  const shown = failed.slice(0, 20).join(', ')
  const text =
    all === 0
      ? 'not proved: no server could be asked'
      : `proved: ${all - failed.length} of ${all} servers trusted${shown === '' ? '' : `; not ${shown}`}`
  const rollover = await call.services.change(call, async (tx) => {
    const now = await rolloverOf(tx, place, call)
    expectState(now.body, 'switched')
    return keep(tx, call, place, now, { proof }, text)
  })
  return answered(200, rollover, await surveyOf(gateway, place, rollover.body, false))
}

async function finish(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const place = placeOf(gateway.stored, call)
  const { keepStore, deleteStore, force, reason } = await parseBody(call, Finish)
  needReason(force, reason)
  if (keepStore && deleteStore) throw new ApiError(400, 'bad-body', 'keepStore and deleteStore are opposites')
  const rollover = await call.services.change(call, async (tx) => {
    const now = await rolloverOf(tx, place, call)
    expectState(now.body, 'switched')
    const { from } = now.body
    const lack = lackOfProof(now.body)
    if (lack !== '' && !force) throw new ApiError(409, 'rollover-not-proved', lack)
    const said = lack === '' ? 'finished' : `finished without proof (${lack}); forced: ${reason.trim()}`
    const end = (text: string): Promise<StoredObject<'rollover'>> =>
      keep(tx, call, place, now, { state: 'finished' }, `${said}; ${text}`)
    if (keepStore) return end(`${from} is kept`)
    const aliases = await tx.list('alias', `${place}/${from}`)
    const keys = aliases.filter(({ body }) => body.keyName !== null).map(({ name }) => name)
    if (!deleteStore && lack !== '') return end(`${from} is kept: nothing proves that it can go`)
    if (!deleteStore && keys.length > 0) {
      const shown = keys.slice(0, 5).join(', ')
      return end(`${from} is kept: it holds the private key of ${shown}${keys.length > 5 ? ' and others' : ''}`)
    }
    // By the text of what is deployed, and by what runs: the file of the configuration names stores, too.
    await refuseIfUsed(tx, place, { kind: 'keystore', name: from }, 'store-in-use')
    const users = storeUses(gateway).stores.get(`${place}/${from}`) ?? []
    if (users.length > 0) {
      const [first] = users
      throw new ApiError(409, 'store-in-use', `${from} is used by ${first?.kind} ${first?.name}`, { users })
    }
    await tx.deleteBelow('alias', `${place}/${from}`)
    await tx.delete('keystore', place, from)
    return end(
      `${from} is deleted${keys.length === 0 ? '' : `, the private key of ${keys.slice(0, 5).join(', ')} with it`}`,
    )
  })
  return answered(200, rollover, await surveyOf(gateway, place, rollover.body, false))
}

/** Why the old store may still be needed; '' where every server was asked and is content. */
function lackOfProof({ proof = null }: RolloverBody): string {
  if (proof === null) return 'nobody has asked the servers since the switch: prove first'
  if (proof.failed > 0) return `${proof.failed} of ${proof.servers} servers were not trusted: mend them and prove again`
  return proof.servers === 0 ? 'no server could be asked, which is no proof' : ''
}

function needReason(force: boolean, reason: string): void {
  if (force && reason.trim() === '') throw new ApiError(400, 'bad-body', 'force needs a reason')
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
