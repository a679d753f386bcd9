import { parseXml, XmlElement, XmlText } from '@rgrove/parse-xml'
import { messageOf } from '../../core/errors.ts'
import { ApiError } from '../api.ts'

/**
 * An XML body of Edge's as the JSON it stands for: names with their first letter in lower case, lists by their
 * container (apigee-edge.md 1.3, rule 2). The parser resolves no entities but the five of XML itself.
 */
export function beanFromXml(text: string, root: string): Readonly<Record<string, unknown>> {
  const element = rootOf(text)
  if (element.name !== root) throw badXml(`the root element is ${element.name}, it must be ${root}`)
  const bean = objectOf(element, 0)
  const name = element.attributes['name']
  return name === undefined ? bean : { name, ...bean }
}

/** Containers of which the children are a list. */
const lists = /^(?:HostAliases|Interfaces|Ciphers|Protocols|Namespaces|Variables|(?:XPaths|JSONPaths)[A-Z][a-z]+)$/

/** No bean nests deeper than four. */
const maxDepth = 16

function rootOf(text: string): XmlElement {
  try {
    const { root } = parseXml(text)
    if (root !== null) return root
  } catch (error) {
    throw badXml(messageOf(error).split('\n', 1)[0] as string, error)
  }
  throw badXml('there is no root element')
}

function objectOf(element: XmlElement, depth: number): Record<string, unknown> {
  if (depth > maxDepth) throw badXml(`elements nest deeper than ${maxDepth}`)
  // Not by assignment: an element may be called __proto__.
  return Object.fromEntries(
    elementsOf(element).map((child): [string, unknown] => [beanName(child.name), valueOf(child, depth + 1)]),
  )
}

function valueOf(element: XmlElement, depth: number): unknown {
  if (lists.test(element.name)) return elementsOf(element).map((child) => valueOf(child, depth + 1))
  if (element.name === 'Properties') {
    return { property: elementsOf(element).map((child) => ({ name: child.attributes['name'], value: textOf(child) })) }
  }
  if (elementsOf(element).length > 0) return objectOf(element, depth)
  if (Object.keys(element.attributes).length > 0) return { ...element.attributes, value: textOf(element) }
  return textOf(element)
}

const beanName = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

const elementsOf = (element: XmlElement): readonly XmlElement[] =>
  element.children.filter((child) => child instanceof XmlElement)

/** Of the element itself: comments and elements within are no part of a value. */
const textOf = (element: XmlElement): string =>
  element.children
    .filter((child) => child instanceof XmlText)
    .map((child) => child.text)
    .join('')
    .trim()

const badXml = (why: string, cause?: unknown): ApiError =>
  new ApiError(400, 'bad-xml', `the request body is not the XML that is expected: ${why}`, {}, cause)
