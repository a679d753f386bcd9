import { toPem } from '../x509/certificate.ts'
import { certificate12, serverHello12 } from './canned-tls.ts'
import { goodLeaf, type LabPki } from './lab-pki.ts'
import type { RawRecipe } from './recipes.ts'

/**
 * Backends that serve what no TLS library would load as a certificate. TLS 1.2, where the Certificate message needs no
 * keys: the client gives up on it, so the rest of the handshake is never needed.
 */
export const malformedRecipes = {
  'malformed-certificate': serving((leaf, issuing) => [leaf.subarray(0, leaf.length - 20), issuing]),
  'malformed-trailing-bytes': serving((leaf, issuing) => [Buffer.concat([leaf, Buffer.from('more')]), issuing]),
  'malformed-intermediate': serving((leaf) => [leaf, Buffer.from('this is no certificate at all')]),
} as const satisfies Record<string, RawRecipe>

function serving(entries: (leaf: Buffer, issuing: Buffer) => readonly Buffer[]): RawRecipe {
  return {
    async behaves(pki: LabPki, scenario) {
      const leaf = await goodLeafOf(pki, scenario)
      const served = entries(leaf, pki.issuing.certificate)
      const flight = Buffer.concat([serverHello12(), certificate12(served)])
      return { servedPem: served.map(toPem).join(''), onBytes: (socket) => socket.write(flight) }
    },
  }
}

async function goodLeafOf(pki: LabPki, scenario: string): Promise<Buffer> {
  return (await goodLeaf(pki, scenario)).certificate
}
