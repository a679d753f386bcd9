import { isIP } from 'node:net'
import { cipherToAdd } from './cipher-names.ts'
import type { Remedy } from './model.ts'
import type { IdentityContext } from './remedy-context.ts'
import {
  backendOf,
  type Case,
  configPath,
  configSet,
  hostPort,
  opensslCommand,
  ownerMessage,
  quoted,
  remedy,
  tlsPath,
} from './remedy-parts.ts'
import { fileStem, onOneLine, shellWord } from './shell.ts'

/* The handshake ends before the chain is judged, or because of us. */

type HandshakeCode =
  | 'not-tls'
  | 'handshake-timeout'
  | 'handshake-closed'
  | 'protocol-version'
  | 'no-shared-cipher'
  | 'server-name-rejected'
  | 'peer-alert'

export function handshakeRemedies(the: Case, code: HandshakeCode): readonly Remedy[] {
  switch (code) {
    case 'not-tls':
      return notTlsRemedies(the)
    case 'handshake-timeout':
      return timeoutRemedies(the)
    case 'handshake-closed':
      return [
        ...serverNameFix(the),
        logRemedy(the),
        ownerMessage(
          the,
          'Please look in the log of the server at that second: it closed the connection after our ClientHello.',
        ),
      ]
    case 'protocol-version':
      return versionRemedies(the)
    case 'no-shared-cipher':
      return cipherRemedies(the)
    case 'server-name-rejected':
      return serverNameRemedies(the)
    case 'peer-alert':
      return [
        ...serverNameFix(the),
        logRemedy(the),
        ownerMessage(
          the,
          'Please look in the log of the server at that second: it ended the handshake with the alert named above.',
          alertFacts(the),
        ),
      ]
    default:
      return code satisfies never
  }
}

function notTlsRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const { target, configFile, host, port } = context
  const spoken = context.facts.plainProtocol
  const plain = spoken === 'http' || spoken === null
  const url = `http://${hostPort(host, port)}`
  const port443 = `Find the port on which ${backendOf(context)} speaks TLS (often 443 or 8443)${spoken === null ? '' : `; this one speaks ${onOneLine(spoken)}`}, and correct the URL.`
  const right = remedy('gateway', {
    action: port443,
    commands: () =>
      target === null || configFile === null
        ? [opensslCommand(context)]
        : [
            `TLS_PORT="\${TLS_PORT:?port that speaks TLS}"; ${context.posternCommand} config set -c ${shellWord(configFile)} ${shellWord(configPath('targets', target.name, 'url'))} ${shellWord(`https://${host.includes(':') ? `[${host}]` : host}:`)}"$TLS_PORT"`,
          ],
  })
  return [
    right,
    ownerMessage(
      the,
      'Please tell us the port that speaks TLS, or switch TLS on for this one.',
      spoken === null ? [] : [`answers in: ${spoken}`],
    ),
    ...(target === null || !plain
      ? []
      : [
          remedy('exception', {
            action: `Only if ${onOneLine(target.name)} is meant to be reached without TLS: say so in its URL.`,
            commands: () =>
              configSet(
                context,
                [[configPath('targets', target.name, 'url'), url]],
                [configPath('targets', target.name, 'tls')],
              ),
            risk: 'Requests and answers cross the network in the clear, and nobody is verified: anybody on the way can read and change them.',
          }),
        ]),
  ]
}

function timeoutRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const { target } = context
  return [
    remedy('backend-chain', {
      action: `See whether ${backendOf(context)} answers a ClientHello at all; if a small one gets through and a large one does not, look at the MTU on the way.`,
      commands: () => [
        `timeout 15 ${opensslCommand(context)}`,
        `timeout 15 ${opensslCommand(context, ' -groups P-256')}`,
      ],
    }),
    ownerMessage(
      the,
      'Please look for a process that accepts connections and does not answer, or for a device that drops large packets.',
    ),
    ...(target === null
      ? []
      : [
          remedy('gateway', {
            action: `If the backend is merely slow, give its handshake more time.`,
            commands: () => configSet(context, [[configPath('targets', target.name, 'timeouts', 'handshake'), '30s']]),
            risk: 'Requests wait longer before they fail.',
          }),
        ]),
  ]
}

const versionOrder = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

function versionRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const offered = versionOrder.filter((version) => (context.facts.versions ?? []).includes(version))
  const newest = offered.at(-1)
  const rank = (version: string): number => versionOrder.indexOf(version)
  const list = offered.length === 0 ? 'not known' : offered.join(', ')
  const facts = [`gateway offers ${context.minVersion} to ${context.maxVersion}`, `server accepts: ${list}`]
  const upgrade = [
    remedy('backend-chain', {
      action: `On ${backendOf(context)}: switch TLS 1.2 or 1.3 on (it accepts: ${list}).`,
      commands: () => [opensslCommand(context)],
    }),
    ownerMessage(
      the,
      'Please switch TLS 1.2 or 1.3 on; what the server accepts now is switched off in current clients.',
      facts,
    ),
  ]
  if (context.target === null || newest === undefined) return upgrade
  if (rank(newest) > rank(context.maxVersion)) {
    const unhidden = remedy('gateway', {
      action: `Let ${backendOf(context)} be spoken to in ${newest}: this target's maxVersion is ${context.maxVersion}.`,
      commands: () => configSet(context, [[tlsPath(context, 'maxVersion'), newest]]),
    })
    return [unhidden, ...upgrade]
  }
  if (rank(newest) >= rank(context.minVersion)) return upgrade
  // OpenSSL offers nothing below TLS 1.2 above security level 0
  const old = rank(newest) < rank('TLSv1.2')
  const changes: [string, string][] = [[tlsPath(context, 'minVersion'), newest]]
  if (old && context.ciphers?.includes('@SECLEVEL=0') !== true)
    changes.push([tlsPath(context, 'ciphers'), 'DEFAULT:@SECLEVEL=0'])
  const lower = remedy(old ? 'exception' : 'gateway', {
    action: `${old ? 'Only until the backend is renewed: offer' : 'Offer'} ${newest} to ${backendOf(context)}.`,
    commands: () => configSet(context, changes),
    risk: old
      ? 'TLS 1.0 and 1.1 are broken in known ways, and security level 0 also admits short keys and SHA-1 in the chain. Chain and name are still checked.'
      : 'A version that this target was told not to use.',
  })
  return old ? [...upgrade, lower] : [lower, ...upgrade]
}

function cipherRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const accepted = context.facts.ciphers ?? []
  const list = accepted.length === 0 ? 'not known' : accepted.slice(0, 20).join(', ')
  const add = context.target === null ? null : cipherToAdd(accepted, context.ciphers)
  const here =
    add === null
      ? []
      : [
          remedy('gateway', {
            action: `Offer ${onOneLine(add.name)}, which ${backendOf(context)} accepts, beside the suites offered now.`,
            commands: () => configSet(context, [[tlsPath(context, 'ciphers'), add.ciphers]]),
            risk: add.risk,
          }),
        ]
  return [
    ...here,
    remedy('backend-chain', {
      action: `On ${backendOf(context)}: accept a current cipher suite, such as TLS_AES_128_GCM_SHA256 or ECDHE-RSA-AES128-GCM-SHA256 (it accepts: ${onOneLine(list)}).`,
      commands: () => [opensslCommand(context)],
    }),
    ownerMessage(
      the,
      'Please accept a current cipher suite: TLS_AES_128_GCM_SHA256 in TLS 1.3, ECDHE with AES-GCM in TLS 1.2.',
      [`server accepts: ${list}`],
    ),
  ]
}

function serverNameRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const sent = context.serverName === null ? 'no name (SNI)' : quoted(context.serverName)
  return [
    ...serverNameFix(the),
    remedy('gateway', {
      action: `Ask ${backendOf(context)} which name it serves; it was asked for ${sent}. Without a name it answers with its default certificate, which names one.`,
      commands: () => [
        `${opensslCommand({ ...context, serverName: null })} 2>/dev/null | openssl x509 -noout -subject -ext subjectAltName`,
      ],
    }),
    ownerMessage(the, `Please tell us which name the server expects, or let it serve ${sent}.`),
  ]
}

/** The host that is dialled is the likeliest name, where another one was asked for. */
function serverNameFix({ context, verdict }: Case): readonly Remedy[] {
  const { target, host, serverName, facts } = context
  const suspected =
    verdict.code === 'server-name-rejected' || (facts.serverName?.withName === false && facts.serverName.withoutName)
  if (target === null || !suspected || isIP(host) !== 0 || host.toLowerCase() === serverName?.toLowerCase()) return []
  return [
    remedy('gateway', {
      action: `Ask for the host that is dialled, ${quoted(host)}, in place of ${serverName === null ? 'no name' : quoted(serverName)}.`,
      commands: () => configSet(context, [[target.serverNamePath, host]]),
      risk: target.hasSubjectAltNames ? '' : `The certificate must then name ${quoted(host)}.`,
    }),
  ]
}

