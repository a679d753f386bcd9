import { isIP } from 'node:net'
import type { Remedy } from './model.ts'
import { backendOf, type Case, configPath, hostPort, ownerMessage, remedy, whenSet } from './remedy-parts.ts'
import { onOneLine, shellWord } from './shell.ts'

/* Before TLS: there is no certificate to talk about, and no exception to make. */

type ConnectionCode = 'dns-failure' | 'connection-refused' | 'connect-timeout' | 'connection-reset'

export function connectionRemedies(the: Case, code: ConnectionCode): readonly Remedy[] {
  switch (code) {
    case 'dns-failure':
      return dnsRemedies(the)
    case 'connection-refused':
      return refusedRemedies(the)
    case 'connect-timeout':
      return timeoutRemedies(the)
    case 'connection-reset':
      return resetRemedies(the)
    default:
      return code satisfies never
  }
}

function dnsRemedies({ context }: Case): readonly Remedy[] {
  const { host, target } = context
  return [
    remedy('gateway', {
      party: 'network',
      action: `Ask for the name ${onOneLine(host)} from the machine of the gateway; no answer at all is the resolver, "not found" is the name.`,
      look: () => [`getent ahosts ${shellWord(host)}`, 'cat /etc/resolv.conf'],
    }),
    remedy('gateway', {
      action: `If the name is wrong, correct the address of ${backendOf(context)}; if another resolver knows it, name that one for the target.`,
      commands: () =>
        target === null
          ? []
          : whenSet(
              context,
              'DNS_SERVER',
              'address of the name server',
              configPath('targets', target.name, 'dns', 'servers'),
              '["$DNS_SERVER"]',
            ),
      risk: 'Whoever answers for the name decides where connections go; the certificate still decides whether a request does.',
    }),
  ]
}

function refusedRemedies(the: Case): readonly Remedy[] {
  const { context, verdict } = the
  const proxy = verdict.evidence['proxy']
  const status = verdict.evidence['proxyStatus']
  if (typeof proxy === 'string' && proxy !== '') {
    const said = typeof status === 'number' ? `answered ${status}` : 'cannot be reached'
    return [
      remedy('gateway', {
        party: 'network',
        action: `Look at the proxy ${onOneLine(proxy)} on the way to ${backendOf(context)}: it ${said}${status === 407 ? ' (it wants credentials: egress.user and egress.password)' : ''}.`,
        look: () => [
          `curl -v -o /dev/null --proxy ${shellWord(`http://${proxy}`)} ${shellWord(`https://${hostPort(context.host, context.port)}/`)}`,
        ],
      }),
    ]
  }
  return [
    remedy('backend-chain', {
      action: `Start what should listen on ${backendOf(context)}, or correct the port.`,
      look: () => [connectCommand(the)],
    }),
    ...addressRemedy(the),
    ownerMessage(the, 'Please tell us whether the service runs, and on which port.'),
  ]
}

function timeoutRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  return [
    remedy('gateway', {
      party: 'network',
      action: `Look for what drops packets between the gateway and ${backendOf(context)}: a firewall, a security group, a NetworkPolicy, a missing route; or the host is down.`,
      look: () => [connectCommand(the), `ip route get ${shellWord(addressOf(the))}`],
    }),
    ...addressRemedy(the),
    ownerMessage(the, 'Please tell us whether the host is up and lets our address through.'),
  ]
}

function resetRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  return [
    remedy('backend-chain', {
      action: `Look at ${backendOf(context)} at that second: a listener that closes at once is overloaded, restarting, or lets only certain addresses in.`,
      look: () => [connectCommand(the)],
    }),
    ownerMessage(
      the,
      'Please look in the log of the server and of any load balancer before it for connections from our address that were closed at once.',
    ),
  ]
}

function addressRemedy({ context }: Case): readonly Remedy[] {
  const { target } = context
  if (target === null) return []
  return [
    remedy('gateway', {
      action: `If the address is wrong, correct the URL of ${onOneLine(target.name)}; now it is ${onOneLine(target.url)}.`,
      commands: () => whenSet(context, 'URL', 'the right one', configPath('targets', target.name, 'url'), '$URL'),
    }),
  ]
}

function connectCommand({ context: { host, port } }: Case): string {
  return `timeout 5 bash -c ${shellWord('exec 3<>"/dev/tcp/$0/$1" && echo connected')} ${shellWord(host)} ${port}`
}

/** The address that was tried, where evidence has it: names are not routes. */
function addressOf({ context, verdict }: Case): string {
  const address = verdict.evidence['address']
  const tried = typeof address === 'string' ? address.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '') : ''
  return isIP(tried) === 0 ? context.host : tried
}
