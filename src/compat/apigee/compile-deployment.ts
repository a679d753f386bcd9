import { isTemplate, parseTemplate } from '../../flow/template.ts'
import type { RouteDestination, RoutePlan, RouteRulePlan, TargetPlan } from '../../proxy/plan.ts'
import type { ApiProxyBundle, HttpTargetConnection, ProxyEndpoint, RouteRule } from './bundle-types.ts'
import { checkRunnable } from './bundle-runnable.ts'
import { chosenTargets } from './chosen-targets.ts'
import { find, refuse } from './compile-notes.ts'
import { compileTargetEndpoint, type TargetQuestion, urlConnection } from './compile-target-endpoint.ts'
import type { RuntimeDeployment } from './runtime-state.ts'
import type { CompileContext } from './ssl-info-plan.ts'
import { prefixOf } from './target-origins.ts'

/** What a deployment becomes, whatever its virtual hosts are. */
export interface CompiledDeployment {
  readonly targets: readonly TargetPlan[]
  readonly endpoints: readonly CompiledEndpoint[]
}

export interface CompiledEndpoint {
  readonly endpoint: ProxyEndpoint
  /** `org/env/api/rev/endpoint` */
  readonly key: string
  readonly basePath: string
  readonly route: RoutePlan
  /** Names of the targets it may lead to. */
  readonly targets: readonly string[]
}

export function compileDeployment(context: CompileContext, deployment: RuntimeDeployment): CompiledDeployment {
  const { bundle } = deployment
  const targets = new Map<string, TargetPlan>()
  const nameOf = distinctNames()
  const blocked = blockedBy(context, deployment)
  const endpoints = bundle.proxyEndpoints.map((endpoint): CompiledEndpoint => {
    const routes = new Routes(context, deployment, endpoint, targets, nameOf)
    const route = blocked ?? routes.compile()
    return {
      endpoint,
      key: `${prefixOf(deployment)}/${endpoint.name}`,
      basePath: joinPaths(deployment.basePath, endpoint.basePath),
      route,
      targets: targetsOf(route),
    }
  })
  return { targets: [...targets.values()], endpoints }
}

/** `acme/test/apis/orders/1` */
export function objectOf({ org, env, api, revision }: RuntimeDeployment): string {
  return `${org}/${env}/apis/${api}/${revision}`
}

/** What forbids to run a bundle: said, and with `answer-500` made its answer. The rest of what its reader says is findings. */
function blockedBy({ notes, settings }: CompileContext, deployment: RuntimeDeployment): RouteDestination | null {
  const object = objectOf(deployment)
  const answers = settings.apigee.unsupportedPolicies === 'answer-500'
  let first = ''
  for (const { code, severity, file, line, message } of checkRunnable(deployment.bundle)) {
    const text = `${file}:${line}: ${message}`
    if (severity !== 'error') find(notes, code, severity, object, text)
    else {
      first ||= text
      if (answers) find(notes, code, 'error', object, `${text}; every request to it is answered with 500`)
      else refuse(notes, code, object, text)
    }
  }
  return first === '' ? null : { kind: 'fault', summary: `${object} cannot be run: ${first}` }
}

type NameOf = (name: string, of: string) => string

/**
 * Rules of one endpoint may share a name or have none, and a target endpoint may be called as a rule's URL would be: each
 * way is a target of its own. `of`: what the name is wanted for.
 */
function distinctNames(): NameOf {
  const owners = new Map<string, string>()
  return (name, of) => {
    let distinct = name
    for (let count = 2; (owners.get(distinct) ?? of) !== of; count++) distinct = `${name}#${count}`
    owners.set(distinct, of)
    return distinct
  }
}

/** The route of one proxy endpoint; targets it leads to are compiled on the way, each once. */
class Routes {
  readonly #context: CompileContext
  readonly #deployment: RuntimeDeployment
  readonly #endpoint: ProxyEndpoint
  readonly #targets: Map<string, TargetPlan>
  readonly #nameOf: NameOf
  readonly #known = new Map<string, RouteDestination>()

