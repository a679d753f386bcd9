import { isIP } from 'node:net'
import { dirname, join } from 'node:path/posix'
import { cipherToAdd, unaskedCiphers } from './cipher-names.ts'
import type { Remedy } from './model.ts'
import type { IdentityContext } from './remedy-context.ts'
import {
  backendOf,
  type Case,
  configPath,
  configSet,
  hostPort,
  namesIn,
  opensslCommand,
  ownerMessage,
  quoted,
  remedy,
  tlsPath,
  whenSet,
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
      if (the.verdict.evidence['alert'] === noApplicationProtocol) return protocolRemedies(the)
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
    look: () => [opensslCommand(context)],
    commands: () =>
      target === null || configFile === null
        ? []
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
      look: () => [`timeout 15 ${opensslCommand(context)}`, `timeout 15 ${opensslCommand(context, ' -groups P-256')}`],
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
const currentVersions = ['TLSv1.2', 'TLSv1.3']
const rank = (version: string): number => versionOrder.indexOf(version)

function versionRemedies(the: Case): readonly Remedy[] {
  const { context, verdict } = the
  const { minVersion, maxVersion } = context
  const accepted = versionOrder.filter((version) => (context.facts.versions ?? []).includes(version))
  const newest = accepted.at(-1)
  const setting = (name: string): string => (context.target === null ? `--tls-${name.slice(0, 3)} of this check` : name)
  if (newest !== undefined && rank(newest) > rank(maxVersion)) {
    return [
      remedy('gateway', {
        action: `Let ${backendOf(context)} be spoken to in ${newest}: ${setting('maxVersion')} is ${maxVersion}.`,
        commands: () => targetSet(context, [[tlsPath(context, 'maxVersion'), newest]]),
      }),
    ]
  }
  if (newest !== undefined && rank(newest) < rank(minVersion) && currentVersions.includes(newest)) {
    return [
      remedy('gateway', {
        action: `Offer ${newest} to ${backendOf(context)}: ${setting('minVersion')} is ${minVersion}.`,
        commands: () => targetSet(context, [[tlsPath(context, 'minVersion'), newest]]),
        risk: 'A version that this target was told not to use.',
        weakens: true,
      }),
      upgrade(the, accepted),
    ]
  }
  const upgraded = upgrade(the, accepted)
  // Settings of the gateway are not for the owner of the backend to mend.
  if (verdict.party === 'gateway') return [upgraded]
  const offers = minVersion === maxVersion ? minVersion : `${minVersion} to ${maxVersion}`
  const letter = ownerMessage(
    the,
    `Please switch ${wanted(context)} on; what the server accepts now is switched off in current clients.`,
    [`gateway offers ${offers}`, `server accepts: ${accepted.length === 0 ? 'not known' : accepted.join(', ')}`],
  )
  return [upgraded, letter, ...oldVersion(the, newest)]
}

/** Current versions that the gateway may offer. */
function wanted({ minVersion, maxVersion }: Case['context']): string {
  const possible = currentVersions.filter((it) => rank(it) >= rank(minVersion) && rank(it) <= rank(maxVersion))
  return (possible.length === 0 ? currentVersions : possible).map((it) => it.replace('TLSv', 'TLS ')).join(' or ')
}

function upgrade({ context }: Case, accepted: readonly string[]): Remedy {
  const list = accepted.length === 0 ? 'which versions it accepts is not known' : `it accepts: ${accepted.join(', ')}`
  return remedy('backend-chain', {
    action: `On ${backendOf(context)}: switch ${wanted(context)} on (${list}).`,
    look: () => [opensslCommand(context)],
  })
}

/** OpenSSL offers nothing below TLS 1.2 above security level 0. */
function oldVersion({ context }: Case, newest: string | undefined): readonly Remedy[] {
  if (newest === undefined || rank(newest) >= rank('TLSv1.2') || rank(newest) >= rank(context.minVersion)) return []
  const changes: [string, string][] = [[tlsPath(context, 'minVersion'), newest]]
  // With the suites of TLS 1.3: a list without them switches that version off.
  if (context.ciphers?.includes('@SECLEVEL=0') !== true)
    changes.push([tlsPath(context, 'ciphers'), `${unaskedCiphers}:@SECLEVEL=0`])
  return [
    remedy('exception', {
      action: `Only until the backend is renewed: offer ${newest} to ${backendOf(context)}.`,
      commands: () => targetSet(context, changes),
      risk: 'TLS 1.0 and 1.1 are broken in known ways, and security level 0 also admits short keys and SHA-1 in the chain. Chain and name are still checked.',
    }),
  ].filter(() => context.target !== null)
}

/** `config set` of a setting of the target; nothing where there is no target. */
function targetSet(
  context: Case['context'],
  changes: readonly (readonly [path: string, value: string])[],
): readonly string[] {
  return context.target === null ? [] : configSet(context, changes)
}

/** RFC 7301 section 3.2. */
const noApplicationProtocol = 120
/** What a target can be told to speak. */
const spokenProtocols = ['h2', 'http/1.1']

function protocolRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const accepted = context.facts.alpn ?? namesIn(the.verdict.evidence['accepted'])
  const offered = namesIn(the.verdict.evidence['offered'])
  const spoken = spokenProtocols.filter((name) => accepted.includes(name))
  if (spoken.length > 0) {
    return [
      remedy('gateway', {
        action: `Speak ${spoken.join(' or ')} to ${backendOf(context)}, which accepts nothing else that is offered (ALPN).`,
        commands: () => targetSet(context, [[tlsPath(context, 'alpn'), `[${spoken.join(', ')}]`]]),
        look: () => [opensslCommand(context, ` -alpn ${spoken.join(',')}`)],
      }),
    ]
  }
  const facts = [
    ...alertFacts(the),
    `gateway offers: ${offered.length === 0 ? 'not known' : offered.join(', ')}`,
    `server accepts: ${accepted.length === 0 ? 'nothing that was tried' : accepted.join(', ')}`,
  ]
  return [
    remedy('gateway', {
      action: `Find out what ${backendOf(context)} speaks: it accepts neither h2 nor http/1.1 (ALPN), so it may be no HTTP server, or another port is meant.`,
      look: () => [opensslCommand(context, ' -alpn h2,http/1.1')],
    }),
    ownerMessage(the, 'Please tell us which application protocols (ALPN) the server speaks on this port.', facts),
  ]
}

function cipherRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const accepted = context.facts.ciphers ?? []
  const list = accepted.length === 0 ? 'not known' : accepted.slice(0, 20).join(', ')
  const add = context.target === null ? null : cipherToAdd(accepted, context.ciphers)
  const weak = add !== null && add.risk !== ''
  const here =
    add === null
      ? []
      : [
          remedy(weak ? 'exception' : 'gateway', {
            action: `${weak ? 'Only until the backend accepts a current one: offer' : 'Offer'} ${onOneLine(add.name)}, which ${backendOf(context)} accepts, beside the suites offered now.`,
            commands: () => configSet(context, [[tlsPath(context, 'ciphers'), add.ciphers]]),
            risk: add.risk,
          }),
        ]
  const there = [
    remedy('backend-chain', {
      action: `On ${backendOf(context)}: accept a current cipher suite, such as TLS_AES_128_GCM_SHA256 or ECDHE-RSA-AES128-GCM-SHA256 (it accepts: ${onOneLine(list)}).`,
      look: () => [opensslCommand(context)],
    }),
    ownerMessage(
      the,
      'Please accept a current cipher suite: TLS_AES_128_GCM_SHA256 in TLS 1.3, ECDHE with AES-GCM in TLS 1.2.',
      [`server accepts: ${list}`],
    ),
  ]
  return weak ? [...there, ...here] : [...here, ...there]
}

function serverNameRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const { serverName, target, facts } = context
  const sent = serverName === null ? 'no name (SNI)' : quoted(serverName)
  const fixes = serverNameFix(the)
  return [...fixes, ...(fixes.length > 0 ? [] : [findName()]), letter()]

  function findName(): Remedy {
    const goesOn = serverName !== null && facts.serverName?.withoutName === true
    const told = serverName === null || facts.serverName === null ? 'may answer' : 'answers with no certificate either'
    const where = 'the names are in its configuration (server_name, ServerName, a routing table, a list of hosts)'
    return remedy('gateway', {
      action: goesOn
        ? `Ask ${backendOf(context)} for a name that it serves in place of ${sent}: without a name (SNI) it goes on and shows its default certificate, which names one.`
        : `Find out which name ${backendOf(context)} serves; it refused ${sent}. Without a name it ${told}: ${where}.`,
      commands: () =>
        target === null
          ? []
          : whenSet(context, 'SERVER_NAME', 'a name that the backend serves', target.serverNamePath, '$SERVER_NAME'),
      look: () => [
        `${opensslCommand({ ...context, serverName: null })}${goesOn ? ' 2>/dev/null | openssl x509 -noout -subject -ext subjectAltName' : ''}`,
      ],
      risk: target?.hasSubjectAltNames === false ? 'The certificate must then carry that name.' : '',
    })
  }

  function letter(): Remedy {
    return ownerMessage(
      the,
      serverName === null
        ? 'Please tell us which name (SNI) the server expects; it was asked for none.'
        : `Please tell us which name the server expects, or let it serve ${sent}.`,
    )
  }
}

/** A name that the probe got on with, or the host that is dialled, where another one was asked for. */
function serverNameFix({ context, verdict }: Case): readonly Remedy[] {
  const { target, host, serverName, facts, verifyNames } = context
  const suspected =
    verdict.code === 'server-name-rejected' || (facts.serverName?.withName === false && facts.serverName.withoutName)
  if (target === null || !suspected) return []
  // What the probe asks for where no name is sent is the first of these.
  const worked = facts.serverName?.withName === true
  const name = worked ? [...verifyNames, host].find((each) => isIP(each) === 0) : host
  if (name === undefined || isIP(name) !== 0 || name.toLowerCase() === serverName?.toLowerCase()) return []
  const which = worked ? `${quoted(name)}, which it goes on with` : `the host that is dialled, ${quoted(name)}`
  return [
    remedy('gateway', {
      action: `Ask ${backendOf(context)} for ${which}, in place of ${serverName === null ? 'no name' : quoted(serverName)}.`,
      commands: () => configSet(context, [[target.serverNamePath, name]]),
      risk: target.hasSubjectAltNames ? '' : `The certificate must then name ${quoted(name)}.`,
    }),
  ]
}

