import { unaskedCiphers } from './cipher-names.ts'
import type { VerdictCode } from './codes.ts'
import type { CertificateRef, Remedy } from './model.ts'
import {
  backendOf,
  type Case,
  configSet,
  exception,
  hex,
  named,
  namesIn,
  opensslCommand,
  ownerMessage,
  quoted,
  remedy,
  seeCommand,
  storeToChange,
  tlsPath,
} from './remedy-parts.ts'
import { fileStem, onOneLine, shellWord } from './shell.ts'

/* Faults inside a certificate: somebody has to issue another one, and the message to them says which and why. */

export type CertificateCode = Extract<
  VerdictCode,
  | 'expired'
  | 'not-yet-valid'
  | 'issuer-not-ca'
  | 'issuer-key-usage'
  | 'wrong-purpose'
  | 'path-length-exceeded'
  | 'name-constraint-violation'
  | 'weak-key'
  | 'weak-signature'
  | 'bad-signature'
  | 'unknown-critical-extension'
  | 'malformed-certificate'
  | 'policy-violation'
  | 'revoked'
  | 'revocation-unknown'
  | 'depth-exceeded'
  | 'too-complex'
  | 'distrusted'
>

export function certificateRemedies(the: Case, code: CertificateCode): readonly Remedy[] {
  const { context, verdict } = the
  const ours = anchorRemedies(the)
  if (code === 'revocation-unknown') {
    // Without a source it is of another mode of judging, and no setting of the target.
    const last = verdict.evidence['source'] === undefined ? exception(context, 'chain', code) : unchecked(the)
    return [...revocationRemedies(the), ...last]
  }
  if (code === 'not-yet-valid')
    return [...clockRemedy(the), ...(ours.length > 0 ? ours : reissue(the, code)), ...exception(context, 'chain', code)]
  const weaker = code === 'weak-key' || code === 'weak-signature' ? levelRemedies(the) : []
  const last = withoutException.has(code) ? [] : exception(context, 'chain', code)
  // a certificate of our own store is ours to exchange, whoever the code usually belongs to
  const first = ours.length > 0 && verdict.at !== null ? ours : reissue(the, code)
  return [...first, ...weaker, ...last]
}

/**
 * Nothing makes these right for a while: a wrong signature or a revoked key may be somebody in between, and what cannot be
 * read or decided cannot be excepted.
 */
const withoutException: ReadonlySet<CertificateCode> = new Set([
  'bad-signature',
  'revoked',
  'distrusted',
  'malformed-certificate',
  'too-complex',
])

const wishes: Readonly<Record<CertificateCode, (subject: string) => string>> = {
  expired: (subject) =>
    `Please renew ${subject} and let the server serve the new one; a renewed file often waits for a reload.`,
  'not-yet-valid': (subject) =>
    `Please look at the clock that issued ${subject}, or serve the former certificate until this one begins.`,
  'issuer-not-ca': (subject) =>
    `Please let a CA issue the certificate: ${subject} is no CA (basicConstraints CA:TRUE is missing).`,
  'issuer-key-usage': (subject) =>
    `Please reissue ${subject} with the key usage keyCertSign, same name and same key, and serve the new one.`,
  'wrong-purpose': (subject) =>
    `Please reissue ${subject} with the extended key usage serverAuth; it is now for another purpose.`,
  'path-length-exceeded': () =>
    'Please issue the server certificate from a CA that may issue it: a CA above allows fewer CAs below itself (pathLenConstraint).',
  'name-constraint-violation': (subject) =>
    `Please issue the certificate from a CA whose name constraints allow its names; ${subject} may not.`,
  'weak-key': (subject) =>
    `Please replace the key of ${subject} by RSA 2048 bits or more, or by ECDSA P-256, and reissue the certificate.`,
  'weak-signature': (subject) => `Please reissue ${subject} with a SHA-256 signature.`,
  'bad-signature': (subject) =>
    `Please look at what is installed: the signature of ${subject} was not made by the issuer beside it. Often an issuer was renewed with a new key under the same name and the old file is still served.`,
  'unknown-critical-extension': (subject) =>
    `Please reissue ${subject} without the critical extension, or with it marked as not critical.`,
  'malformed-certificate': () =>
    'Please replace the certificate file: what is served is not DER of a certificate, at the offset named above.',
  'policy-violation': () => 'Please issue the certificate under a policy that the CAs above it allow.',
  revoked: (subject) => `Please replace ${subject} and its key: its issuer has revoked it.`,
  'revocation-unknown': (subject) => `Please publish a current CRL for the issuer of ${subject}.`,
  'depth-exceeded': () => 'Please issue the certificate from a CA nearer to the root, or serve a shorter chain.',
  'too-complex': () =>
    'Please serve the leaf and its own intermediates alone: the certificates served can be joined in too many ways.',
  distrusted: (subject) => `Please serve a certificate that does not depend on ${subject}.`,
}

function reissue(the: Case, code: CertificateCode): readonly Remedy[] {
  const { context, verdict } = the
  const { certificate, at } = verdict
  const subject = certificate === null ? 'the certificate' : quoted(certificate.subject)
  const wish = wishes[code](subject)
  const what = at === 0 || at === null ? 'leaf' : 'CA certificate'
  return [
    remedy('backend-chain', {
      action: `On ${backendOf(context)}: ${action(code, what, certificate, context.now)}`,
      look: () => [seeCommand(the)],
    }),
    ownerMessage(the, wish),
  ]
}

