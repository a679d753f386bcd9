import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { badValue, beanOf, listOf, objectOf, textOf } from './bean.ts'
import { deleting, reading } from './crud.ts'

export interface Attribute {
  readonly name: string
  readonly value: string
}

/** Lists of names and values that developers, apps and API products carry; the later of two of one name wins. */
export function attributesOf(value: unknown, what = 'attributes'): readonly Attribute[] {
  const byName = new Map<string, string>()
  for (const [index, item] of listOf(value, what).entries()) {
    const attribute = objectOf(item, `${what}[${index}]`)
    const name = textOf(attribute['name'], `${what}[${index}].name`)
    if (name === '') throw badValue(`${what}[${index}].name`, 'must not be empty')
    byName.set(name, textOf(attribute['value'], `${what}[${index}].value`))
  }
  return [...byName].map(([name, attributeValue]) => ({ name, value: attributeValue }))
}

/** Reads and writes the attributes of the entity that a call's path names. */
export interface Attributed {
  read(view: StateView, call: ApiCall): Promise<readonly Attribute[]>
  keep(tx: StateTransaction, call: ApiCall, attributes: readonly Attribute[]): Promise<void>
}

/** `.../attributes` and `.../attributes/{name}` below `item`. */
export function attributeRoutes(item: string, of: Attributed): readonly ApiRoute[] {
  const collection = `${item}/attributes`
  const one = `${collection}/:attribute`
  return [
    reading(collection, async (view, call) => ({ attribute: await of.read(view, call) })),
    {
      method: 'POST',
      path: collection,
      role: 'operator',
      operation: 'UPDATE',
      async handle(call) {
        const attributes = attributesOf((await beanOf(call, 'Attributes'))['attribute'], 'attribute')
        return call.services.change(call, async (tx) => {
          await of.keep(tx, call, attributes)
          return json(200, { attribute: attributes })
        })
      },
    },
    reading(one, async (view, call) => named(await of.read(view, call), call)),
    {
      method: 'POST',
      path: one,
      role: 'operator',
      operation: 'UPDATE',
      async handle(call) {
        const name = call.params['attribute'] ?? ''
        const value = textOf((await beanOf(call, 'Attribute'))['value'], 'value')
        return call.services.change(call, async (tx) => {
          const others = (await of.read(tx, call)).filter((attribute) => attribute.name !== name)
          await of.keep(tx, call, attributesOf([...others, { name, value }]))
          return json(200, { name, value })
        })
      },
    },
    deleting(one, async (tx, call) => {
      const attributes = await of.read(tx, call)
      const gone = named(attributes, call)
      await of.keep(
        tx,
        call,
        attributes.filter((attribute) => attribute.name !== gone.name),
      )
      return gone
    }),
  ]
}

function named(attributes: readonly Attribute[], call: ApiCall): Attribute {
  const name = call.params['attribute'] ?? ''
  const found = attributes.find((attribute) => attribute.name === name)
  if (found !== undefined) return found
  throw new ApiError(404, 'organizations.keymanagement.AttributeDoesNotExist', `Attribute ${name} does not exist`)
}