function logRemedy({ context }: Case): Remedy {
  return remedy('backend-chain', {
    action: `Look in the log of ${backendOf(context)} at ${new Date(context.now).toISOString()}: the reason stands there and nowhere else.`,
    look: () => [opensslCommand(context), opensslCommand(context, ' -tls1_2')],
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
  const fits = (identity: IdentityContext): boolean =>
    issuers.length === 0 || identity.issuers.some((issuer) => issuers.includes(issuer))
  const other = context.identities.filter((identity) => identity.certificateFile !== clientCertificate?.certificateFile)
  // without a list of issuers every identity would fit: then the choice is the reader's
  const matching = other.filter(fits)
  const use = target === null ? [] : matching.slice(0, 2).map((identity) => useIdentity(the, identity))
  const rejected = code === 'client-certificate-rejected' ? clientCertificate : null
  const check = rejected === null ? [] : [checkIdentity(the, rejected, fits(rejected))]
  const make = makeIdentity(the, issuers)
  // One that has ended is ours to renew, and nothing to ask anybody about.
  if (rejected !== null && hasEnded(context, rejected) && fits(rejected)) return [...check, ...use, ...make]
  return [...check, ...use, ...make, clientLetter(the, code, issuers)]
}

function hasEnded({ now }: Case['context'], { notAfter }: IdentityContext): boolean {
  return Date.parse(notAfter) < now
}

/** A request for a certificate, and what to configure once it was granted. Beside the configuration, which then names them. */
function makeIdentity({ context }: Case, issuers: readonly string[]): readonly Remedy[] {
  const { target, configFile, host } = context
  const accepted = issuers.slice(0, 5).map(quoted).join(', ')
  const name = fileStem(`CN=${target?.name ?? host}`)
  const folder = configFile === null ? '' : dirname(configFile)
  const stem = unusedStem(context, folder, `${name}-client`)
  const at = join(folder, stem)
  const word = (kind: string): string => shellWord(`${at}.${kind}`)
  const make = remedy('gateway', {
    party: 'client-identity',
    action: `Have a client certificate issued (extended key usage clientAuth) by ${issuers.length === 0 ? 'a CA that the backend accepts' : `one of the CAs that the backend accepts: ${accepted}`}.`,
    commands: () => [
      // OpenSSL would write over a key that is in use
      `test ! -e ${word('key')} && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${word('key')} -out ${word('csr')} -subj ${shellWord(`/CN=${name}`)}`,
    ],
  })
  if (target === null || configFile === null) return [make]
  const value = `{ certificate: ${JSON.stringify(`./${stem}.crt`)}, key: ${JSON.stringify(`./${stem}.key`)} }`
  const show = remedy('gateway', {
    party: 'client-identity',
    action: `When it is there as ${onOneLine(`${at}.crt`)}, its intermediates after it: show it to ${backendOf(context)}.`,
    commands: () => configSet(context, [[tlsPath(context, 'clientCertificate'), value]]),
    risk: shownRisk,
  })
  return [make, show]
}

/** A new key gets a name that no identity of the configuration has. */
function unusedStem({ clientCertificate, identities }: Case['context'], folder: string, stem: string): string {
  const used = [...identities, ...(clientCertificate === null ? [] : [clientCertificate])].flatMap((identity) => [
    identity.certificateFile,
    identity.keyFile,
  ])
  const taken = (name: string): boolean => used.some((file) => file.startsWith(`${join(folder, name)}.`))
  for (let number = 2; taken(stem) && number < 100; number += 1) {
    const other = `${stem}-${number}`
    if (!taken(other)) return other
  }
  return stem
}

const shownRisk = 'The backend learns who calls, and acts on it.'

function clientLetter(
  the: Case,
  code: 'client-certificate-required' | 'client-certificate-rejected',
  issuers: readonly string[],
): Remedy {
  const { clientCertificate } = the.context
  const shown =
    clientCertificate === null
      ? 'none'
      : `${clientCertificate.subject}, issued by ${clientCertificate.issuers[0] ?? 'an unknown CA'}, valid to ${clientCertificate.notAfter}`
  return ownerMessage(
    the,
    code === 'client-certificate-required'
      ? 'Please tell us which CA may issue our client certificate, or issue one for the attached CSR.'
      : 'Please look in the log of the server why our client certificate is refused, and tell us which CA may issue it.',
    [
      `client certificate shown: ${shown}`,
      `CAs that the server names: ${issuers.length === 0 ? 'none' : issuers.slice(0, 20).join('; ')}`,
    ],
  )
}

function useIdentity({ context }: Case, { certificateFile, keyFile, subject }: IdentityContext): Remedy {
  const value = `{ certificate: ${JSON.stringify(certificateFile)}, key: ${JSON.stringify(keyFile)} }`
  return remedy('gateway', {
    party: 'client-identity',
    action: `Show ${quoted(subject)} (${onOneLine(certificateFile)}) to ${backendOf(context)}.`,
    commands: () => configSet(context, [[tlsPath(context, 'clientCertificate'), value]]),
    risk: shownRisk,
  })
}

/** Dates, purpose and chain of our own certificate are what servers refuse most. */
function checkIdentity({ context }: Case, identity: IdentityContext, fits: boolean): Remedy {
  const { certificateFile, subject, issuers, notAfter } = identity
  const issuer = issuers[0] ?? 'nobody known'
  const why = fits ? '' : `; its issuer ${quoted(issuer)} is not among the CAs that the backend accepts`
  return remedy('gateway', {
    party: 'client-identity',
    action: hasEnded(context, identity)
      ? `Renew our client certificate ${quoted(subject)} (${onOneLine(certificateFile)}): it ended ${onOneLine(notAfter)}${why}.`
      : `Look at the certificate that ${backendOf(context)} refused${why}: dates, purpose clientAuth, and whether its intermediates are in the file.`,
    look: () => [
      `openssl x509 -in ${shellWord(certificateFile)} -noout -subject -issuer -dates -ext extendedKeyUsage`,
      `grep -c 'BEGIN CERTIFICATE' ${shellWord(certificateFile)}`,
    ],
  })
}
