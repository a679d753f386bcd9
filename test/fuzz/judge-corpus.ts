import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge } from '../../src/judge/judge.ts'
import type { JudgeInput, Judgement, Mode } from '../../src/judge/types.ts'
import type { Crl } from '../../src/x509/crl.ts'
import { readSuite, inputOf, type SuiteCase } from '../../tools/judge-cases.ts'
import {
  authority,
  directory,
  dns,
  extension,
  ip,
  list,
  mail,
  type Made,
  name,
  now,
  oid,
  type Parts,
  purposeOids,
  revocation,
  server,
  usage,
  utc,
} from '../judge/signed-pki.ts'
import { pem, tlv } from '../x509/der-make.ts'
import { fixedSigner, type Signer } from '../x509/signed-make.ts'
import { fixedRsaSigner } from './fixed-rsa.ts'

/** A case, and what the judge says about it as it stands. */
export interface Base {
  readonly suiteCase: SuiteCase
  /** Made here: every key is at hand, and each issuer has one revocation list at most. */
  readonly made: boolean
  readonly asked: (mode: Mode) => { readonly input: JudgeInput; readonly judgement: Judgement }
}

export interface Corpus {
  /** JSON of one case each. */
  readonly made: readonly Buffer[]
  /** Those of them with revocation lists. */
  readonly listed: readonly Buffer[]
  /** Of the suites; empty where there are none beside the repository. */
  readonly suites: readonly Buffer[]
  /** By public key, in base64 of its SPKI. */
  readonly signers: ReadonlyMap<string, Signer>
}

let corpus: Corpus | null = null

/** Made once, where it is needed: keys take a while. */
export function judgeCorpus(): Corpus {
  corpus ??= makeCorpus()
  return corpus
}

const bases = new WeakMap<Buffer, Base | null>()

/** null where the bytes hold no case. */
export function baseOf(text: Buffer): Base | null {
  let base = bases.get(text)
  if (base === undefined) {
    base = readBase(text)
    bases.set(text, base)
  }
  return base
}

function readBase(text: Buffer): Base | null {
  let suiteCase: SuiteCase
  try {
    suiteCase = JSON.parse(text.toString('utf8')) as SuiteCase
  } catch {
    return null
  }
  if (typeof suiteCase !== 'object' || suiteCase === null || typeof suiteCase.id !== 'string') return null
  const known = new Map<Mode, ReturnType<Base['asked']>>()
  return {
    suiteCase,
    made: suiteCase.id.startsWith(madePrefix),
    asked(mode) {
      let answer = known.get(mode)
      if (answer === undefined) {
        const input = inputOf(suiteCase, mode, now)
        answer = { input, judgement: judge(input) }
        known.set(mode, answer)
      }
      return answer
    },
  }
}

const madePrefix = 'made: '

function makeCorpus(): Corpus {
  const signers = new Map<string, Signer>()
  const kinds = [
    ['rsa', fixedRsaSigner],
    ['ed25519', fixedSigner],
  ] as const
  const made = kinds.flatMap(([kind, signerOf]) => {
    const cast = Array.from({ length: 7 }, (_, index) => signerOf(index + 1))
    for (const signer of cast) signers.set(signer.spki.toString('base64'), signer)
    return madeCases(kind, cast)
  })
  const texts = made.map(textOf)
  const listed = texts.filter((_, index) => made[index]?.crls !== undefined)
  return { made: texts, listed, suites: suiteCases().map(textOf), signers }
}

const textOf = (suiteCase: SuiteCase): Buffer => Buffer.from(JSON.stringify(suiteCase), 'utf8')

const suiteFolder = fileURLToPath(new URL('../../../shared/suites', import.meta.url))

function suiteCases(): SuiteCase[] {
  const today = new Date().toISOString()
  return globSync('*.json', { cwd: suiteFolder })
    .sort()
    .flatMap((file) =>
      readSuite(readFileSync(join(suiteFolder, file), 'utf8'), file).cases.map((suiteCase) => ({
        ...suiteCase,
        // A fixture says the same tomorrow.
        time: suiteCase.time ?? today,
        id: `${file}: ${suiteCase.id}`,
        description: '',
      })),
    )
}

interface Shape {
  readonly served: readonly Made[]
  readonly anchors?: readonly Made[]
  readonly crls?: readonly Crl[]
  readonly name?: string
  readonly rest?: Partial<SuiteCase>
}

