import { setImmediate as breath } from 'node:timers/promises'
import type {
  ApiProxyBundle,
  BundleFiles,
  BundlePolicy,
  BundleProblem,
  BundleResource,
  SharedFlowBundle,
} from './bundle-types.ts'
import { stepsOf } from './bundle-flows.ts'
import {
  attributeOf,
  type BundleNotes,
  children,
  flagOf,
  placeOf,
  problem,
  type Reading,
  report,
  textOf,
} from './bundle-notes.ts'
import { readProxyEndpoint } from './bundle-proxy-endpoint.ts'
import { readTargetEndpoint } from './bundle-target-endpoint.ts'
import { readXml, type XmlElement } from './xml.ts'

/** Of all documents together: what is parsed is parsed on the main thread. (I10) */
const maxDocumentBytes = 4 * 1024 * 1024

/**
 * What a bundle's files say, as far as they can be read; anything may be missing, because revisions are made file by file.
 * Never throws: what is wrong is in `problems`, with file and line. `checkRunnable` says whether it can be run.
 */
export function readBundle(files: BundleFiles, kind: 'apiproxy'): ApiProxyBundle
export function readBundle(files: BundleFiles, kind: 'sharedflowbundle'): SharedFlowBundle
export function readBundle(files: BundleFiles, kind: 'apiproxy' | 'sharedflowbundle'): ApiProxyBundle | SharedFlowBundle
export function readBundle(
  files: BundleFiles,
  kind: 'apiproxy' | 'sharedflowbundle',
): ApiProxyBundle | SharedFlowBundle {
  const reading = readSteps(files, kind)
  for (;;) {
    const step = reading.next()
    if (step.done) return step.value
  }
}

/** The same; others have their turn between documents. Nobody may change `files` until it is done. */
export async function readBundleInTurns(
  files: BundleFiles,
  kind: 'apiproxy' | 'sharedflowbundle',
): Promise<ApiProxyBundle | SharedFlowBundle> {
  const reading = readSteps(files, kind)
  let began = performance.now()
  for (;;) {
    const step = reading.next()
    if (step.done) return step.value
    if (performance.now() - began < turnMs) continue
    await breath()
    began = performance.now()
  }
}

const turnMs = 20

/** A step for each document: parsing them is what takes the time. */
function* readSteps(
  files: BundleFiles,
  kind: 'apiproxy' | 'sharedflowbundle',
): Generator<void, ApiProxyBundle | SharedFlowBundle> {
  const notes: BundleNotes = { problems: [], unsupported: [] }
  const documents = yield* documentsOf(files, kind, notes)
  const policies = readPolicies(documents.in('policies'))
  const resources = resourcesOf(files, kind)
  const common = { policies, resources }
  if (kind === 'sharedflowbundle') {
    const sharedFlows = named(documents.in('sharedflows'), 'SharedFlow', readSharedFlow)
    const bundle = { kind, ...rootOf(documents.root, 'SharedFlowBundle'), ...common, sharedFlows }
    return { ...bundle, problems: inOrder(notes.problems), unsupported: inOrder(notes.unsupported) }
  }
  const proxyEndpoints = named(documents.in('proxies'), 'ProxyEndpoint', readProxyEndpoint)
  const targetEndpoints = named(documents.in('targets'), 'TargetEndpoint', readTargetEndpoint)
  const bundle = { kind, ...rootOf(documents.root, 'APIProxy'), ...common, proxyEndpoints, targetEndpoints }
  return { ...bundle, problems: inOrder(notes.problems), unsupported: inOrder(notes.unsupported) }
}

/** By file and line, as somebody reads them. */
export function inOrder(problems: readonly BundleProblem[]): readonly BundleProblem[] {
  const byFile = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return problems.toSorted((a, b) => byFile(a.file, b.file) || a.line - b.line || a.column - b.column)
}

interface Document {
  readonly reading: Reading
  /** `default` of `apiproxy/proxies/default.xml` */
  readonly baseName: string
  readonly root: XmlElement
}

interface Documents {
  /** XML files directly in the bundle's root folder. */
  readonly root: readonly Document[]
  in(folder: string): readonly Document[]
}

const folders: Readonly<Record<'apiproxy' | 'sharedflowbundle', readonly string[]>> = {
  apiproxy: ['policies', 'proxies', 'targets'],
  sharedflowbundle: ['policies', 'sharedflows'],
}

