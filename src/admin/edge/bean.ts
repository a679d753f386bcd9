import { ApiError, type ApiCall } from '../api.ts'
import { beanFromXml } from './xml-bean.ts'

/** A JSON object as a client sent it; unknown properties are ignored (apigee-edge.md 1.3, rule 14). */
export type Bean = Readonly<Record<string, unknown>>

/** The body as an object: JSON, or XML where the client says so. `root` is the element XML must have. */
export async function beanOf(call: ApiCall, root: string): Promise<Bean> {
  if (call.contentType.endsWith('/xml') || call.contentType.endsWith('+xml')) {
    return beanFromXml((await call.body()).toString('utf8'), root)
  }
  return objectOf(await call.json(), 'the request body')
}

export function objectOf(value: unknown, what: string): Bean {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Bean
  throw badValue(what, 'must be an object')
}

/** Text; numbers and booleans as JSON writes them. Missing and null are `fallback`. */
export function textOf(value: unknown, what: string, fallback = ''): string {
  if (value === undefined || value === null) return fallback
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw badValue(what, 'must be text')
}

/** As `textOf`, trimmed; empty is null. */
export function optionalText(value: unknown, what: string): string | null {
  return textOf(value, what).trim() || null
}

/** `true` or `"true"` (rule 3). Anything but the two words is refused: a misread switch may weaken trust. */
export function flagOf(value: unknown, what: string, fallback: boolean): boolean {
  if (value === undefined || value === null || value === '') return fallback
  if (typeof value === 'boolean') return value
  const word = typeof value === 'string' ? value.trim().toLowerCase() : ''
  if (word === 'true') return true
  if (word === 'false') return false
  throw badValue(what, 'must be true or false')
}

/** `8443` or `"8443"`; null where there is none. */
export function portOf(value: unknown, what: string): number | null {
  if (value === undefined || value === null || value === '') return null
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value.trim()) ? Number(value) : value
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535) return port
  throw badValue(what, 'must be a port, 1 to 65535')
}

/** An array, or missing for none. */
export function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw badValue(what, 'must be an array')
  if (value.length > maxItems) throw badValue(what, `has ${value.length} items, at most ${maxItems} are allowed`)
  return value
}

export function textsOf(value: unknown, what: string): readonly string[] {
  return listOf(value, what).map((item, index) => textOf(item, `${what}[${index}]`).trim())
}

/** `{"property":[{"name":"a","value":"b"}]}` to a record; Edge writes name and value lists so. */
export function propertiesOf(value: unknown, what: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  return pairsOf(objectOf(value, what)['property'], `${what}.property`)
}

export function pairsOf(value: unknown, what: string): Readonly<Record<string, string>> {
  const pairs = listOf(value, what).map((item, index): [string, string] => {
    const place = `${what}[${index}]`
    const pair = objectOf(item, place)
    const name = textOf(pair['name'], `${place}.name`)
    if (name === '') throw badValue(`${place}.name`, 'must not be empty')
    return [name, textOf(pair['value'], `${place}.value`)]
  })
  return Object.fromEntries(pairs)
}

export const propertiesBean = (properties: Readonly<Record<string, string>>): Bean => ({
  property: Object.entries(properties).map(([name, value]) => ({ name, value })),
})

export const badValue = (what: string, why: string): ApiError =>
  new ApiError(400, 'bad-value', `${what} ${why}`, { what })

/** Refuses a body that names another object than the path does. Clients may leave the name out. */
export function checkSameName(bean: Bean, name: string): void {
  const given = bean['name']
  if (given === undefined || given === null || given === '' || given === name) return
  throw badValue('name', `is ${JSON.stringify(given)} in the body and ${JSON.stringify(name)} in the path`)
}

const maxItems = 1000
