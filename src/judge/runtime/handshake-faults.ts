import { type FaultFinding, fault } from '../fault.ts'
import type { JudgeInput } from '../types.ts'
import { type RuntimeCertificate, runtimeCertificate } from './runtime-certificate.ts'

/** What ends the handshake before anything is verified, exceptions or not. */
export function handshakeFaults({ served, protocol }: JudgeInput): FaultFinding[] {
  const [leaf] = served
  if (leaf === undefined) {
    return [fault('handshake-closed', nowhere, 'The backend presented no certificate')]
  }
  const faults: FaultFinding[] = []
  for (const [index, { der, certificate, malformed }] of served.entries()) {
    if (runtimeCertificate(der, certificate) !== null) continue
    faults.push(
      fault(
        'malformed-certificate',
        { at: index === 0 ? 0 : null, certificate },
        'A served certificate cannot be read',
        {
          served: index,
          ...malformed,
        },
      ),
    )
  }
  const bytes = served.reduce((sum, { der }) => sum + der.length + 3, 3)
  if (bytes > maxListBytes) {
    faults.push(
      fault('too-complex', nowhere, 'The certificates are more than the runtime takes', { bytes, limit: maxListBytes }),
    )
  }
  const key = runtimeCertificate(leaf.der, leaf.certificate)
  if (key !== null && !usableKey(key)) {
    const place = { at: 0, certificate: key.facts }
    faults.push(
      key.key === null
        ? fault('malformed-certificate', place, 'The public key of the leaf cannot be read')
        : fault('no-shared-cipher', place, `TLS cannot be spoken with a ${key.key.curve ?? key.key.kind} key`, {
            ...key.key,
          }),
    )
  }
  if (key !== null && oldProtocols.has(protocol ?? '') && !maySign(key)) {
    faults.push(
      fault(
        'wrong-purpose',
        { at: 0, certificate: key.facts },
        'The key usage of the leaf does not allow it to sign, as its key must up to TLS 1.2',
        {
          keyUsage: [...(key.facts?.keyUsage ?? [])],
          needed: ['digitalSignature'],
          protocol,
          rule: 'OpenSSL: SSL_R_ECC_CERT_NOT_FOR_SIGNING',
        },
      ),
    )
  }
  return faults
}

const oldProtocols: ReadonlySet<string> = new Set(['TLSv1', 'TLSv1.1', 'TLSv1.2'])

/** `ssl_check_srvr_ecc_cert_and_alg`, which is about keys that can do nothing else. An invalid certificate allows nothing. */
function maySign({ key, keyUsage, invalid }: RuntimeCertificate): boolean {
  if (key === null || !ellipticKeys.has(key.kind)) return true
  return invalid.length === 0 && (keyUsage === null || (keyUsage & 0x80) !== 0)
}

const ellipticKeys: ReadonlySet<string> = new Set(['ec', 'ed25519', 'ed448'])

const nowhere = { at: null, certificate: null } as const

/** SSL_MAX_CERT_LIST_DEFAULT. */
const maxListBytes = 100 * 1024

/** Keys that this gateway's ClientHello offers a signature scheme for. */
function usableKey({ key }: RuntimeCertificate): boolean {
  if (key === null) return false
  return key.kind === 'ec' ? key.curve !== null && tlsCurves.has(key.curve) : tlsKeys.has(key.kind)
}

const tlsKeys: ReadonlySet<string> = new Set([
  'rsa',
  'rsa-pss',
  'ed25519',
  'ed448',
  'ml-dsa-44',
  'ml-dsa-65',
  'ml-dsa-87',
])
const tlsCurves: ReadonlySet<string> = new Set([
  'prime256v1',
  'secp384r1',
  'secp521r1',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
])
