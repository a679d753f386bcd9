import type { CertificateRef, Remedy } from './model.ts'
import { elsewhereRemedies, storedRemedy } from './remedies-elsewhere.ts'
import type { MissingCertificate, RemedyContext } from './remedy-context.ts'
import {
  backendOf,
  type Case,
  configSet,
  exception,
  exportTo,
  hex,
  hostPort,
  isWritable,
  named,
  opensslCommand,
  ownerMessage,
  quoted,
  remedy,
  storeToChange,
  takenFrom,
  tlsPath,
} from './remedy-parts.ts'
import { fileStem, onOneLine, shellWord } from './shell.ts'

/* Faults of what is trusted and of what a chain lacks: the gateway's side can act with a certificate in its hands. */

export function missingRootRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const top = topOf(the)
  const { missing } = context
  const ask = ownerMessage(
    the,
    missing === null
      ? `Please send us the root certificate ${quoted(top?.issuer ?? 'at the end of your chain')} as a file, and its SHA-256 by another way.`
      : `Please confirm by another way that your chain ends in ${named(missing.ref)}.`,
  )
  const here = addRemedy(context, 'anchor', top, 'anchor')
  const behind = storedIsNewer(the) ? [moveRemedy(the, top), moveLetter(the, top)] : []
  return [
    ...behind.slice(0, 1),
    ...(here === null ? [] : [behind.length === 0 ? here : { ...here, action: forTheTimeBeing(here.action) }]),
    ...(behind.length === 0 ? [ask] : behind.slice(1)),
    ...(missing === null ? [] : elsewhereRemedies(context, missing, 'anchor')),
    ...exception(context, 'chain', the.verdict.code),
  ]
}

/**
 * The CA was rolled over, and the backend is the one that is behind: the root of that name that is stored began after what the
 * missing one had signed. A day is allowed for, as CAs backdate what they issue.
 */
function storedIsNewer(the: Case): boolean {
  const { sameNameOtherKey, sameNameOtherKeyIn, missing } = the.verdict.evidence
  const under = beginningOf(missing) ?? beginningOf(topOf(the))
  const stored = beginningOf(sameNameOtherKey)
  if (sameNameOtherKeyIn !== 'anchor' || under === null || stored === null) return false
  return stored > under + 86_400_000
}

function beginningOf(certificate: unknown): number | null {
  if (typeof certificate !== 'object' || certificate === null || !('notBefore' in certificate)) return null
  const begins = Date.parse(String(certificate.notBefore))
  return Number.isNaN(begins) ? null : begins
}

function moveRemedy(the: Case, top: CertificateRef | null): Remedy {
  return remedy('backend-chain', {
    action: `On ${backendOf(the.context)}: move to a certificate under the new root ${quoted(top?.issuer ?? '')}, which the store holds; what is served is still under the former root of that name.`,
    look: () => [opensslCommand(the.context)],
  })
}

function moveLetter(the: Case, top: CertificateRef | null): Remedy {
  return ownerMessage(
    the,
    `Please move to a certificate under the new root ${quoted(top?.issuer ?? '')}; until then send us the former root as a file, and its SHA-256 by another way.`,
  )
}

/** `Add ...` and `Obtain ...`, for as long as the backend takes to move. */
function forTheTimeBeing(action: string): string {
  return `Until it has moved, beside the new root: ${action.charAt(0).toLowerCase()}${action.slice(1)}`
}

export function missingIntermediateRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const { missing } = context
  const below = topOf(the)
  const issuer = missing?.ref.subject ?? below?.issuer ?? 'its issuer'
  const here = addRemedy(context, 'intermediate', below, 'intermediate')
  return [
    chainFileRemedy(the, issuer),
    ownerMessage(
      the,
      `Please let the server send ${quoted(issuer)} after its own certificate: every client that does not happen to have it refuses the connection.`,
    ),
    ...(here === null ? [] : [here]),
    ...(missing === null ? [] : elsewhereRemedies(context, missing, 'intermediate')),
    ...exception(context, 'chain', the.verdict.code),
  ]
}

export function unknownIssuerRemedies(the: Case): readonly Remedy[] {
  const { context } = the
  const top = topOf(the)
  const here = context.missing === null ? null : addRemedy(context, 'anchor', top, 'anchor')
  return [
    ...(here === null ? [] : [here]),
    ownerMessage(
      the,
      `Please tell us who ${quoted(top?.issuer ?? 'the issuer')} is: if it is an intermediate, let the server send it; if it is a root, send us its certificate as a file and its SHA-256 by another way.`,
      top?.authorityKeyId == null ? [] : [`wanted: the certificate with subject key id ${top.authorityKeyId}`],
    ),
    ...exception(context, 'chain', the.verdict.code),
  ]
}

