import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type NewFile, writeNewFiles } from '../pki/files.ts'
import type { Lab, LabBackend } from './lab.ts'

/** What a gateway needs to trust the lab, and what mends its scenarios. Replaced at each start: a lab's PKI lives as long as it. */
export async function writeLabFiles(directory: string, lab: Lab): Promise<void> {
  await mkdir(directory, { recursive: true })
  const selfSigned = lab.backends.find(({ scenario }) => scenario === 'self-signed')?.servedPem
  const files: NewFile[] = [
    { path: 'ca.crt', text: lab.trust.bundlePem },
    { path: 'elsewhere-root.crt', text: lab.mends.elsewhereRootPem },
    { path: 'issuing-ca.crt', text: lab.mends.issuingPem },
    ...(selfSigned ? [{ path: 'self-signed.crt', text: selfSigned }] : []),
    { path: 'client.crt', text: lab.clientIdentity.certificatePem },
    { path: 'client.key', text: lab.clientIdentity.keyPem, mode: 0o600 },
    ...lab.backends.flatMap(targetFiles),
  ]
  await writeNewFiles(
    files.map((file) => ({ ...file, path: join(directory, file.path) })),
    true,
  )
}

/** What the target of one backend holds beside the rest. */
function targetFiles({ scenario, target }: LabBackend): NewFile[] {
  const { furtherAnchorsPem, intermediatesPem, crlsPem, clientIdentity } = target
  return [
    ...(crlsPem === '' ? [] : [{ path: `${scenario}.crl`, text: crlsPem }]),
    ...(furtherAnchorsPem === '' ? [] : [{ path: `${scenario}-anchors.crt`, text: furtherAnchorsPem }]),
    ...(intermediatesPem === '' ? [] : [{ path: `${scenario}-intermediates.crt`, text: intermediatesPem }]),
    ...(clientIdentity === null
      ? []
      : [
          { path: `${scenario}-client.crt`, text: clientIdentity.certificatePem },
          { path: `${scenario}-client.key`, text: clientIdentity.keyPem, mode: 0o600 },
        ]),
  ]
}