function madeCases(kind: string, signers: readonly Signer[]): SuiteCase[] {
  const [one, two, three, four, five, six, seven] = signers as [Signer, Signer, Signer, Signer, Signer, Signer, Signer]
  let serial = 0
  const next = (): Buffer => Buffer.from([0x11, 0x22, 0x33, (serial += 1)])
  const ca = (title: string, signer: Signer, issuer: Made | null, parts: Parts = {}): Made =>
    authority(title, { signer, issuer, serial: next(), ...parts })
  const root = ca('Root', one, null)
  const upper = ca('Upper', two, root)
  const lower = ca('Lower', three, upper)
  const spare = ca('Spare', five, null)
  const leafOf = (issuer: Made, parts: Parts = {}): Made => server(issuer, { signer: four, serial: next(), ...parts })
  const leaf = leafOf(lower)
  const path = [leaf, lower, upper]
  const under = (parts: Parts): readonly Made[] => [leafOf(lower, parts), lower, upper]
  const below = (parts: Parts): readonly Made[] => {
    const issuer = ca('Upper', two, root, parts)
    return [leaf, lower, issuer]
  }
  const lists = (revoked: { readonly lower?: Made; readonly upper?: Made }): readonly Crl[] => {
    const others = [
      revocation(Buffer.from('7a01', 'hex')),
      revocation(Buffer.from('7a02', 'hex'), extension('2.5.29.21', tlv(0x0a, '\x01'))),
    ]
    const of = (it: Made | undefined): Buffer[] => (it === undefined ? [] : [revocation(it.facts.serialBytes)])
    return [
      list(lower, { entries: [...others, ...of(revoked.lower), revocation(Buffer.from('7a03', 'hex'))] }),
      list(upper, { entries: [...of(revoked.upper), ...others] }),
      list(root, { entries: others }),
    ]
  }
  const constrained = (permitted: string): Buffer =>
    extension('2.5.29.30', tlv(0x30, tlv(0xa0, tlv(0x30, dns(permitted)))), true)
  const policies = extension('2.5.29.32', tlv(0x30, tlv(0x30, oid('1.2.3.4'))))
  const otherRoot = ca('Other root', six, null)
  const crossed = ca('Upper', two, otherRoot)
  const imposter = ca('Upper', seven, root)
  const wide = { names: [dns('*.wild.test'), ip([192, 0, 2, 1]), dns('backend.test')] }

  const shapes: Readonly<Record<string, Shape>> = {
    good: { served: path },
    'good, no name': { served: path, rest: { name: undefined as never } },
    'good, short': { served: [leafOf(root)] },
    'good, with lists': { served: path, crls: lists({}) },
    'good, the leaf alone is looked up': {
      served: path,
      crls: lists({}),
      rest: { options: { crl_check: true } },
    },
    'good, wildcard': { served: under(wide), name: 'a.wild.test' },
    'good, address': { served: under(wide), name: '192.0.2.1' },
    'good, constrained': { served: below({ extensions: [constrained('test')] }) },
    'good, two paths': { served: [leaf, lower, crossed, upper], anchors: [root, otherRoot] },
    'good, namesake': { served: [leaf, lower, imposter, upper] },
    'good, policies': {
      served: [
        leafOf(lower, { extensions: [policies] }),
        ca('Lower', three, upper, { extensions: [policies] }),
        ca('Upper', two, root, { extensions: [policies] }),
      ],
      rest: {
        policies: { initial: ['1.2.3.4'], requireExplicit: true, inhibitMapping: false, inhibitAny: false },
      },
    },
    'revoked leaf': { served: path, crls: lists({ lower: leaf }) },
    'revoked leaf, the leaf alone is looked up': {
      served: path,
      crls: lists({ lower: leaf }),
      rest: { options: { crl_check: true } },
    },
    'revoked issuer': { served: path, crls: lists({ upper: lower }) },
    'no list': { served: path, crls: lists({}).slice(1) },
    'wildcard over two labels': { served: under(wide), name: 'a.b.wild.test' },
    'another name': { served: path, name: 'else.test' },
    'another address': { served: under(wide), name: '192.0.2.2' },
    'no alternative names': { served: under({ names: [] }) },
    'expired leaf': { served: under({ notAfter: utc('290101000000Z') }) },
    'expired issuer': { served: below({ notAfter: utc('290101000000Z') }) },
    'leaf of the future': { served: under({ notBefore: utc('310101000000Z') }) },
    'missing intermediate': { served: [leaf, upper] },
    'unknown root': { served: path, anchors: [spare] },
    'nobody trusted': { served: path, anchors: [] },
    'self-signed leaf': { served: [leafOf(authority('backend.test', { signer: four, serial: next() }))] },
    'issuer that is none': { served: below({ basic: { ca: false } }) },
    'issuer without basic constraints': { served: below({ basic: null }) },
    'issuer that may not sign': { served: below({ keyUsage: usage.crlSign }) },
    'path too long': { served: below({ basic: { ca: true, pathLength: 0 } }) },
    'outside of the constraints': { served: below({ extensions: [constrained('else.test')] }) },
    'constrained directory': {
      served: below({
        extensions: [extension('2.5.29.30', tlv(0x30, tlv(0xa1, tlv(0x30, directory(name('backend.test'))))), true)],
      }),
    },
    'constraints that cannot be read, behind a crowd of blemishes': {
      served: below({
        extensions: [
          extension('2.5.29.18', tlv(0x30, ...Array.from({ length: 40 }, () => mail('\x01')))),
          extension('2.5.29.30', tlv(0x30, '\xa0'), true),
        ],
      }),
    },
    'revoked leaf, behind an entry for another issuer': {
      served: path,
      crls: [
        list(lower, {
          entries: [
            revocation(
              Buffer.from('7a01', 'hex'),
              extension('2.5.29.29', tlv(0x30, directory(name('Somebody'))), true),
            ),
            revocation(leaf.facts.serialBytes),
          ],
        }),
        ...lists({}).slice(1),
      ],
    },
    'for clients': { served: under({ purposes: [purposeOids.client] }) },
    'unknown critical extension': { served: under({ extensions: [extension('1.2.3.4.5', tlv(0x05), true)] }) },
    'another key of the same name': { served: [leaf, lower, imposter] },
  }
  return Object.entries(shapes).map(([id, { served, anchors = [root, spare], crls, name: expected, rest }]) => {
    const [first, ...others] = served.map(({ facts }) => pem('CERTIFICATE', facts.der)) as [string, ...string[]]
    return {
      id: `${madePrefix}${kind}, ${id}`,
      leaf: first,
      intermediates: others,
      trusted: anchors.map(({ facts }) => pem('CERTIFICATE', facts.der)),
      ...(crls === undefined ? {} : { crls: crls.map(({ der }) => pem('X509 CRL', der)) }),
      time: new Date(now).toISOString(),
      purpose: 'server',
      name: { kind: /^\d/.test(expected ?? '') ? 'ip' : 'dns', value: expected ?? 'backend.test' },
      expect: id.startsWith('good') ? 'accept' : 'reject',
      ...rest,
    }
  })
}
