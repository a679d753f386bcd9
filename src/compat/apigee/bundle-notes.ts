import { parseCondition } from '../../flow/condition-parse.ts'
import type { Condition } from '../../flow/condition-types.ts'
import type { BundlePlace, BundleProblem } from './bundle-types.ts'
import type { XmlElement } from './xml.ts'

/** Where the reading of a bundle puts what it finds. */
export interface BundleNotes {
  /** What the bundle has wrong, wherever it is to run. */
  readonly problems: BundleProblem[]
  /** What Edge would take, and cannot be run here. */
  readonly unsupported: BundleProblem[]
}

/** Reading one document. */
export interface Reading extends BundleNotes {
  readonly file: string
}

/** A bundle of nothing but faults is refused all the same. (I10) */
const maxProblems = 1000

export function placeOf({ file }: Reading, { line, column }: XmlElement): BundlePlace {
  return { file, line, column }
}

export function report(
  list: BundleProblem[],
  severity: BundleProblem['severity'],
  code: string,
  { file, line, column }: BundlePlace,
  message: string,
  policy = '',
): void {
  if (list.length > maxProblems) return
  if (list.length === maxProblems) {
    const rest = `there are more than ${maxProblems} problems; the rest is not listed`
    list.push({ code: 'too-many-problems', severity: 'error', file, line, column, message: rest, policy: '' })
    return
  }
  list.push({ code, severity, file, line, column, message, policy })
}

export function problem(
  reading: Reading,
  severity: BundleProblem['severity'],
  code: string,
  element: XmlElement,
  message: string,
): void {
  report(reading.problems, severity, code, placeOf(reading, element), message)
}

export interface Shape {
  /** At most one; a second is an error, because what runs would depend on which of them counts. */
  readonly only?: readonly string[]
  /** One is enough; of several the last counts, as on Edge, and it is said. */
  readonly last?: readonly string[]
  readonly many?: readonly string[]
  /** Known, and of no meaning for what runs. */
  readonly idle?: readonly string[]
  /** Known to Edge, and not honoured here: said. */
  readonly ignored?: readonly string[]
}

export interface Children {
  one(name: string): XmlElement | null
  all(name: string): readonly XmlElement[]
}

const knownAttribute = /^(?:name|wildcardMatch|xmlns(?::.*)?|xsi:.*|xml:.*)$/

/** The elements of an element by name, in any order. What is not in the shape is reported. */
export function children(reading: Reading, parent: XmlElement, shape: Shape): Children {
  const { only = [], last = [], many = [], idle = [], ignored = [] } = shape
  const found = new Map<string, XmlElement[]>()
  for (const child of parent.elements) {
    const { name } = child
    const same = found.get(name)
    reportAttributes(reading, child)
    if (many.includes(name)) {
      if (same === undefined) found.set(name, [child])
      else same.push(child)
    } else if (only.includes(name) || last.includes(name)) {
      found.set(name, [child])
      if (same !== undefined) reportSecond(reading, parent, child, only.includes(name))
    } else if (ignored.includes(name)) {
      problem(reading, 'warning', 'element-not-honoured', child, `${name} in ${parent.name} has no effect here`)
    } else if (!idle.includes(name)) reportUnknown(reading, parent, child)
  }
  if (parent.text.trim() !== '') {
    const text = JSON.stringify(parent.text.trim().slice(0, 40))
    problem(reading, 'warning', 'text-unexpected', parent, `${parent.name} holds the text ${text}, which means nothing`)
  }
  return { one: (name) => found.get(name)?.at(-1) ?? null, all: (name) => found.get(name) ?? [] }
}

/** `<Server name="a" weight="3"/>` is published, and means nothing: weights are elements. */
function reportAttributes(reading: Reading, element: XmlElement): void {
  for (const attribute of element.attributes.keys()) {
    if (knownAttribute.test(attribute)) continue
    const message = `the attribute ${attribute} of ${element.name} is not known; it has no effect`
    problem(reading, 'warning', 'attribute-unknown', element, message)
  }
}

function reportSecond(reading: Reading, parent: XmlElement, child: XmlElement, refused: boolean): void {
  const { name } = child
  if (refused) problem(reading, 'error', 'element-duplicate', child, `${parent.name} has ${name} twice; leave one`)
  else problem(reading, 'warning', 'element-duplicate', child, `${parent.name} has ${name} twice; the last counts`)
}

function reportUnknown(reading: Reading, parent: XmlElement, child: XmlElement): void {
  if (child.name === 'Step') {
    const message = `a Step stands directly in ${parent.name}, where it would not be run; it belongs into Request or Response`
    problem(reading, 'error', 'step-misplaced', child, message)
    return
  }
  problem(
    reading,
    'warning',
    'element-unknown',
    child,
    `${child.name} is not known in ${parent.name}; it has no effect`,
  )
}

/** Trimmed; '' for an element that there is not. */
export function textOf(element: XmlElement | null): string {
  return element?.text.trim() ?? ''
}

export function attributeOf(element: XmlElement, name: string): string {
  return element.attributes.get(name)?.trim() ?? ''
}

/** `true` or `false` in any case; an element that is empty, or is not there, says nothing. */
export function flagOf<T>(reading: Reading, element: XmlElement | null, fallback: T): boolean | T {
  const text = textOf(element).toLowerCase()
  if (element === null || text === '') return fallback
  if (text === 'true' || text === 'false') return text === 'true'
  const written = JSON.stringify(textOf(element).slice(0, 80))
  problem(reading, 'error', 'value-malformed', element, `${element.name} is true or false, not ${written}`)
  return fallback
}

export function wholeOf<T>(
  reading: Reading,
  element: XmlElement | null,
  [min, max]: readonly [min: number, max: number],
  fallback: T,
): number | T {
  const text = textOf(element)
  if (element === null || text === '') return fallback
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1
  if (value >= min && value <= max) return value
  const message = `${element.name} is a whole number from ${min} to ${max}, not ${JSON.stringify(text.slice(0, 80))}`
  problem(reading, 'error', 'value-malformed', element, message)
  return fallback
}

/** null: none, and so none that could fail. One that cannot be read never holds, and is an error. */
export function conditionOf(reading: Reading, element: XmlElement | null): Condition | null {
  const text = textOf(element)
  if (element === null || text === '') return null
  const parsed = parseCondition(text)
  if (!parsed.ok) {
    const message = `the condition cannot be read, at its character ${parsed.offset + 1}: ${parsed.message}`
    problem(reading, 'error', 'condition-malformed', element, message)
    return { op: 'constant', value: false }
  }
  for (const { message } of parsed.warnings) problem(reading, 'warning', 'condition-ambiguous', element, message)
  return parsed.condition
}

/** `Properties/Property`, by name. */
export function propertiesOf(reading: Reading, element: XmlElement | null): Readonly<Record<string, string>> {
  if (element === null) return {}
  const properties = new Map<string, string>()
  for (const property of children(reading, element, { many: ['Property'] }).all('Property')) {
    const name = attributeOf(property, 'name')
    if (name === '') problem(reading, 'error', 'name-missing', property, 'a Property has no name')
    else if (properties.has(name)) {
      problem(reading, 'error', 'property-duplicate', property, `the property ${name} is there twice; leave one`)
    } else properties.set(name, textOf(property))
  }
  return Object.fromEntries(properties)
}