function logRemedy({ context }: Case): Remedy {
  return remedy('backend-chain', {
    action: `Look in the log of ${backendOf(context)} at ${new Date(context.now).toISOString()}: the reason stands there and nowhere else.`,
    commands: () => [opensslCommand(context), opensslCommand(context, ' -tls1_2')],
  })
}

function alertFacts({ verdict }: Case): readonly string[] {
  const { alert, alertName, runtimeText } = verdict.evidence
  const text = [alert, alertName, runtimeText]
    .filter((it) => typeof it === 'string' || typeof it === 'number')
    .map(String)
  return text.length === 0 ? [] : [`alert: ${text.join(', ')}`]
}

export function clientIdentityRemedies(
  the: Case,
  code: 'client-certificate-required' | 'client-certificate-rejected',
): readonly Remedy[] {
  const { context } = the
  const { acceptableIssuers, clientCertificate, target } = context
  const issuers = acceptableIssuers ?? []
  const accepted = issuers.length === 0 ? 'any CA' : issuers.slice(0, 5).map(quoted).join(', ')
  const fits = (identity: IdentityContext): boolean =>
    issuers.length === 0 || identity.issuers.some((issuer) => issuers.includes(issuer))
  const other = context.identities.filter((identity) => identity.certificateFile !== clientCertificate?.certificateFile)
  // without a list of issuers every identity would fit: then the choice is the reader's
  const matching = other.filter(fits)
  const use = target === null ? [] : matching.slice(0, 2).map((identity) => useIdentity(the, identity))
  const stem = fileStem(`CN=${target?.name ?? context.host}`)
  const make = remedy('gateway', {
    party: 'client-identity',
    action: `Have a client certificate issued (extended key usage clientAuth) by ${issuers.length === 0 ? 'a CA that the backend accepts' : `one of the CAs that the backend accepts: ${accepted}`}.`,
    commands: () => [
      `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${stem}-client.key -out ${stem}-client.csr -subj ${shellWord(`/CN=${stem}`)}`,
    ],
  })
  const shown =
    clientCertificate === null
      ? 'none'
      : `${clientCertificate.subject}, issued by ${clientCertificate.issuers[0] ?? 'an unknown CA'}`
  const message = ownerMessage(
    the,
    code === 'client-certificate-required'
      ? 'Please tell us which CA may issue our client certificate, or issue one for the attached CSR.'
      : 'Please look in the log of the server why our client certificate is refused, and tell us which CA may issue it.',
    [
      `client certificate shown: ${shown}`,
      `CAs that the server names: ${issuers.length === 0 ? 'none' : issuers.slice(0, 20).join('; ')}`,
    ],
  )
  const check =
    code === 'client-certificate-rejected' && clientCertificate !== null
      ? [checkIdentity(the, clientCertificate, fits(clientCertificate))]
      : []
  return [...check, ...use, make, message]
}

function useIdentity({ context }: Case, { certificateFile, keyFile, subject }: IdentityContext): Remedy {
  const value = `{ certificate: ${JSON.stringify(certificateFile)}, key: ${JSON.stringify(keyFile)} }`
  return remedy('gateway', {
    party: 'client-identity',
    action: `Show ${quoted(subject)} (${onOneLine(certificateFile)}) to ${backendOf(context)}.`,
    commands: () => configSet(context, [[tlsPath(context, 'clientCertificate'), value]]),
    risk: 'The backend learns who calls, and acts on it.',
  })
}

/** Dates, purpose and chain of our own certificate are what servers refuse most. */
function checkIdentity({ context }: Case, identity: IdentityContext, fits: boolean): Remedy {
  const issuer = identity.issuers[0] ?? 'nobody known'
  const why = fits ? '' : `; its issuer ${quoted(issuer)} is not among the CAs that the backend accepts`
  return remedy('gateway', {
    party: 'client-identity',
    action: `Look at the certificate that ${backendOf(context)} refused${why}: dates, purpose clientAuth, and whether its intermediates are in the file.`,
    commands: () => [
      `openssl x509 -in ${shellWord(identity.certificateFile)} -noout -subject -issuer -dates -ext extendedKeyUsage`,
      `grep -c 'BEGIN CERTIFICATE' ${shellWord(identity.certificateFile)}`,
    ],
  })
}