function action(code: CertificateCode, what: string, certificate: CertificateRef | null, now: number): string {
  const which = certificate === null ? `the ${what}` : `the ${what} ${named(certificate)}`
  if (code === 'expired')
    return `renew ${which}${certificate === null ? '' : `, which ${Date.parse(certificate.notAfter) > now ? 'ends' : 'ended'} ${onOneLine(certificate.notAfter)}`}, and reload.`
  if (code === 'not-yet-valid')
    return `serve the former certificate until ${certificate === null ? 'this one begins' : onOneLine(certificate.notBefore)}.`
  if (code === 'bad-signature') return `serve the issuer that really signed ${which}.`
  if (code === 'too-complex' || code === 'depth-exceeded') return 'serve the leaf and the one path above it.'
  if (code === 'path-length-exceeded') return 'issue the server certificate from a CA that may issue it.'
  return `replace ${which}.`
}

/** The guilty certificate is one of our own store: exchange it there. */
function anchorRemedies({ context, verdict, chain }: Case): readonly Remedy[] {
  const element = verdict.at === null ? undefined : chain.path[verdict.at]
  const { certificate } = verdict
  if (certificate === null || element === undefined || (element.origin !== 'anchor' && element.origin !== 'stored'))
    return []
  if (verdict.code === 'not-yet-valid') {
    return [
      remedy('gateway', {
        action: `Keep the former certificate of that name trusted until ${named(certificate)} begins, ${onOneLine(certificate.notBefore)}.`,
      }),
    ]
  }
  const store = storeToChange(context.stores)
  const name = store === null ? 'the trust store' : `trust store ${onOneLine(store.name)}`
  const as = element.origin === 'anchor' ? '' : ' --as intermediate'
  const file = `${fileStem(certificate.subject)}-new.pem`
  const keyId = certificate.subjectKeyId
  return [
    remedy('gateway', {
      action: `Add the successor of ${named(certificate)} to ${name}: obtain it from its owner as ${file}. The old one can then be taken out.`,
      // a successor with the same key has the same key id; one with another key needs its fingerprint
      commands: () =>
        store === null || context.configFile === null || keyId === null
          ? []
          : [
              `${context.posternCommand} trust add -c ${shellWord(context.configFile)} --store ${shellWord(store.name)}${as} --key-id ${hex(keyId)} --file ${shellWord(file)}`,
            ],
      risk: 'A successor with a new key has another key id: name it by --sha256, after comparing that with its owner.',
    }),
  ]
}

function clockRemedy({ context, verdict }: Case): readonly Remedy[] {
  // As of another moment no clock is wrong.
  if (context.asOf !== null) return []
  const begins =
    verdict.certificate === null ? '' : `; the certificate begins ${onOneLine(verdict.certificate.notBefore)}`
  return [
    remedy('gateway', {
      action: `Compare the clock of the gateway (${new Date(context.now).toISOString()}) with the right time first${begins}.`,
      look: () => ['date -u'],
    }),
  ]
}

/** The security level that just admits what was found, for this target alone. OpenSSL's level 1 wants 80 bits, 0 nothing. */
function levelRemedies({ context, verdict }: Case): readonly Remedy[] {
  const { strength } = verdict.evidence
  const base = context.ciphers ?? unaskedCiphers
  if (context.target === null || context.configFile === null || base.includes('@SECLEVEL')) return []
  const level = typeof strength === 'number' && strength >= 80 ? 1 : 0
  const what = verdict.code === 'weak-key' ? 'shorter keys' : 'weaker signatures'
  return [
    remedy('exception', {
      action: `Only until the certificate is replaced: accept ${what} from ${backendOf(context)} by security level ${level}.`,
      commands: () => configSet(context, [[tlsPath(context, 'ciphers'), `${base}:@SECLEVEL=${level}`]]),
      risk: `Chain and name are still checked, with keys and hashes that ${level === 1 ? 'a well-equipped attacker may forge' : 'can be forged'}. Set it back when the certificate is new.`,
    }),
  ]
}

function revocationRemedies(the: Case): readonly Remedy[] {
  const { context, verdict } = the
  const { certificate, evidence } = verdict
  const subject = certificate === null ? 'the certificate' : quoted(certificate.subject)
  const issuer = certificate === null ? 'the issuer' : quoted(certificate.issuer)
  if (evidence['source'] === 'staple') {
    const action =
      evidence['state'] === 'missing'
        ? `On ${backendOf(context)}: switch OCSP stapling on for ${subject}.`
        : `On ${backendOf(context)}: see why the stapled OCSP response of ${subject} is not renewed; the server has to reach the OCSP responder of its CA.`
    return [
      remedy('backend-chain', { action, look: () => [opensslCommand(context, ' -status')] }),
      ownerMessage(the, `Please staple a current OCSP response for ${subject}: our gateway requires one.`),
    ]
  }
  const [url] = namesIn(evidence['crlUrls'])
  const where = url === undefined ? '' : `; that CA publishes it at ${onOneLine(url, 200)}`
  return [
    remedy('gateway', {
      action: `Put the current revocation list of ${issuer} into a CRL store of the target${where}. The file is watched: no restart is needed.`,
      look: () => [seeCommand(the)],
    }),
    ownerMessage(the, wishes['revocation-unknown'](subject)),
  ]
}

/** Less than an exception gives up: chain and name are verified as ever. */
function unchecked(the: Case): readonly Remedy[] {
  const { context, verdict } = the
  if (context.target === null || context.configFile === null || context.asOf !== null) return []
  const unset = verdict.evidence['source'] === 'crl' ? [tlsPath(context, 'crls')] : []
  return [
    remedy('exception', {
      action: `Only if requests must flow before the fault is mended: check no revocation of ${backendOf(context)}.`,
      commands: () => configSet(context, [[tlsPath(context, 'revocation'), 'off']], unset),
      risk: 'Chain and name are still verified; a certificate whose key was stolen is accepted until it expires. Set it back once the fault is mended.',
    }),
  ]
}