function* documentsOf(
  files: BundleFiles,
  kind: 'apiproxy' | 'sharedflowbundle',
  notes: BundleNotes,
): Generator<void, Documents> {
  const found = new Map<string, Document[]>()
  let budget = maxDocumentBytes
  for (const file of [...files.keys()].toSorted()) {
    const [root, ...rest] = file.split('/')
    const baseName = rest.at(-1) ?? ''
    const folder = rest.length === 1 ? '' : rest.length === 2 ? (rest[0] ?? '') : null
    if (root !== kind || folder === null || (folder !== '' && !folders[kind].includes(folder))) continue
    if (!/\.xml$/i.test(baseName)) {
      const message = `only files that end in .xml are read in ${kind}/${folder}`
      if (folder !== '') report(notes.problems, 'warning', 'file-not-read', { file, line: 1, column: 1 }, message)
      continue
    }
    const bytes = files.get(file) ?? new Uint8Array(0)
    budget -= bytes.length
    if (budget < 0) {
      const message = `the documents of the bundle have more than ${maxDocumentBytes} bytes; the rest is not read`
      report(notes.problems, 'error', 'xml-too-large', { file, line: 1, column: 1 }, message)
      break
    }
    yield
    const read = readXml(bytes)
    if (!read.ok) {
      report(notes.problems, 'error', read.code, { file, line: read.line, column: read.column }, read.message)
      continue
    }
    const document = { reading: { ...notes, file }, baseName: baseName.replace(/\.xml$/i, ''), root: read.root }
    const same = found.get(folder)
    if (same === undefined) found.set(folder, [document])
    else same.push(document)
  }
  return { root: found.get('') ?? [], in: (folder) => found.get(folder) ?? [] }
}

type RootFacts = Pick<ApiProxyBundle, 'name' | 'displayName' | 'description'>

/** The root document's lists of parts are not relied upon: what there is counts. */
function rootOf(documents: readonly Document[], element: 'APIProxy' | 'SharedFlowBundle'): RootFacts {
  const [first, ...others] = documents.filter(({ reading, root }) => {
    if (root.name === element) return true
    problem(reading, 'error', 'root-unexpected', root, `the document is a ${root.name}; ${element} belongs here`)
    return false
  })
  for (const { reading, root } of others) {
    const message = `${first?.reading.file ?? ''} is an ${element} as well; this one has no effect`
    problem(reading, 'error', 'root-duplicate', root, message)
  }
  if (first === undefined) return { name: '', displayName: '', description: '' }
  const part = (name: string): string => textOf(first.root.elements.find((child) => child.name === name) ?? null)
  return {
    name: attributeOf(first.root, 'name'),
    displayName: part('DisplayName'),
    description: part('Description'),
  }
}

/** Documents that a name makes known: the root's attribute, and without it the file's. */
function named<T>(
  documents: readonly Document[],
  element: string,
  read: (reading: Reading, root: XmlElement, name: string) => T,
): readonly T[] {
  const names = new Map<string, string>()
  return documents.flatMap(({ reading, root, baseName }) => {
    if (root.name !== element) {
      problem(reading, 'error', 'root-unexpected', root, `the document is a ${root.name}; ${element} belongs here`)
      return []
    }
    const name = attributeOf(root, 'name') || baseName
    const before = names.get(name)
    if (before !== undefined) {
      problem(reading, 'error', 'endpoint-duplicate', root, `${before} has the name ${name} as well`)
      return []
    }
    names.set(name, reading.file)
    return [read(reading, root, name)]
  })
}

function readPolicies(documents: readonly Document[]): readonly BundlePolicy[] {
  const names = new Map<string, string>()
  return documents.flatMap(({ reading, root, baseName }) => {
    const written = attributeOf(root, 'name')
    if (written === '') {
      const message = `the policy has no name; that of its file is taken: ${baseName}`
      problem(reading, 'warning', 'name-missing', root, message)
    }
    const name = written || baseName
    const before = names.get(name)
    if (before !== undefined) {
      problem(reading, 'error', 'policy-duplicate', root, `${before} is a policy with the name ${name} as well`)
      return []
    }
    names.set(name, reading.file)
    const enabled = root.attributes.get('enabled')
    const asElement = { ...root, name: 'enabled', text: enabled ?? '' }
    return [{ name, type: root.name, enabled: flagOf(reading, asElement, true), place: placeOf(reading, root) }]
  })
}

function readSharedFlow(reading: Reading, root: XmlElement, name: string): SharedFlowBundle['sharedFlows'][number] {
  const inner = children(reading, root, { many: ['Step'], idle: ['Description'] })
  return { name, steps: stepsOf(reading, inner), place: placeOf(reading, root) }
}

function resourcesOf(files: BundleFiles, kind: string): readonly BundleResource[] {
  const begin = `${kind}/resources/`
  return [...files.keys()].toSorted().flatMap((file) => {
    const [type = '', ...rest] = file.startsWith(begin) ? file.slice(begin.length).split('/') : []
    return rest.length === 0 || rest.at(-1) === '' ? [] : [{ type, name: rest.join('/') }]
  })
}
