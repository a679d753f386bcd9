import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { GeneralName } from '../../src/x509/general-name.ts'
import { checkIdentity, covers, presentedNames } from '../../src/x509/host-names.ts'
import { ipBytes, ipText } from '../../src/x509/ip-address.ts'

const dns = (...values: string[]): { subjectAltNames: GeneralName[] } => ({
  subjectAltNames: values.map((value) => ({ kind: 'dns', value })),
})
const ip = (...values: string[]): { subjectAltNames: GeneralName[] } => ({
  subjectAltNames: values.map((value) => ({ kind: 'ip', value })),
})

const cases: readonly {
  presented: { subjectAltNames: GeneralName[] }
  name: string
  covered: boolean
  why: string
}[] = [
  { presented: dns('api.example.com'), name: 'api.example.com', covered: true, why: 'the same name' },
  { presented: dns('API.Example.com'), name: 'api.EXAMPLE.com', covered: true, why: 'case does not count' },
  {
    presented: dns('api.example.com'),
    name: 'api.example.com.',
    covered: true,
    why: 'the dot of the root does not count',
  },
  { presented: dns('api.example.com'), name: 'api.example.com..', covered: false, why: 'two dots are no name' },
  { presented: dns('api.example.com'), name: 'example.com', covered: false, why: 'the parent is another name' },
  { presented: dns('*.example.com'), name: 'api.example.com', covered: true, why: 'a wildcard covers one label' },
  {
    presented: dns('*.example.com'),
    name: 'a.b.example.com',
    covered: false,
    why: 'a wildcard covers no more than one label',
  },
  { presented: dns('*.example.com'), name: 'example.com', covered: false, why: 'a wildcard does not cover its parent' },
  { presented: dns('*.com'), name: 'example.com', covered: false, why: 'a wildcard over a top-level label' },
  { presented: dns('*'), name: 'localhost', covered: false, why: 'a bare wildcard' },
  { presented: dns('f*.example.com'), name: 'foo.example.com', covered: false, why: 'a wildcard inside of a label' },
  {
    presented: dns('*a.example.com'),
    name: 'aa.example.com',
    covered: false,
    why: 'a wildcard before more of the label',
  },
  { presented: dns('api.*.com'), name: 'api.example.com', covered: false, why: 'a wildcard further right' },
  { presented: dns('*.*.com'), name: 'a.example.com', covered: false, why: 'two wildcards' },
  { presented: dns('*.example.com'), name: '*.example.com', covered: false, why: 'a pattern is not a host' },
  { presented: dns('*.example.com'), name: '.example.com', covered: false, why: 'an empty label' },
  { presented: dns('xn--bcher-kva.example'), name: 'bücher.example', covered: true, why: 'U-labels become A-labels' },
  { presented: dns('*.example.com'), name: 'xn--bcher-kva.example.com', covered: true, why: 'an A-label is one label' },
  { presented: dns('10.0.0.1'), name: '10.0.0.1', covered: false, why: 'an address only against iPAddress entries' },
  { presented: dns('*.0.0.1'), name: '10.0.0.1', covered: false, why: 'no wildcard over an address' },
  {
    presented: dns('my_service.internal'),
    name: 'my_service.internal',
    covered: true,
    why: 'an underscore matches itself',
  },
  { presented: dns('good.example\\00.evil.example'), name: 'good.example', covered: false, why: 'an escaped NUL' },
  { presented: dns('api.example.com'), name: '', covered: false, why: 'nothing' },
  { presented: dns(''), name: '', covered: false, why: 'nothing against nothing' },
  { presented: dns('localhost'), name: 'localhost', covered: true, why: 'a single label, exactly' },
  { presented: ip('10.0.0.1'), name: '10.0.0.1', covered: true, why: 'the same address' },
  { presented: ip('10.0.0.1'), name: '10.0.0.2', covered: false, why: 'another address' },
  {
    presented: ip('2001:db8::1'),
    name: '2001:0DB8:0:0:0:0:0:1',
    covered: true,
    why: 'another spelling of the same address',
  },
  { presented: ip('2001:db8::1'), name: '[2001:db8::1]', covered: true, why: 'brackets of a URL' },
  { presented: ip('::ffff:10.0.0.1'), name: '10.0.0.1', covered: false, why: 'a mapped address is another identity' },
  { presented: ip('fe80::1'), name: 'fe80::1%eth0', covered: false, why: 'a zone is not part of an identity' },
  { presented: ip('10.0.0.1'), name: '010.0.0.1', covered: false, why: 'octal spellings are not guessed' },
]

for (const { presented, name, covered, why } of cases) {
  const list = presented.subjectAltNames.map(({ value }) => value).join(' ')
  test(`"${list}" ${covered ? 'covers' : 'does not cover'} "${name}": ${why}`, () => {
    assert.equal(covers(presented, name), covered)
  })
}

test('mail and URI entries are no host names', () => {
  const names: GeneralName[] = [
    { kind: 'email', value: 'api.example.com' },
    { kind: 'uri', value: 'https://api.example.com' },
    { kind: 'other', value: 'api.example.com', tag: 0 },
  ]
  assert.equal(covers({ subjectAltNames: names }, 'api.example.com'), false)
  assert.deepEqual(presentedNames({ subjectAltNames: names }), [])
})

test('one of several expected names is enough, and a refusal says what was expected and presented', () => {
  const presented = dns('a.example.com', 'b.example.com')
  assert.deepEqual(checkIdentity(presented, ['x.example.com', 'b.example.com']), { ok: true })
  assert.deepEqual(checkIdentity(presented, ['x.example.com']), {
    ok: false,
    reason: 'name-mismatch',
    expected: ['x.example.com'],
    presented: ['a.example.com', 'b.example.com'],
  })
  assert.deepEqual(checkIdentity(dns(), ['x.example.com']), {
    ok: false,
    reason: 'no-subject-alternative-name',
    expected: ['x.example.com'],
    presented: [],
  })
  assert.equal(checkIdentity(presented, []).ok, false, 'no expectation is no pass')
})

test('addresses are read and written in every spelling', () => {
  const spellings: readonly [string, string][] = [
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['0:0:1:0:0:0:1:0', '0:0:1::1:0'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['192.0.2.255', '192.0.2.255'],
  ]
  for (const [text, canonical] of spellings) assert.equal(ipText(ipBytes(text) ?? Buffer.alloc(0)), canonical, text)
  for (const wrong of ['', '1.2.3', '256.0.0.1', ':::', '1::2::3', 'example.com', '12345::'])
    assert.equal(ipBytes(wrong), null, wrong)
})
