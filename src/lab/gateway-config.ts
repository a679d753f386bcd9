import { dirname } from 'node:path'
import { stringify } from 'yaml'
import type { FaultProfile } from '../faults/fault.ts'
import type { Lab, LabBackend } from './lab.ts'

export const faultProfiles = ['native', 'apigee', 'apim'] as const satisfies readonly FaultProfile[]

export interface LabConfigOptions {
  /** Port of the gateway's HTTP listener, on loopback. */
  readonly port: number
  readonly managementPort: number | null
  /** Where the lab's CA bundle was written; `labConfigFiles` belong beside it. */
  readonly trustFile: string
  readonly logs: readonly { readonly format: string; readonly file?: string }[]
  /** Further settings of every target's `tls`. */
  readonly tls?: Readonly<Record<string, unknown>>
}

/** A configuration for the lab: `/{profile}/{scenario}` for every backend, with timeouts short enough to watch. */
export function labConfig(lab: Lab, options: LabConfigOptions): string {
  const targets = lab.backends.map((backend) => [
    backend.scenario,
    {
      url: `https://${backend.host}:${backend.port}`,
      tls: { ...targetTls(backend, options.trustFile), ...options.tls },
      timeouts: { connect: '2s', handshake: '2s', firstByte: '3s' },
    },
  ])
  const proxies = faultProfiles.flatMap((faults) =>
    lab.backends.map(({ scenario }) => [
      `${faults}-${scenario}`,
      { basePath: `/${faults}/${scenario}`, target: scenario, faults },
    ]),
  )
  return stringify({
    organization: 'myorg',
    environment: 'test',
    listeners: [{ name: 'http', address: '127.0.0.1', port: options.port }],
    ...(options.managementPort === null ? {} : { management: { port: options.managementPort } }),
    trustStores: {
      lab: { sources: [{ file: options.trustFile }] },
      ...Object.fromEntries(lab.backends.filter(hasOwnStore).map((backend) => ownStore(backend, options.trustFile))),
    },
    crlStores: Object.fromEntries(
      lab.backends
        .filter(hasLists)
        .map((backend) => [storeName(backend), { sources: [{ inline: backend.target.crlsPem }] }]),
    ),
    targets: Object.fromEntries(targets),
    proxies: Object.fromEntries(proxies),
    logs: options.logs,
  })
}

/** Files that the configuration names, to be written beside the trust file: name to text. */
export function labConfigFiles(lab: Lab): Readonly<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const { scenario, target } of lab.backends) {
    if (target.clientIdentity === null) continue
    files[`${scenario}-client.crt`] = target.clientIdentity.certificatePem
    files[`${scenario}-client.key`] = target.clientIdentity.keyPem
  }
  return files
}

function targetTls(backend: LabBackend, trustFile: string): Record<string, unknown> {
  const { scenario, serverName, target } = backend
  const beside = (name: string) => `${dirname(trustFile)}/${name}`
  return {
    trust: [hasOwnStore(backend) ? storeName(backend) : 'lab'],
    serverName,
    ...target.settings,
    ...(hasLists(backend) ? { crls: [storeName(backend)] } : {}),
    ...(target.clientIdentity === null
      ? {}
      : {
          clientCertificate: {
            certificate: beside(`${scenario}-client.crt`),
            key: beside(`${scenario}-client.key`),
          },
        }),
  }
}

/** A backend whose fault takes more than the lab's root has a store of its own, so that no other backend is judged by it. */
function hasOwnStore({ target }: LabBackend): boolean {
  return target.furtherAnchorsPem !== '' || target.intermediatesPem !== ''
}

function hasLists({ target }: LabBackend): boolean {
  return target.crlsPem !== ''
}

function storeName({ scenario }: LabBackend): string {
  return `lab-${scenario}`
}

function ownStore(backend: LabBackend, trustFile: string): [string, unknown] {
  const { furtherAnchorsPem, intermediatesPem } = backend.target
  return [
    storeName(backend),
    {
      sources: [{ file: trustFile }, ...(furtherAnchorsPem === '' ? [] : [{ inline: furtherAnchorsPem }])],
      ...(intermediatesPem === '' ? {} : { intermediates: [{ inline: intermediatesPem }] }),
    },
  ]
}
