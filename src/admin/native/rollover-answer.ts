import { z } from 'zod'
import type { RolloverBody } from '../../state/kinds.ts'
import type { StoredObject } from '../../state/types.ts'
import { type ApiAnswer, json } from '../api.ts'
import { CertificateFacts, Time, Use } from './documents.ts'
import type { Survey } from './rollover-survey.ts'

/* What the steps of a rollover answer: what was found, and what is next. */

const Outcome = z.object({
  code: z.string(),
  summary: z.string(),
  anchor: CertificateFacts.nullable(),
  until: Time.nullable(),
})

const ServerProof = z.object({
  target: z.string(),
  server: z.string(),
  from: z.enum(['probe', 'traffic']).nullable().meta({ description: 'Where its chain was seen.' }),
  seen: z.string(),
  problem: z.string(),
  change: z.enum(['none', 'breaks', 'mends', 'moves', 'differs', 'unknown']),
  before: Outcome.nullable(),
  after: Outcome.nullable(),
  identity: z
    .object({
      alias: z.string(),
      acceptableIssuers: z.array(z.string()),
      code: z.string().meta({ description: 'What a probe with the new certificate came to; empty: there was none.' }),
      proved: z.boolean(),
      why: z.string(),
    })
    .nullable()
    .meta({ description: 'What it makes of the certificate of the new store; null: it is shown none of it.' }),
  proved: z.boolean().meta({
    description:
      'Its chain verifies under the new store, and it takes the certificate of that, as far as it is concerned.',
  }),
  why: z.string().meta({ description: 'One sentence, whatever came of it.' }),
})

export const RolloverFacts = z.object({
  id: z.string(),
  reference: z.string(),
  from: z.string(),
  to: z.string(),
  state: z.enum(['prepared', 'switched', 'finished', 'cancelled']),
  notes: z.array(z.object({ at: Time, by: z.string(), text: z.string() })),
  proof: z
    .object({ at: Time, servers: z.number(), failed: z.number() })
    .nullable()
    .meta({ description: 'What asking every server came to after the switch; null: not asked yet.' }),
  next: z.array(z.string()).meta({ description: 'What can be done now: `STEP: why`, or a condition of the steps.' }),
})

export const Rollover = RolloverFacts.extend({
  users: z.array(Use),
  servers: z.array(ServerProof),
  unasked: z
    .array(z.object({ user: z.string(), why: z.string() }))
    .meta({ description: 'Users that no server stands for: they are not proved, whatever the others are.' }),
  identities: z.array(z.object({ user: z.string(), alias: z.string(), fits: z.boolean(), why: z.string() })),
  refused: z.string().meta({ description: 'Why the new store could not be taken up at all; empty where it could.' }),
  ready: z.boolean().meta({ description: 'Everything that can be proved is. Without a server: false.' }),
}).meta({ id: 'Rollover' })

/** One line, for the notes of the rollover and for errors. */
export function proofText({ servers, refused, identities }: Survey): string {
  if (refused !== '') return refused
  const proved = servers.filter((server) => server.proved).length
  const lacking = identities.filter(({ fits }) => !fits)
  const names = servers.flatMap(({ target, server, why, proved: is }) => (is ? [] : [`${target} (${server}): ${why}`]))
  const count =
    servers.length === 0
      ? 'no server was asked, and that is no proof'
      : `${proved} of ${servers.length} servers verify under the new store`
  return [
    count,
    ...(names.length === 0 ? [] : [`not ${names.slice(0, 20).join(', ')}`]),
    ...lacking.slice(0, 20).map(({ user, why }) => `${user}: ${why}`),
  ].join('; ')
}

export function answered(status: number, rollover: StoredObject<'rollover'>, seen: Survey): ApiAnswer {
  return json(status, {
    ...factsOf(rollover, seen),
    users: seen.users,
    servers: seen.servers,
    unasked: seen.unasked,
    identities: seen.identities,
    refused: seen.refused,
    ready: seen.ready,
  })
}

export function factsOf({ name, body }: StoredObject<'rollover'>, seen: Survey | null): z.output<typeof RolloverFacts> {
  const { reference, from, to, state, notes, proof = null } = body
  return {
    id: name,
    reference,
    from,
    to,
    state,
    notes: notes.map(({ at, by, text }) => ({ at: new Date(at).toISOString(), by, text })),
    proof: proof === null ? null : { ...proof, at: new Date(proof.at).toISOString() },
    next: nextSteps(body, seen),
  }
}

/** Each begins with the step and a colon, or with `first:`. */
function nextSteps({ state, from, to, reference, proof = null }: RolloverBody, seen: Survey | null): string[] {
  if (state === 'prepared') {
    const go = `switch: every server is asked again, then ${reference} leads to ${to}`
    const back = 'cancel: nothing has changed yet'
    if (seen === null || seen.ready) return [go, back]
    const forced = 'switch with force and a reason: somebody answers for what is not proved'
    if (seen.refused === '' && seen.servers.length === 0 && seen.identities.every(({ fits }) => fits))
      return ['first: no server can be asked, which is no proof; look yourself', forced, back]
    return ['first: mend what is not proved', 'check: every server is asked again', forced, back]
  }
  if (state !== 'switched') return []
  const back = `cancel: ${reference} leads to ${from} again`
  if (proof === null) return ['prove: every server is asked under what is in force', back]
  if (proof.failed > 0) return ['first: mend what failed', 'prove: every server is asked again', back]
  if (proof.servers === 0) return [`finish with force and a reason: no server was asked, so ${from} is kept`, back]
  return [`finish: ${from} is deleted if nobody uses it and it holds no private key, else kept`, back]
}
