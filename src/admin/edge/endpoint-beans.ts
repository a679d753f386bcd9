import type {
  EndpointFlows,
  FaultRule,
  Flow,
  FlowStep,
  HttpTargetConnection,
  ProxyEndpoint,
  RouteRule,
  SharedFlowBundle,
  TargetEndpoint,
  BundlePolicy,
} from '../../compat/apigee/bundle-types.ts'
import { printCondition } from '../../flow/condition-print.ts'
import type { Condition } from '../../flow/condition-types.ts'
import { propertiesBean, type Bean } from './bean.ts'
import { sslInfoBean } from './ssl-info-bean.ts'

/** `GET R/proxies/{p}` (apigee-edge.md 1.7): names of XML elements with their first letter in lower case. */
export function proxyEndpointBean(end: ProxyEndpoint): Bean {
  return {
    connection: {
      basePath: end.basePath,
      connectionType: 'httpConnection',
      properties: propertiesBean(end.properties),
      virtualHost: end.virtualHosts,
    },
    connectionType: 'httpConnection',
    description: '',
    ...flowsBean(end),
    name: end.name,
    ...(end.postClientFlow === null ? {} : { postClientFlow: flowBean(end.postClientFlow, 'PostClientFlow') }),
    routeRule: end.routeRules.map(routeRuleBean),
    routeRuleNames: end.routeRules.map(({ name }) => name),
    type: 'Proxy',
  }
}

/** `GET R/targets/{t}` (apigee-edge.md 1.7). */
export function targetEndpointBean(end: TargetEndpoint): Bean {
  return {
    connection: connectionBean(end.connection),
    description: '',
    ...flowsBean(end),
    name: end.name,
    type: 'Target',
  }
}

export function sharedFlowBean(flow: SharedFlowBundle['sharedFlows'][number]): Bean {
  return { name: flow.name, children: flow.steps.map(stepBean) }
}

/** Edge gives every element of a policy; here it is what the gateway knows of all of them. The XML has the rest. */
export function policyBean(policy: BundlePolicy): Bean {
  return { enabled: policy.enabled, name: policy.name, policyType: policy.type }
}

function connectionBean(connection: TargetEndpoint['connection']): Bean {
  if (connection.kind === 'unsupported') {
    return { connectionType: connectionTypes[connection.element] ?? connection.element }
  }
  return {
    connectionType: 'httpConnection',
    ...(connection.loadBalancer === null ? {} : { loadBalancer: loadBalancerBean(connection.loadBalancer) }),
    ...(connection.path === '' ? {} : { path: connection.path }),
    properties: propertiesBean(connection.properties),
    ...(connection.sslInfo === null ? {} : { sSLInfo: sslInfoBean(connection.sslInfo) }),
    ...(connection.url === null ? {} : { uRL: connection.url }),
  }
}

/** As Edge names those that are no HTTP. */
const connectionTypes: Readonly<Record<string, string>> = {
  ScriptTarget: 'scriptConnection',
  HostedTarget: 'hostedTarget',
  LocalTargetConnection: 'localConnection',
}

function loadBalancerBean(balancer: NonNullable<HttpTargetConnection['loadBalancer']>): Bean {
  return {
    algorithm: balancer.algorithm,
    maxFailures: balancer.maxFailures,
    retryEnabled: balancer.retryEnabled,
    server: balancer.servers.map(({ name, weight, isEnabled, isFallback }) => ({
      isEnabled,
      isFallback,
      name,
      weight,
    })),
  }
}

function flowsBean(flows: EndpointFlows): Bean {
  return {
    ...(flows.defaultFaultRule === null
      ? {}
      : {
          defaultFaultRule: {
            ...faultRuleBean(flows.defaultFaultRule),
            alwaysEnforce: flows.defaultFaultRule.alwaysEnforce,
          },
        }),
    faultRules: flows.faultRules.map(faultRuleBean),
    flows: flows.flows.map((flow) => flowBean(flow, flow.name)),
    postFlow: flowBean(flows.postFlow, 'PostFlow'),
    preFlow: flowBean(flows.preFlow, 'PreFlow'),
  }
}

function flowBean(flow: Flow | null, name: string): Bean {
  return {
    ...conditionBean(flow?.condition ?? null),
    name,
    request: { children: flow?.request.map(stepBean) ?? [] },
    response: { children: flow?.response.map(stepBean) ?? [] },
  }
}

function faultRuleBean(rule: FaultRule): Bean {
  return { ...conditionBean(rule.condition), name: rule.name, children: rule.steps.map(stepBean) }
}

const stepBean = (step: FlowStep): Bean => ({ step: { ...conditionBean(step.condition), name: step.policy } })

function routeRuleBean({ name, condition, to }: RouteRule): Bean {
  return {
    ...conditionBean(condition),
    empty: to.kind === 'none',
    name,
    ...(to.kind === 'target' ? { targetEndpoint: to.name } : {}),
    ...(to.kind === 'url' ? { uRL: to.url } : {}),
  }
}

const conditionBean = (condition: Condition | null): Bean =>
  condition === null ? {} : { condition: printCondition(condition) }
