import type { Fault } from '../faults/fault.ts'
import { compileCondition } from '../flow/condition-run.ts'
import type { Predicate, Template } from '../flow/condition-types.ts'
import { expandTemplate } from '../flow/template.ts'
import type { RequestVariables } from './flow-variables.ts'
import type { TargetRuntime } from './generation.ts'
import type { ProxyPlan, RouteDestination, RoutePlan } from './plan.ts'
import { recordedCondition, recordTemplate } from './recorded-condition.ts'
import type { Recording } from './recording.ts'

/** Where one request goes: to a target, nowhere (Edge's null route), or no further. */
export type Way =
  | { readonly kind: 'target'; readonly target: TargetRuntime }
  | { readonly kind: 'none' }
  | { readonly kind: 'fault'; readonly fault: Fault }

/** Says where a request goes; made once for a generation. Sets `route.name` and `route.target` on the way. */
export type Choose = (variables: RequestVariables, recording: Recording | null) => Way

export const noWay = { kind: 'none' } as const

/** Compiles a route that is more than one target. Throws where it names a target that is not there. */
export function buildRoute(proxy: ProxyPlan, targets: ReadonlyMap<string, TargetRuntime>): Choose {
  const { route } = proxy
  return route.kind === 'rules' ? inOrder(proxy, route, targets) : destination(proxy, route, targets)
}

/** The target that is meant; throws where it is not in the plan. */
export function targetOf(proxy: ProxyPlan, name: string, targets: ReadonlyMap<string, TargetRuntime>): TargetRuntime {
  const target = targets.get(name)
  if (target === undefined) throw new Error(`proxy "${proxy.key}" names target "${name}", which is not in the plan`)
  return target
}

/** The first rule that holds wins; what comes after is not looked at. */
function inOrder(
  proxy: ProxyPlan,
  { rules }: Extract<RoutePlan, { kind: 'rules' }>,
  targets: ReadonlyMap<string, TargetRuntime>,
): Choose {
  const compiled = rules.map(({ name, condition, to }) => ({
    name,
    condition,
    holds: condition === null ? always : compileCondition(condition),
    choose: destination(proxy, to, targets),
  }))
  const none = faultWay(
    'route-failed',
    rules.length === 0
      ? `proxy "${proxy.name}" has no route`
      : `none of the ${rules.length} route rules of proxy "${proxy.name}" holds for the request`,
  )
  return (variables, recording) => {
    for (const rule of compiled) {
      const holds = recording === null ? rule.holds(variables) : recordedCondition(recording, rule, variables)
      if (!holds) continue
      variables.routeName = rule.name
      return rule.choose(variables, recording)
    }
    return none
  }
}

const always: Predicate = () => true

function destination(proxy: ProxyPlan, to: RouteDestination, targets: ReadonlyMap<string, TargetRuntime>): Choose {
  switch (to.kind) {
    case 'target': {
      const way = { kind: 'target', target: targetOf(proxy, to.target, targets) } as const
      return (variables) => {
        variables.routeTarget = to.target
        return way
      }
    }
    case 'chosen':
      return chosen(proxy, to.by, to.targets, targets)
    case 'none':
      return () => noWay
    case 'fault': {
      const way = faultWay('step-not-supported', to.summary)
      return () => way
    }
    default:
      return to satisfies never
  }
}

/** Values come from the request and are looked up, never used as names: an unknown one leads nowhere (I1). */
function chosen(
  proxy: ProxyPlan,
  by: readonly Template[],
  names: Readonly<Record<string, string>>,
  targets: ReadonlyMap<string, TargetRuntime>,
): Choose {
  const ways = new Map(
    Object.entries(names).map(([value, name]) => [
      value,
      { kind: 'target', target: targetOf(proxy, name, targets) } as const,
    ]),
  )
  return (variables, recording) => {
    const values: string[] = []
    for (const template of by) {
      const value = expandTemplate(template, variables)
      if (recording !== null) recordTemplate(recording, template, variables)
      if (value === null) return unknownStore(proxy, `{${unset(template, variables)}} has no value`)
      values.push(value)
    }
    const way = ways.get(values.join('\n'))
    if (way === undefined) return unknownStore(proxy, `there is none for ${shown(values)}`)
    variables.routeTarget = way.target.plan.name
    return way
  }
}

function unset(template: Template, variables: RequestVariables): string {
  for (const part of template.parts) {
    if (typeof part !== 'string' && variables.get(part.variable) === null) return part.variable
  }
  return ''
}

/** As much of a client's values as helps whoever looks for a mistyped one. (I10) */
function shown(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value.slice(0, 64))).join(', ')
}

function unknownStore(proxy: ProxyPlan, why: string): Way {
  return faultWay('store-unknown', `proxy "${proxy.name}" names its stores by flow variables, and ${why}`)
}

function faultWay(kind: 'route-failed' | 'store-unknown' | 'step-not-supported', summary: string): Way {
  return { kind: 'fault', fault: { kind, verdict: null, party: 'gateway', summary, evidence: {} } }
}
