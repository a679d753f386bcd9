import { createRequire } from 'node:module'
import type { Document, Node } from '@xmldom/xmldom'

/*
 * XPath 1.0 over a document of xmldom. The library's own types bring those of a browser into every file of the project,
 * which is why it comes in without them.
 */

interface XPathLibrary {
  parse(expression: string): {
    select(options: { readonly node: Document; readonly namespaces: Readonly<Record<string, string>> }): Node[]
  }
}

const library = createRequire(import.meta.url)('xpath') as XPathLibrary

/** Throws where the expression cannot be read, or is no expression of nodes. */
export function selectNodes(
  document: Document,
  expression: string,
  namespaces: Readonly<Record<string, string>>,
): readonly Node[] {
  return library.parse(expression).select({ node: document, namespaces })
}

/** Throws where it cannot be read. */
export function checkXPath(expression: string): void {
  library.parse(expression)
}
