import type { Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { createLeaf, type Identity } from '../pki/make.ts'
import { fatalAlert, serverHello12 } from './canned-tls.ts'
import { daysFrom, type LabPki } from './lab-pki.ts'
import type { HttpsRecipe, RawRecipe } from './recipes.ts'
import type { handshakeScenarios } from './scenarios-handshake.ts'

/** How the backends of `scenarios-handshake.ts` behave. */
export const handshakeRecipes = {
  'handshake-reset': hears((socket) => socket.resetAndDestroy()),
  'handshake-closed-late': hears((socket) => socket.end(serverHello12())),
  'handshake-timeout-late': hears((socket) => socket.write(serverHello12())),
  'server-name-rejected': hears((socket) => socket.end(fatalAlert(112))),
  'peer-alert': hears((socket) => socket.end(fatalAlert(80))),
  'peer-alert-unregistered': hears((socket) => socket.end(fatalAlert(121))),
  'no-application-protocol': { tls: () => ({ ALPNProtocols: ['h2'] }) },
  'insufficient-security': hears((socket) => socket.end(fatalAlert(71))),
  'no-shared-cipher-tls12': { tls: () => ({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0' }) },
  'protocol-version-tls13': { tls: () => ({ minVersion: 'TLSv1.3' }) },
  'client-certificate-rejected': {
    client: strangersCertificate,
    tls: (pki) => ({ ...asksForCertificate(pki), minVersion: 'TLSv1.3' }),
  },
  'client-certificate-rejected-tls12': {
    client: strangersCertificate,
    tls: (pki) => ({ ...asksForCertificate(pki), maxVersion: 'TLSv1.2' }),
  },
  'client-certificate-expired': {
    client: (pki) =>
      createLeaf(pki.clientRoot, {
        names: ['gateway.lab.test'],
        purposes: ['clientAuth'],
        notBefore: daysFrom(pki.now, -90),
        notAfter: daysFrom(pki.now, -1),
      }),
    tls: (pki) => ({ ...asksForCertificate(pki), minVersion: 'TLSv1.3' }),
  },
  'ssh-banner': opens((socket) => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')),
  'smtp-banner': opens((socket) => socket.write('220 mail.lab.test ESMTP\r\n')),
  'http-400': opens((socket) =>
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
  ),
  'junk-bytes': opens((socket) => socket.write(Buffer.from([0x07, 0x2a]))),
} as const satisfies Record<keyof typeof handshakeScenarios, RawRecipe | Partial<HttpsRecipe>>

export function asksForCertificate(pki: LabPki): TlsOptions {
  return { requestCert: true, rejectUnauthorized: true, ca: pki.clientRoot.certificatePem }
}

function strangersCertificate(pki: LabPki): Promise<Identity> {
  return createLeaf(pki.elsewhereRoot, { names: ['gateway.lab.test'], purposes: ['clientAuth'], now: pki.now })
}

function opens(onOpen: (socket: Socket) => void): RawRecipe {
  return { behaves: async () => ({ onOpen }) }
}

function hears(onBytes: (socket: Socket) => void): RawRecipe {
  return { behaves: async () => ({ onBytes }) }
}
