import { createRequire } from 'node:module'
import type { Document, Node } from '@xmldom/xmldom'

/*
 * XPath 1.0 over a document of xmldom. The library's own types bring those of a browser into every file of the project,
 * which is why it comes in without them.
 */

interface XPathLibrary {
  parse(expression: string): {
    /** A set of nodes, or a value. */
    evaluate(options: { readonly node: Document; readonly namespaces: Readonly<Record<string, string>> }): {
      readonly toUnsortedArray?: () => Node[]
    }
  }
}

const require = createRequire(import.meta.url)
const library = require('xpath') as XPathLibrary

/** In no order: to find it takes longer than to find the nodes. Throws where the expression is none of nodes. */
export function selectNodes(
  document: Document,
  expression: string,
  namespaces: Readonly<Record<string, string>>,
): readonly Node[] {
  const found = library.parse(expression).evaluate({ node: document, namespaces })
  if (found.toUnsortedArray === undefined) throw new SyntaxError('the expression has a value, and no nodes')
  return found.toUnsortedArray()
}

/** Throws where it cannot be read. */
export function checkXPath(expression: string): void {
  library.parse(expression)
}
