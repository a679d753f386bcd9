import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PolicyInput } from '../../src/judge/types.ts'
import { ask, sayingOf } from './ask.ts'
import {
  authority,
  directory,
  dns,
  extension,
  ip,
  mail,
  name,
  now,
  oid,
  type Parts,
  server,
  uri,
} from './signed-pki.ts'
import { tlv } from '../x509/der-make.ts'

const subtrees = (tag: number, bases: readonly Buffer[]): Buffer => tlv(tag, ...bases.map((base) => tlv(0x30, base)))

const constraints = (permitted: readonly Buffer[], excluded: readonly Buffer[] = []): Buffer =>
  extension(
    '2.5.29.30',
    tlv(
      0x30,
      ...(permitted.length > 0 ? [subtrees(0xa0, permitted)] : []),
      ...(excluded.length > 0 ? [subtrees(0xa1, excluded)] : []),
    ),
    true,
  )

const otherName = tlv(0xa0, oid('1.2.3.4'), tlv(0xa0, tlv(0x0c, 'x')))
const net = (...bytes: readonly number[]): Buffer => ip(bytes)

/** Permitted, excluded, names of the leaf, whether the CA may issue it. */
const nameRows: readonly (readonly [string, readonly Buffer[], readonly Buffer[], readonly Buffer[], boolean])[] = [
  ['a host below the permitted domain', [dns('corp.test')], [], [dns('a.b.corp.test')], true],
  ['the permitted domain itself', [dns('corp.test')], [], [dns('CORP.test')], true],
  ['a domain that only ends like it', [dns('corp.test')], [], [dns('notcorp.test')], false],
  ['one of two names outside', [dns('corp.test')], [], [dns('a.corp.test'), dns('else.test')], false],
  ['a host below a domain with a leading dot', [dns('.corp.test')], [], [dns('a.corp.test')], true],
  ['the domain itself where the constraint has a leading dot', [dns('.corp.test')], [], [dns('corp.test')], false],
  ['a wildcard within the permitted domain', [dns('corp.test')], [], [dns('*.corp.test')], true],
  ['an excluded host', [], [dns('bad.test')], [dns('a.bad.test')], false],
  ['a host that is not excluded', [], [dns('bad.test')], [dns('good.test')], true],
  [
    'an excluded host within a permitted domain',
    [dns('corp.test')],
    [dns('bad.corp.test')],
    [dns('bad.corp.test')],
    false,
  ],
  ['another kind of name than the constrained one', [dns('corp.test')], [], [net(10, 0, 0, 1)], true],
  ['an address in the network', [net(10, 0, 0, 0, 255, 0, 0, 0)], [], [net(10, 9, 8, 7)], true],
  ['an address outside of the network', [net(10, 0, 0, 0, 255, 0, 0, 0)], [], [net(11, 0, 0, 1)], false],
  [
    'an address of the other family',
    [net(10, 0, 0, 0, 255, 0, 0, 0)],
    [],
    [ip([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
    false,
  ],
  ['an excluded address', [], [net(10, 0, 0, 0, 255, 255, 255, 255)], [net(10, 0, 0, 0)], false],
  ['an address that is a network', [net(10, 0, 0, 0, 255, 0, 0, 0)], [], [net(10, 0, 0, 0, 255, 0, 0, 0)], false],
  ['a mailbox of the permitted host', [mail('corp.test')], [], [mail('a@corp.test')], true],
  ['a mailbox of a host below it', [mail('corp.test')], [], [mail('a@b.corp.test')], false],
  ['a mailbox of a host below a domain with a dot', [mail('.corp.test')], [], [mail('a@b.corp.test')], true],
  ['the permitted mailbox', [mail('a@corp.test')], [], [mail('a@CORP.test')], true],
  ['another mailbox', [mail('a@corp.test')], [], [mail('A@corp.test')], false],
  ['a mail address that is none', [mail('corp.test')], [], [mail('a@b@corp.test')], false],
  ['a URI of the permitted host', [uri('corp.test')], [], [uri('https://u@corp.test:8443/x')], true],
  ['a URI of a host below it', [uri('corp.test')], [], [uri('https://a.corp.test/')], false],
  ['a URI of a host below a domain with a dot', [uri('.corp.test')], [], [uri('https://a.corp.test/')], true],
  ['a URI without a host', [uri('corp.test')], [], [uri('urn:x:y')], false],
  ['a wildcard that is for an excluded host', [], [dns('bad.corp.test')], [dns('*.corp.test')], false],
  ['a wildcard beside an excluded host', [], [dns('bad.corp.test')], [dns('*.good.corp.test')], true],
  ['a DNS name with an empty label', [dns('corp.test')], [], [dns('.corp.test')], false],
  ['an excluded host with a dot behind it', [], [dns('bad.test')], [dns('bad.test.')], false],
  ['a mail address that is none, of an excluded host', [], [mail('bad.test')], [mail('a@b@bad.test')], false],
  ['a URI without a host where hosts are excluded', [], [uri('bad.test')], [uri('urn:x:y')], false],
  ['a URI with an address where hosts are excluded', [], [uri('bad.test')], [uri('https://10.0.0.1/')], false],
  ['a URI with a host that is not excluded', [], [uri('bad.test')], [uri('https://good.test/')], true],
  ['a network where addresses are excluded', [], [net(10, 0, 0, 0, 255, 0, 0, 0)], [ip([11, 0, 0, 0, 255])], false],
  ['a directory name within the permitted one', [directory(name('a'))], [], [directory(name('a', 'b'))], false],
  ['another name than the constrained kinds know', [], [otherName], [otherName], false],
  ['constraints of an unknown kind on nothing', [], [otherName], [dns('a.test')], true],
]

describe('name constraints', () => {
  for (const [sentence, permitted, excluded, names, allowed] of nameRows) {
    it(`${allowed ? 'allow' : 'refuse'} ${sentence}`, () => {
      const root = authority('Root')
      const bound = authority('Bound', { issuer: root, extensions: [constraints(permitted, excluded)] })
      const leaf = server(bound, { names, subject: tlv(0x30) })
      const judgement = ask({ time: now, served: [leaf.facts, bound.facts], anchors: [root.facts] })
      // The subject is empty, so that a directory constraint meets the alternative name alone; there it holds.
      const expected =
        allowed || sentence.startsWith('a directory name within') ? 'trusted' : 'name-constraint-violation at 0'
      assert.equal(sayingOf(judgement), expected)
    })
  }

  const judged = (root: Parts, upper: Parts, leaf: Parts): string => {
    const anchor = authority('Root', root)
    const middle = authority('Upper', { issuer: anchor, ...upper })
    const own = server(middle, leaf)
    return sayingOf(ask({ time: now, served: [own.facts, middle.facts], anchors: [anchor.facts] }))
  }

  it('of the anchor count, and those of CAs below only narrow them', () => {
    const wide = { extensions: [constraints([dns('corp.test'), dns('else.test')])] }
    const narrow = { extensions: [constraints([dns('corp.test')])] }
    assert.equal(judged(wide, narrow, { names: [dns('a.corp.test')] }), 'trusted')
    assert.equal(judged(wide, narrow, { names: [dns('else.test')] }), 'name-constraint-violation at 0')
    assert.equal(judged(narrow, wide, { names: [dns('else.test')] }), 'name-constraint-violation at 0')
  })

  it('bind the subject and what is used as a name in it', () => {
    const bound = { extensions: [constraints([directory(name('a'))])] }
    assert.equal(judged({}, bound, { subject: name('a', 'b') }), 'trusted')
    assert.equal(judged({}, bound, { subject: name('b', 'a') }), 'name-constraint-violation at 0')
    const hosts = { extensions: [constraints([dns('corp.test')])] }
    assert.equal(judged({}, hosts, { names: [], subject: name('www.else.test') }), 'name-constraint-violation at 0')
    assert.equal(judged({}, hosts, { names: [net(10, 0, 0, 1)], subject: name('10.0.0.1') }), 'trusted')
    assert.equal(judged({}, hosts, { names: [], subject: name('Some Person') }), 'trusted')
  })

  it('do not bind a CA that renews its own key, and do bind a leaf', () => {
    const root = authority('Same', { extensions: [constraints([dns('corp.test')])] })
    const renewed = authority('Same', { issuer: root, names: [dns('else.test')] })
    const leaf = server(renewed, { names: [dns('a.corp.test')] })
    assert.equal(sayingOf(ask({ time: now, served: [leaf.facts, renewed.facts], anchors: [root.facts] })), 'trusted')
    const own = server(root, { subject: name('Same'), names: [dns('else.test')] })
    assert.equal(
      sayingOf(ask({ time: now, served: [own.facts], anchors: [root.facts] })),
      'name-constraint-violation at 0',
    )
  })

  it('are bounded where every CA of a long path constrains many names', () => {
    const root = authority('Root')
    let issuer = root
    const served = []
    const many = Array.from({ length: 100 }, (_, index) => dns(`n${index}.test`))
    for (let depth = 0; depth < 60; depth += 1) {
      issuer = authority(`Sub ${depth}`, { issuer, names: many, extensions: [constraints([dns('test')])] })
      served.unshift(issuer.facts)
    }
    const leaf = server(issuer)
    assert.equal(ask({ time: now, served: [leaf.facts, ...served], anchors: [root.facts] }).code, 'too-complex')
    const short = served.slice(-3)
    const last = ask({ time: now, served: short, anchors: [root.facts], purpose: 'any' })
    assert.equal(last.code, 'trusted')
  })

  it('lead to another path where one of two CAs may not issue it', () => {
    const root = authority('Root')
    const bound = authority('Issuing', { issuer: root, extensions: [constraints([dns('corp.test')])] })
    const free = authority('Issuing', { issuer: root, signer: bound.signer })
    const leaf = server(bound, { names: [dns('else.test')] })
    const judgement = ask({ time: now, served: [leaf.facts, bound.facts, free.facts], anchors: [root.facts] })
    assert.equal(sayingOf(judgement), 'trusted')
    assert.equal(judgement.path[1]?.certificate, free.facts)
  })
})

const policy = (number: number): string => `1.2.3.${number}`
const anyPolicy = '2.5.29.32.0'
const policies = (...oids: readonly string[]): Buffer =>
  extension('2.5.29.32', tlv(0x30, ...oids.map((it) => tlv(0x30, oid(it)))))
const mappings = (...pairs: readonly (readonly [string, string])[]): Buffer =>
  extension('2.5.29.33', tlv(0x30, ...pairs.map(([one, other]) => tlv(0x30, oid(one), oid(other)))), true)
const policyConstraints = (requireExplicit: number | null, inhibitMapping: number | null = null): Buffer =>
  extension(
    '2.5.29.36',
    tlv(
      0x30,
      ...(requireExplicit === null ? [] : [tlv(0x80, Buffer.from([requireExplicit]))]),
      ...(inhibitMapping === null ? [] : [tlv(0x81, Buffer.from([inhibitMapping]))]),
    ),
    true,
  )
const inhibitAny = (skip: number): Buffer => extension('2.5.29.54', tlv(0x02, Buffer.from([skip])), true)

const input = (over: Partial<PolicyInput> = {}): PolicyInput => ({
  initial: [anyPolicy],
  requireExplicit: true,
  inhibitMapping: false,
  inhibitAny: false,
  ...over,
})

/** Extensions of the upper CA, of the lower, of the leaf, what is asked, what is said. */
const policyRows: readonly (readonly [
  string,
  readonly Buffer[],
  readonly Buffer[],
  readonly Buffer[],
  PolicyInput | null,
  string,
])[] = [
  ['one policy all the way', [policies(policy(1))], [policies(policy(1))], [policies(policy(1))], input(), 'trusted'],
  ['no policy where none is asked for', [], [], [], input({ requireExplicit: false }), 'trusted'],
  ['no policy where one is asked for', [], [], [], input(), 'policy-violation at 2'],
  [
    'policies that end on the way',
    [policies(policy(1))],
    [policies(policy(1))],
    [policies(policy(2))],
    input(),
    'policy-violation at 0',
  ],
  [
    'the wrong policy for the user',
    [policies(policy(1))],
    [policies(policy(1))],
    [policies(policy(1))],
    input({ initial: [policy(2)] }),
    'policy-violation at 0',
  ],
  [
    'one of the right policies',
    [policies(policy(1), policy(2))],
    [policies(policy(2))],
    [policies(policy(2))],
    input({ initial: [policy(2), policy(3)] }),
    'trusted',
  ],
  [
    'any policy above a stated one',
    [policies(anyPolicy)],
    [policies(anyPolicy)],
    [policies(policy(1))],
    input({ initial: [policy(1)] }),
    'trusted',
  ],
  [
    'any policy in the leaf',
    [policies(policy(1))],
    [policies(policy(1))],
    [policies(anyPolicy)],
    input({ initial: [policy(1)] }),
    'trusted',
  ],
  [
    'any policy where it is inhibited',
    [policies(policy(1))],
    [policies(policy(1))],
    [policies(anyPolicy)],
    input({ inhibitAny: true }),
    'policy-violation at 0',
  ],
  [
    'any policy below a CA that inhibits it',
    [policies(policy(1)), inhibitAny(0)],
    [policies(anyPolicy)],
    [policies(policy(1))],
    input(),
    'policy-violation at 1',
  ],
  [
    'any policy one step above where it is inhibited',
    [policies(policy(1)), inhibitAny(1)],
    [policies(anyPolicy)],
    [policies(policy(1))],
    input(),
    'trusted',
  ],
  [
    'a mapped policy',
    [policies(policy(1)), mappings([policy(1), policy(2)])],
    [policies(policy(2))],
    [policies(policy(2))],
    input({ initial: [policy(1)] }),
    'trusted',
  ],
  [
    'a mapped policy asked for by its new name',
    [policies(policy(1)), mappings([policy(1), policy(2)])],
    [policies(policy(2))],
    [policies(policy(2))],
    input({ initial: [policy(2)] }),
    'policy-violation at 0',
  ],
  [
    'a mapped policy where mapping is inhibited',
    [policies(policy(1)), mappings([policy(1), policy(2)])],
    [policies(policy(2))],
    [policies(policy(2))],
    input({ inhibitMapping: true }),
    'policy-violation at 1',
  ],
  [
    'a mapping below a CA that inhibits mapping',
    [policies(policy(1)), policyConstraints(null, 0)],
    [policies(policy(1)), mappings([policy(1), policy(2)])],
    [policies(policy(2))],
    input(),
    'policy-violation at 0',
  ],
  [
    'a mapping from any policy',
    [policies(policy(1)), mappings([anyPolicy, policy(2)])],
    [policies(policy(2))],
    [policies(policy(2))],
    input(),
    'policy-violation at 2',
  ],
  [
    'a mapping below any policy',
    [policies(anyPolicy), mappings([policy(1), policy(2)])],
    [policies(policy(2))],
    [policies(policy(2))],
    input({ initial: [policy(1)] }),
    'trusted',
  ],
  [
    'a CA that demands a policy of those below',
    [policies(policy(1)), policyConstraints(0)],
    [policies(policy(1))],
    [],
    null,
    'policy-violation at 0',
  ],
  [
    'a CA that demands a policy further down than the path goes',
    [policies(policy(1)), policyConstraints(3)],
    [],
    [],
    null,
    'trusted',
  ],
  [
    'a leaf that demands a policy of itself',
    [policies(policy(1))],
    [policies(policy(1))],
    [policyConstraints(0)],
    null,
    'policy-violation at 0',
  ],
]

describe('certificate policies', () => {
  it('count the CAs below the one that sets a limit', () => {
    const judged = (
      upper: readonly Buffer[],
      lower: readonly Buffer[],
      leaf: readonly Buffer[],
      asked: PolicyInput | null,
    ) => {
      const root = authority('Root')
      const top = authority('Top', { issuer: root, extensions: upper })
      const middle = authority('Middle', { issuer: top, extensions: [policies(policy(1))] })
      const issuing = authority('Issuing', { issuer: middle, extensions: lower })
      const own = server(issuing, { extensions: leaf })
      const served = [own, issuing, middle, top].map(({ facts }) => facts)
      return sayingOf(ask({ time: now, served, anchors: [root.facts], policies: asked }))
    }
    const one = policies(policy(1))
    const mapped = [one, mappings([policy(1), policy(2)])]
    const two = [policies(policy(2))]
    assert.equal(judged([one, policyConstraints(null, 2)], mapped, two, input()), 'trusted')
    assert.equal(judged([one, policyConstraints(null, 1)], mapped, two, input()), 'policy-violation at 0')
    assert.equal(judged([one, inhibitAny(2)], [policies(anyPolicy)], [one], input()), 'trusted')
    assert.equal(judged([one, inhibitAny(1)], [policies(anyPolicy)], [one], input()), 'policy-violation at 1')
    // The leaf counts as one more at the end (RFC 5280 section 6.1.5 (a)).
    assert.equal(judged([policyConstraints(4)], [], [], null), 'trusted')
    assert.equal(judged([policyConstraints(3)], [], [], null), 'policy-violation at 0')
  })

  for (const [sentence, upper, lower, leaf, asked, says] of policyRows) {
    it(`${says === 'trusted' ? 'allow' : 'refuse'} ${sentence}`, () => {
      const root = authority('Root')
      const second = authority('Upper', { issuer: root, extensions: upper })
      const first = authority('Lower', { issuer: second, extensions: lower })
      const own = server(first, { extensions: leaf })
      const served = [own.facts, first.facts, second.facts]
      assert.equal(sayingOf(ask({ time: now, served, anchors: [root.facts], policies: asked })), says)
    })
  }

  it('are bounded where many map to many', () => {
    const count = 180
    const all = Array.from({ length: count }, (_, index) => policy(index + 1))
    const pairs = all.flatMap((one) => all.map((other) => [one, other] as const))
    let issuer = authority('Root')
    const anchor = issuer
    const served = []
    for (let depth = 0; depth < 3; depth += 1) {
      issuer = authority(`Sub ${depth}`, { issuer, extensions: [policies(...all), mappings(...pairs)] })
      served.unshift(issuer.facts)
    }
    const leaf = server(issuer, { extensions: [policies(policy(1))] })
    const judgement = ask({ time: now, served: [leaf.facts, ...served], anchors: [anchor.facts], policies: input() })
    assert.equal(judgement.code, 'too-complex')
  })
})