  constructor(
    context: CompileContext,
    deployment: RuntimeDeployment,
    endpoint: ProxyEndpoint,
    targets: Map<string, TargetPlan>,
    nameOf: NameOf,
  ) {
    this.#context = context
    this.#deployment = deployment
    this.#endpoint = endpoint
    this.#targets = targets
    this.#nameOf = nameOf
  }

  /** Rules after one without a condition are never asked (apigee-edge.md 7.2). */
  compile(): RoutePlan {
    const { routeRules } = this.#endpoint
    const last = routeRules.findIndex(({ condition }) => condition === null)
    const used = last === -1 ? routeRules : routeRules.slice(0, last + 1)
    const rules = used.map((rule): RouteRulePlan => {
      return { name: rule.name, condition: rule.condition, to: this.#destination(rule) }
    })
    const [only] = rules
    if (only === undefined) return { kind: 'none' }
    return rules.length === 1 && only.condition === null ? only.to : { kind: 'rules', rules }
  }

  #destination({ name, to, place }: RouteRule): RouteDestination {
    if (to.kind === 'none') return to
    const prefix = prefixOf(this.#deployment)
    const object = objectOf(this.#deployment)
    if (to.kind === 'url') {
      const route = `${this.#endpoint.name}:${name}`
      return this.#target({
        name: this.#nameOf(`${prefix}/${route}`, `url ${to.url}`),
        object: `${object}, route ${route}`,
        connection: urlConnection(to.url, place),
      })
    }
    const target = targetNamed(this.#deployment.bundle, to.name)
    // checkRunnable has refused both.
    if (target === null) return { kind: 'fault', summary: `${object} has no target ${to.name}` }
    const { connection } = target
    if (connection.kind === 'unsupported') {
      return { kind: 'fault', summary: `${object}, target ${target.name}: ${connection.element} cannot be run` }
    }
    return this.#target({
      name: this.#nameOf(`${prefix}/${target.name}`, `target ${target.name}`),
      object: `${object}, target ${target.name}`,
      connection,
    })
  }

  #target(question: TargetQuestion): RouteDestination {
    const known = this.#known.get(question.name)
    if (known !== undefined) return known
    const made = namesVariables(question.connection) ? this.#chosen(question) : this.#single(question)
    this.#known.set(question.name, made)
    return made
  }

  #single(question: TargetQuestion): RouteDestination {
    const plan = this.#targets.get(question.name) ?? compileTargetEndpoint(this.#context, question)
    if (plan === null) return { kind: 'none' }
    this.#targets.set(plan.name, plan)
    return { kind: 'target', target: plan.name }
  }

  #chosen(question: TargetQuestion): RouteDestination {
    const chosen = chosenTargets(this.#context, question)
    if (chosen === null) return { kind: 'none' }
    for (const plan of chosen.targets) this.#targets.set(plan.name, plan)
    return { kind: 'chosen', by: chosen.by.map(parseTemplate), targets: chosen.names }
  }
}

/** Only an https URL has trust that could be chosen; servers of a LoadBalancer have their own. */
function namesVariables({ url, sslInfo }: HttpTargetConnection): boolean {
  if (url === null || sslInfo?.enabled !== true) return false
  const { trustStore, keyStore, keyAlias, clientAuthEnabled } = sslInfo
  const asked = clientAuthEnabled ? [trustStore, keyStore, keyAlias] : [trustStore]
  return asked.some((text) => text !== null && isTemplate(text))
}

function targetNamed(bundle: ApiProxyBundle, name: string): ApiProxyBundle['targetEndpoints'][number] | null {
  return bundle.targetEndpoints.find((target) => target.name === name) ?? null
}

function targetsOf(route: RoutePlan): readonly string[] {
  switch (route.kind) {
    case 'rules':
      return route.rules.flatMap(({ to }) => targetsOf(to))
    case 'target':
      return [route.target]
    case 'chosen':
      return Object.values(route.targets)
    case 'none':
    case 'fault':
      return []
    default:
      return route satisfies never
  }
}

/** `/` and `/orders`: `/orders`. */
function joinPaths(prefix: string, path: string): string {
  const joined = [prefix, path].map((each) => each.replace(/\/+$/, '')).join('')
  return joined === '' ? '/' : joined
}
