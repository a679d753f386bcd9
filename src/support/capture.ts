import { isOurs } from '../diagnosis/handshake-cause.ts'
import type { Probe } from '../diagnosis/types.ts'
import { type CapturedConnection, type Endpoint, pcapFile } from './pcap.ts'

/** The probe's handshake as a file for packet analysers; null where nothing was sent or received. */
export function captureFile(probe: Pick<Probe, 'address' | 'fault' | 'transcript'>): Buffer | null {
  const pieces = probe.transcript ?? []
  const backend = endpointOf(probe.address)
  if (pieces.length === 0 || backend === null) return null
  const address = backend.address.includes(':') ? '::1' : '127.0.0.1'
  return pcapFile({ gateway: { address, port: clientPort }, backend, pieces, ended: endedBy(probe) })
}

export const captureNote =
  'Bytes, order, times and end are those of the connection; link addresses, the own address and port, segments and acknowledgements are made up. No keys go with it.'

/** The first of those that are for clients (RFC 6335); the probe does not tell its own. */
const clientPort = 49_152

function endedBy({ fault }: Pick<Probe, 'fault'>): CapturedConnection['ended'] {
  if (fault === null) return { by: 'gateway', how: 'fin' }
  const { runtimeCode } = fault.evidence
  if (runtimeCode === 'ECONNRESET' && fault.verdict !== 'handshake-timeout') return { by: 'backend', how: 'rst' }
  if (fault.verdict === 'handshake-closed' && !isOurs(fault)) return { by: 'backend', how: 'fin' }
  return { by: 'gateway', how: 'fin' }
}

function endpointOf(text: string): Endpoint | null {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? []
  const address = six ?? four
  return address === undefined || port === undefined ? null : { address, port: Number(port) }
}
