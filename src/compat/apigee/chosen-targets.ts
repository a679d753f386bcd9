import { isTemplate, parseTemplate } from '../../flow/template.ts'
import type { TargetPlan } from '../../proxy/plan.ts'
import type { SslInfo } from '../../state/kinds.ts'
import { find, newNotes, refuse } from './compile-notes.ts'
import { compileTargetEndpoint, type TargetQuestion } from './compile-target-endpoint.ts'
import type { CompileContext } from './ssl-info-plan.ts'
import { findStore, referencePrefix } from './state-lookups.ts'

/** Targets of a TargetEndpoint whose stores are named by flow variables: one for each choice there is. */
export interface ChosenTargets {
  /** Templates whose values choose. */
  readonly by: readonly string[]
  /** Target by the values, joined by a line feed. */
  readonly names: Readonly<Record<string, string>>
  readonly targets: readonly TargetPlan[]
}

/** (I10) */
const maxChoices = 64

/**
 * Trust is compiled, never made for a request: every store and reference of the environment that the variables can name is
 * a target of its own, and values that name none of them are a fault of the request. A choice that cannot be used, such as
 * a key store without the alias, is none.
 */
export function chosenTargets(context: CompileContext, question: TargetQuestion): ChosenTargets | null {
  const { notes } = context
  const { sslInfo } = question.connection
  if (sslInfo === null) throw new TypeError(`${question.name} has no SSLInfo to choose by`)
  const by = elements.flatMap((element) => {
    const text = asked(sslInfo, element) ? sslInfo[element] : null
    return text !== null && isTemplate(text) ? [{ element, text }] : []
  })
  const choices = combinations(context, sslInfo, by)
  if (choices === null || choices.length > maxChoices) {
    const message = `its stores are named by flow variables (${by.map(({ text }) => text).join(', ')}), which leave more than ${maxChoices} choices in this environment; fix a part of the name, as in {variable}-truststore`
    return refuse(notes, 'too-many-choices', question.object, message)
  }
  const targets = new Map<string, TargetPlan>()
  const names: Record<string, string> = {}
  for (const values of choices) {
    const chosen = Object.fromEntries(by.map(({ element }, index) => [element, values[index]]))
    const plan = compileChoice(context, question, { ...sslInfo, ...chosen })
    if (plan === 'refused') return null
    if (plan === null) continue
    targets.set(plan.name, targets.get(plan.name) ?? plan)
    names[values.join('\n')] = plan.name
  }
  if (targets.size === 0) {
    find(
      notes,
      'no-choices',
      'error',
      question.object,
      'its stores are named by flow variables, and no store fits them',
    )
  }
  return { by: by.map(({ text }) => text), names, targets: [...targets.values()] }
}

const elements = ['keyStore', 'keyAlias', 'trustStore'] as const
type Element = (typeof elements)[number]

const asked = (sslInfo: SslInfo, element: Element): boolean => element === 'trustStore' || sslInfo.clientAuthEnabled

/** Values for each of `by`, together; null where there are too many to be listed. */
function combinations(
  context: CompileContext,
  sslInfo: SslInfo,
  by: readonly { readonly element: Element; readonly text: string }[],
): readonly (readonly string[])[] | null {
  const { stores, references } = context.lookups.storeNames(context.home)
  const storeTexts = [...stores, ...references.map((name) => `${referencePrefix}${name}`)]
  let choices: readonly (readonly string[])[] = [[]]
  for (const { element, text } of by) {
    const fits = matcherOf(text)
    choices = choices.flatMap((values) => {
      const candidates = element === 'keyAlias' ? aliasNames(context, sslInfo, by, values) : storeTexts
      return candidates.filter(fits).map((candidate) => [...values, candidate])
    })
    if (choices.length > maxChoices * maxChoices) return null
  }
  return choices.filter((values) => usable(context, by, values))
}

/** Aliases of the key store, be it named or chosen before. */
function aliasNames(
  context: CompileContext,
  sslInfo: SslInfo,
  by: readonly { readonly element: Element }[],
  values: readonly string[],
): readonly string[] {
  const at = by.findIndex(({ element }) => element === 'keyStore')
  const text = at === -1 ? sslInfo.keyStore : (values[at] ?? null)
  if (text === null) return []
  const named = findStore(context.lookups, context.home, text)
  return named.found ? [...named.store.aliases.values()].flatMap(({ name, key }) => (key === null ? [] : [name])) : []
}

/** A store that only holds keys is no choice for trust, or every pair of two stores would be one. */
function usable(
  { lookups, home }: CompileContext,
  by: readonly { readonly element: Element }[],
  values: readonly string[],
): boolean {
  return by.every(({ element }, index) => {
    if (element === 'keyAlias') return true
    const named = findStore(lookups, home, values[index] ?? '')
    if (!named.found) return false
    const aliases = [...named.store.aliases.values()]
    return element === 'keyStore' ? aliases.some(({ key }) => key !== null) : aliases.some(({ key }) => key === null)
  })
}

/** Whether a template can have this value: the text between its variables is there, in order. */
function matcherOf(template: string): (value: string) => boolean {
  const { parts } = parseTemplate(template)
  return (value) => {
    let at = 0
    for (const [index, part] of parts.entries()) {
      if (typeof part !== 'string') continue
      const last = index === parts.length - 1
      const found = last ? value.length - part.length : value.indexOf(part, at)
      if (found < at || (index === 0 && found !== 0) || !value.startsWith(part, found)) return false
      at = found + part.length
    }
    return true
  }
}

/** @returns null: no choice; 'refused': the target itself cannot be, whatever is chosen */
function compileChoice(
  context: CompileContext,
  question: TargetQuestion,
  sslInfo: SslInfo,
): TargetPlan | null | 'refused' {
  const notes = newNotes()
  const place = elements
    .filter((element) => asked(sslInfo, element) && sslInfo[element] !== null)
    .map((element) => `${element}=${sslInfo[element]}`)
    .join(',')
  const plan = compileTargetEndpoint(
    { ...context, notes },
    {
      name: `${question.name}[${place}]`,
      object: `${question.object} with ${place}`,
      connection: { ...question.connection, sslInfo },
    },
  )
  const own = notes.problems.filter(({ code }) => !choiceProblems.has(code))
  context.notes.problems.push(...own)
  if (own.length > 0) return 'refused'
  if (plan === null) return null
  context.notes.findings.push(...notes.findings)
  return plan
}

const choiceProblems: ReadonlySet<string> = new Set(['key-alias-unknown', 'key-alias-unusable'])
