import type { CodeText } from './code-text.ts'

export const connectionTexts = {
  'dns-failure': {
    meaning:
      'The host name of the backend gave no address: it does not exist, the resolver said so for now only, or the resolver did not answer in time. No connection was tried. "Not found" is about the name, no answer is about the resolver.',
    elsewhere:
      'curl: "Could not resolve host" (6). NGINX: "host not found in upstream", and only at start unless a resolver is configured. Java and Edge: UnknownHostException. APIM: "Name or service not known". In Kubernetes the search list hides it: a short name that resolves in one namespace does not in another.',
    evidence: "The resolver's own code (ENOTFOUND, EAI_AGAIN, ETIMEOUT), the name asked for, the name servers asked.",
    fix: {
      network: 'Make the name resolve from the machine or pod of the gateway, or the resolver answer.',
      gateway: 'Correct the host of the target, or name the servers that know it in `dns.servers`.',
    },
    see: ['connect-timeout', 'connection-refused'],
    notInLab: null,
  },
  'connection-refused': {
    meaning:
      'The address answered that nobody listens on the port, at once. The host is up, so it is the service or the port. With `egress` it also stands for a proxy that cannot be reached or refused the tunnel; evidence then names the proxy and its status.',
    elsewhere:
      'curl: "Failed to connect ... Connection refused" (7). NGINX: "connect() failed (111: Connection refused)". Edge: 503 with `messaging.adaptors.http.flow.ServiceUnavailable`, as for every failed connection. A firewall that rejects looks the same as a service that is down.',
    evidence: 'ECONNREFUSED for every address tried; for a proxy its address and the status of its answer.',
    fix: {
      backend: 'Start the service, or let it listen on the address that clients use and not on loopback alone.',
      gateway: 'Correct the port or the host of the target.',
      network: 'Let the proxy or the firewall through.',
    },
    see: ['connect-timeout', 'not-tls'],
    notInLab: null,
  },
  'connect-timeout': {
    meaning:
      'The connection was not established within `timeouts.connect`. Packets are dropped on the way, the host is down, or its queue of connections is full. Nothing was said about TLS yet.',
    elsewhere:
      'curl: "Connection timed out" (28). NGINX: "upstream timed out (110) while connecting to upstream". Edge: 503 with `messaging.adaptors.http.flow.ServiceUnavailable`. Often taken for a slow backend, which is another fault: here not even TCP answered.',
    evidence: 'The addresses tried and the time spent on each; EHOSTUNREACH and ENETUNREACH count as well.',
    fix: {
      network: 'Look for firewall, security group, NetworkPolicy or route between gateway and backend.',
      backend: 'Look whether the host is up and accepts connections.',
      gateway: 'Correct the address of the target.',
    },
    see: ['connection-refused', 'handshake-timeout'],
    notInLab: null,
  },
  'connection-reset': {
    meaning:
      'The connection was reset before TLS began. Somebody accepted it and threw it away: a load balancer without a healthy member, a server that lets only certain addresses in, a process that restarts.',
    elsewhere:
      'curl: "Connection reset by peer" (35 or 56). Java: "Connection reset". NGINX: "recv() failed (104: Connection reset by peer)". Where the reset comes after our ClientHello the verdict is handshake-closed.',
    evidence: 'ECONNRESET, and how long the connection had been open.',
    fix: {
      backend: 'Look in the log of the server and of the load balancer before it at that second.',
      network: 'Look for a firewall that resets instead of rejecting.',
    },
    see: ['connection-refused', 'handshake-closed'],
    notInLab:
      'A reset has to arrive after the connection is established and before our ClientHello leaves; no server can time that.',
  },
} as const satisfies Record<string, CodeText>
