import type { EndpointFlows, FaultRule, Flow, FlowStep } from './bundle-types.ts'
import {
  attributeOf,
  type Children,
  children,
  conditionOf,
  flagOf,
  placeOf,
  problem,
  type Reading,
  report,
  textOf,
} from './bundle-notes.ts'
import type { XmlElement } from './xml.ts'

/** Elements of an endpoint that `flowsOf` reads. */
export const flowElements = ['PreFlow', 'Flows', 'PostFlow', 'EventFlow', 'FaultRules', 'DefaultFaultRule'] as const

/** What proxy and target endpoints have alike (apigee-edge.md 7.1). */
export function flowsOf(reading: Reading, endpoint: Children): EndpointFlows {
  const flows = endpoint.one('Flows')
  const faultRules = endpoint.one('FaultRules')
  const fallback = endpoint.one('DefaultFaultRule')
  reportEventFlow(reading, endpoint.one('EventFlow'))
  return {
    preFlow: flowOf(reading, endpoint.one('PreFlow'), ''),
    flows:
      flows === null
        ? []
        : children(reading, flows, { many: ['Flow'] })
            .all('Flow')
            .map((flow) => readFlow(reading, flow, attributeOf(flow, 'name'))),
    postFlow: flowOf(reading, endpoint.one('PostFlow'), ''),
    faultRules:
      faultRules === null
        ? []
        : children(reading, faultRules, { many: ['FaultRule'] })
            .all('FaultRule')
            .map((rule) => readFaultRule(reading, rule)),
    defaultFaultRule: fallback === null ? null : readFaultRule(reading, fallback),
  }
}

/** Apigee X has it, for streams of events. With steps it is a flow whose steps would not be run. */
function reportEventFlow(reading: Reading, element: XmlElement | null): void {
  if (element?.elements.some((phase) => phase.elements.length > 0) !== true) return
  const message = 'the steps of an EventFlow cannot be run here'
  report(reading.unsupported, 'error', 'event-flow-not-supported', placeOf(reading, element), message)
}

export function flowOf(reading: Reading, element: XmlElement | null, name: string): Flow | null {
  return element === null ? null : readFlow(reading, element, name)
}

export function stepsOf(reading: Reading, parent: Children): readonly FlowStep[] {
  return parent.all('Step').flatMap((step) => readStep(reading, step))
}

function readFlow(reading: Reading, element: XmlElement, name: string): Flow {
  const inner = children(reading, element, {
    only: ['Condition'],
    many: ['Request', 'Response'],
    idle: ['Description'],
  })
  return {
    name,
    condition: conditionOf(reading, inner.one('Condition')),
    request: phase(reading, inner, 'Request'),
    response: phase(reading, inner, 'Response'),
    place: placeOf(reading, element),
  }
}

/** Written twice it is still one phase: no step of it may get lost. */
function phase(reading: Reading, flow: Children, name: 'Request' | 'Response'): readonly FlowStep[] {
  const all = flow.all(name)
  const [, second] = all
  if (second !== undefined) {
    problem(reading, 'error', 'element-duplicate', second, `a flow has ${name} twice; put the steps of both into one`)
  }
  return all.flatMap((element) => stepsOf(reading, children(reading, element, { many: ['Step'] })))
}

function readStep(reading: Reading, element: XmlElement): readonly FlowStep[] {
  // Edge's exports have it in every step, empty.
  const faultRules = element.elements.some(({ name, elements }) => name === 'FaultRules' && elements.length > 0)
  const inner = children(reading, element, {
    only: ['Name', 'Condition'],
    idle: faultRules ? ['Description'] : ['Description', 'FaultRules'],
    ignored: faultRules ? ['FaultRules'] : [],
  })
  const policy = textOf(inner.one('Name'))
  if (policy === '') {
    problem(reading, 'error', 'step-without-name', element, 'a Step names no policy')
    return []
  }
  return [{ policy, condition: conditionOf(reading, inner.one('Condition')), place: placeOf(reading, element) }]
}

function readFaultRule(reading: Reading, element: XmlElement): FaultRule {
  const inner = children(reading, element, {
    only: ['Condition', 'AlwaysEnforce'],
    many: ['Step'],
    idle: ['Description'],
  })
  return {
    name: attributeOf(element, 'name'),
    condition: conditionOf(reading, inner.one('Condition')),
    steps: stepsOf(reading, inner),
    alwaysEnforce: flagOf(reading, inner.one('AlwaysEnforce'), false),
    place: placeOf(reading, element),
  }
}
