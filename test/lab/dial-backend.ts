import type { Fault } from '../../src/faults/fault.ts'
import type { LabBackend, LabTarget } from '../../src/lab/lab.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { closed, dialOnce, serverPlan, tlsPlan } from '../dial/dial-once.ts'

type Dialable = Pick<LabBackend, 'host' | 'port' | 'serverName'> & { readonly target: LabTarget }

/** The TLS settings that a gateway's configuration would come to for this backend. */
export function planFor({ serverName, target }: Dialable, bundlePem: string): TargetTlsPlan {
  const { furtherAnchorsPem, intermediatesPem, crlsPem, clientIdentity, settings } = target
  const lists = crlsPem.split(/(?=-----BEGIN)/).filter((pem) => pem !== '')
  const pems = (text: string) =>
    text === '' ? [] : readBundle(Buffer.from(text), 'lab').certificates.map(({ pem }) => pem)
  return tlsPlan('', serverName, {
    anchors: pems(bundlePem + furtherAnchorsPem),
    intermediates: pems(intermediatesPem),
    verifyNames: settings.subjectAltNames ?? [serverName],
    revocation:
      settings.revocation === 'staple-required'
        ? { mode: 'staple-required' }
        : lists.length > 0
          ? { mode: 'crl', crls: lists }
          : { mode: 'off' },
    ...(settings.maxVersion === undefined ? {} : { maxVersion: settings.maxVersion }),
    ...(clientIdentity === null
      ? {}
      : { clientCertificate: { chain: clientIdentity.certificatePem, key: clientIdentity.keyPem } }),
  })
}

/** One dial as the data plane makes it, without a request. @returns null when the backend was verified */
export async function faultOfDial(backend: Dialable, bundlePem: string, handshakeMs = 1000): Promise<Fault | null> {
  const plan = serverPlan({ host: backend.host, port: backend.port, tls: planFor(backend, bundlePem) })
  const { dialed, fault } = await dialOnce({ ...plan, timeouts: { ...plan.timeouts, handshakeMs } })
  if (dialed !== null) await closed(dialed.socket)
  return fault
}