export function selfSignedRemedies(the: Case): readonly Remedy[] {
  const { context, verdict } = the
  const pin: Remedy[] = []
  const { certificate } = verdict
  if (certificate !== null) {
    const missing = context.missing ?? {
      ref: certificate,
      from: 'served' as const,
      where: 'served by the backend',
      file: null,
      url: null,
    }
    const pinned = { ...context, missing }
    const here = addRemedy(pinned, 'anchor', certificate, 'pin')
    if (here !== null) pin.push(here)
    pin.push(...elsewhereRemedies(pinned, missing, 'anchor'))
  }
  const [first, ...others] = pin
  return [
    ...(first === undefined ? [] : [first]),
    ownerMessage(
      the,
      `Please let a CA that we trust issue the certificate for ${name(context)}: a self-signed one has to be exchanged here by hand each time it changes.`,
    ),
    ...others,
    ...exception(context, 'chain', verdict.code),
  ]
}

export function emptyStoreRemedies({ context }: Case): readonly Remedy[] {
  const { target, stores, storeNames } = context
  const unused = storeNames.filter((store) => !stores.some(({ name }) => name === store))
  if (target === null) {
    return [
      remedy('gateway', {
        action: 'Name what to trust: a store of a configuration, a bundle file, or the roots of the system.',
      }),
    ]
  }
  const choice = unused.length === 0 ? '' : ` There are: ${unused.map((store) => onOneLine(store)).join(', ')}.`
  const put = (place: string): string => `Put the root of ${backendOf(context)} into ${place}, as a certificate alone.`
  const upload = storedRemedy(context, { file: 'root.pem' }, put, risks.anchor(context))
  if (upload !== null) return [{ ...upload, look: [opensslCommand(context)] }]
  return [
    ...unused.slice(0, 1).map((store) =>
      remedy('gateway', {
        action: `Let ${backendOf(context)} trust the store that holds its CA.${choice}`,
        commands: () =>
          configSet(context, [[tlsPath(context, 'trust'), JSON.stringify([...stores.map(({ name }) => name), store])]]),
        risk: `Every certificate that the CAs of ${onOneLine(store)} issue for ${name(context)} is then accepted.`,
      }),
    ),
    remedy('gateway', {
      action: `Put the root of ${backendOf(context)} into a file, and name it as a source of a trust store.`,
      look: () => [opensslCommand(context)],
    }),
  ]
}

/** `postern trust add`, or in words what has to be at hand before it can be run. Null where there is no store to name. */
function addRemedy(
  context: RemedyContext,
  as: 'anchor' | 'intermediate',
  child: CertificateRef | null,
  role: 'anchor' | 'intermediate' | 'pin',
): Remedy | null {
  const { missing, configFile, serverName, host, port } = context
  const store = storeToChange(context.stores)
  if (missing === null) return wantedRemedy(context, as, child)
  const upload = (place: string): string =>
    `${role === 'pin' ? 'Pin' : 'Add'} ${named(missing.ref)}, found ${foundWhere(missing)}, ${role === 'pin' ? 'in' : 'to'} ${place}.`
  const stored = storedRemedy(context, { missing }, upload, risks[role](context))
  if (stored !== null) return stored
  if (store === null || configFile === null) {
    return remedy('gateway', {
      action: `Trust ${named(missing.ref)}, found ${foundWhere(missing)}: put it into a file of a trust store.`,
      commands: () => {
        const file = `${fileStem(missing.ref.subject)}.pem`
        const name = serverName === null || serverName === host ? '' : ` --server-name ${shellWord(serverName)}`
        const check = `${context.posternCommand} tls check --ca ${file}${name} ${shellWord(hostPort(host, port))}`
        // an intermediate alone anchors nothing, so there is nothing to try it with
        return [exportTo(context, missing.ref.sha256, file), ...(as === 'anchor' ? [check] : [])]
      },
      risk: confirmFirst(role === 'pin' ? 'the backend' : 'that CA'),
    })
  }
  const where =
    as === 'anchor' ? `trust store ${onOneLine(store.name)}` : `intermediates of trust store ${onOneLine(store.name)}`
  const verb = role === 'pin' ? 'Pin' : 'Add'
  const join = role === 'pin' ? 'in' : 'to the'
  return remedy('gateway', {
    action: `${verb} ${named(missing.ref)}, found ${foundWhere(missing)}, ${join} ${where}.`,
    commands: () => [
      trustAdd(
        context,
        store.name,
        as,
        `--sha256 ${hex(missing.ref.sha256)} ${takenFrom(context)}`,
        newFileFor(context, as),
      ),
    ],
    risk: risks[role](context),
  })
}

