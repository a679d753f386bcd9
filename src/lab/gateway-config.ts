import { stringify } from 'yaml'
import type { FaultProfile } from '../faults/fault.ts'
import type { Lab } from './lab.ts'

export const faultProfiles = ['native', 'apigee', 'apim'] as const satisfies readonly FaultProfile[]

export interface LabConfigOptions {
  /** Port of the gateway's HTTP listener, on loopback. */
  readonly port: number
  readonly managementPort: number | null
  /** Where the lab's CA bundle was written. */
  readonly trustFile: string
  readonly logs: readonly { readonly format: string; readonly file?: string }[]
  /** Further settings of every target's `tls`. */
  readonly tls?: Readonly<Record<string, unknown>>
}

/** A configuration for the lab: `/{profile}/{scenario}` for every backend, with timeouts short enough to watch. */
export function labConfig(lab: Lab, options: LabConfigOptions): string {
  const targets = lab.backends.map(({ scenario, host, port, serverName }) => [
    scenario,
    {
      url: `https://${host}:${port}`,
      tls: { trust: ['lab'], serverName, ...options.tls },
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
    trustStores: { lab: { sources: [{ file: options.trustFile }] } },
    targets: Object.fromEntries(targets),
    proxies: Object.fromEntries(proxies),
    logs: options.logs,
  })
}
