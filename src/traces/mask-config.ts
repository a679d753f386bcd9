import { messageOf } from '../core/errors.ts'
import { type MaskSet, noMasks } from './mask.ts'
import { checkXPathCost, checkJsonPath } from './mask-body.ts'
import { checkXPath } from './xpath-library.ts'

/** I10: of one configuration, of each kind. */
const most = 200

/**
 * Edge's mask configuration bean (apigee-edge.md 1.8), as it was stored: with whatever a client has sent. What is no text is left
 * out.
 */
export function parseMaskConfig(bean: Readonly<Record<string, unknown>>): MaskSet {
  return {
    variables: textsOf(bean['variables']),
    jsonPathsRequest: textsOf(bean['jSONPathsRequest']),
    jsonPathsResponse: textsOf(bean['jSONPathsResponse']),
    jsonPathsFault: textsOf(bean['jSONPathsFault']),
    xPathsRequest: textsOf(bean['xPathsRequest']),
    xPathsResponse: textsOf(bean['xPathsResponse']),
    xPathsFault: textsOf(bean['xPathsFault']),
    namespaces: namespacesOf(bean['namespaces']),
  }
}

/** Both hold: of the organization, and of the API proxy. A prefix that both name is the proxy's. */
export function mergeMasks(sets: readonly MaskSet[]): MaskSet {
  return sets.reduce(
    (one, other) => ({
      variables: [...one.variables, ...other.variables],
      jsonPathsRequest: [...one.jsonPathsRequest, ...other.jsonPathsRequest],
      jsonPathsResponse: [...one.jsonPathsResponse, ...other.jsonPathsResponse],
      jsonPathsFault: [...one.jsonPathsFault, ...other.jsonPathsFault],
      xPathsRequest: [...one.xPathsRequest, ...other.xPathsRequest],
      xPathsResponse: [...one.xPathsResponse, ...other.xPathsResponse],
      xPathsFault: [...one.xPathsFault, ...other.xPathsFault],
      namespaces: { ...one.namespaces, ...other.namespaces },
    }),
    noMasks,
  )
}

/** Paths that do not work: bodies they are for are hidden whole. */
export function maskProblems(masks: MaskSet): readonly string[] {
  const json = [...masks.jsonPathsRequest, ...masks.jsonPathsResponse, ...masks.jsonPathsFault]
  const xml = [...masks.xPathsRequest, ...masks.xPathsResponse, ...masks.xPathsFault]
  return [
    ...json.flatMap((path) => problemOf('JSONPath', path, checkJsonPath)),
    ...xml.flatMap((path) => problemOf('XPath', path, (each) => checkWholeXPath(each, masks.namespaces))),
  ]
}

function checkWholeXPath(path: string, namespaces: Readonly<Record<string, string>>): void {
  checkXPathCost(path)
  checkXPath(path)
  const [, missing] =
    [...path.replace(/"[^"]*"|'[^']*'/g, '').matchAll(/([A-Za-z_][\w.-]*):(?!:)/g)].find(
      ([, prefix]) => prefix !== 'xml' && !Object.hasOwn(namespaces, prefix ?? ''),
    ) ?? []
  if (missing !== undefined) throw new SyntaxError(`no namespace has the prefix ${missing}`)
}

function problemOf(kind: string, path: string, check: (path: string) => void): readonly string[] {
  try {
    check(path)
    return []
  } catch (error) {
    return [`${kind} ${path.slice(0, 200)}: ${messageOf(error).slice(0, 200)}`]
  }
}

function textsOf(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  return list
    .filter((each): each is string => typeof each === 'string' && each.trim() !== '')
    .map((each) => each.trim())
    .slice(0, most)
}

function namespacesOf(value: unknown): Readonly<Record<string, string>> {
  const list: readonly unknown[] = Array.isArray(value) ? value : []
  const pairs = list.flatMap((each): [string, string][] => {
    if (typeof each !== 'object' || each === null) return []
    const { prefix, value: uri } = each as Readonly<Record<string, unknown>>
    return typeof prefix === 'string' && typeof uri === 'string' ? [[prefix, uri]] : []
  })
  return Object.fromEntries(pairs)
}