/** Nobody has the certificate: what to ask for, and the command for the day it is there. */
function wantedRemedy(
  context: RemedyContext,
  as: 'anchor' | 'intermediate',
  child: CertificateRef | null,
): Remedy | null {
  const store = storeToChange(context.stores)
  if (child === null) return null
  const file = `${fileStem(child.issuer)}.pem`
  const keyId = child.authorityKeyId
  const what = as === 'anchor' ? 'the root' : 'the intermediate'
  const obtain = `Obtain ${what} ${quoted(child.issuer)}${keyId === null ? '' : ` (subject key id ${hex(keyId)})`} from its owner as ${file}`
  const risk = as === 'anchor' ? risks.anchor(context) : ''
  const stored = storedRemedy(context, { file }, (place) => `${obtain}, then upload it to ${place}.`, risk)
  if (stored !== null) return stored
  return remedy('gateway', {
    action: `${obtain}, then add it to the trust store.`,
    commands: () =>
      store === null || context.configFile === null || keyId === null
        ? []
        : [
            trustAdd(
              context,
              store.name,
              as,
              `--key-id ${hex(keyId)} --file ${shellWord(file)}`,
              newFileFor(context, as),
            ),
          ],
    risk,
  })
}

function trustAdd(
  context: RemedyContext,
  store: string,
  as: 'anchor' | 'intermediate',
  which: string,
  newFile: string,
): string {
  const role = as === 'anchor' ? '' : ' --as intermediate'
  return `${context.posternCommand} trust add -c ${shellWord(context.configFile ?? '')} --store ${shellWord(store)}${role} ${which}${newFile}`
}

/** A store of variables and system roots has no file of its own: the command makes one beside the configuration. */
function newFileFor({ stores }: RemedyContext, as: 'anchor' | 'intermediate'): string {
  const store = storeToChange(stores)
  if (store === null || as === 'intermediate') return ''
  return isWritable(store) ? '' : ` --new-file ${shellWord(`./${store.name}-added.pem`)}`
}

function confirmFirst(whose: string): string {
  return `Compare the SHA-256 with what the owner of ${whose} states somewhere else: what came over the network proves nothing.`
}

const risks: Readonly<Record<'anchor' | 'intermediate' | 'pin', (context: RemedyContext) => string>> = {
  anchor: () => `Every target of this store then accepts what that CA issues. ${confirmFirst('that CA')}`,
  intermediate: () => 'None for trust, since it anchors nothing; other clients of the backend still refuse it.',
  pin: () =>
    `The backend's next certificate has to be added by hand before it changes. If this one is a CA, it may issue for other names too. ${confirmFirst('the backend')}`,
}

function chainFileRemedy(the: Case, issuer: string): Remedy {
  const { context } = the
  const { missing } = context
  const file = `${fileStem(issuer)}.pem`
  return remedy('backend-chain', {
    action: `On ${backendOf(context)}: append ${quoted(issuer)} to the certificate file after the leaf, and reload.`,
    commands: () => {
      const leaf = `${opensslCommand(context).replace(' -showcerts', '')} 2>/dev/null | openssl x509 > leaf.pem`
      const join = `cat leaf.pem ${shellWord(file)} > fullchain.pem`
      if (missing === null) return []
      return [exportTo(context, missing.ref.sha256, file), leaf, join]
    },
  })
}

function foundWhere({ from, where }: MissingCertificate): string {
  if (from === 'served') return 'in what the backend serves'
  return from === 'fetched' ? 'where the chain itself points (AIA)' : `in ${onOneLine(where)}`
}

/** The certificate whose issuer nobody has. */
function topOf({ chain, verdict }: Case): CertificateRef | null {
  return chain.path.at(chain.brokenAt ?? -1) ?? verdict.certificate
}

function name({ verifyNames, serverName, host, port }: RemedyContext): string {
  return onOneLine(verifyNames[0] ?? serverName ?? hostPort(host, port))
}
