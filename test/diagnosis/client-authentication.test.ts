import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clientAuthentication } from '../../src/diagnosis/client-authentication.ts'
import { createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import type { CapturedHandshake } from '../../src/wire/tls/captured-handshake.ts'
import { serverPlan } from '../support/server-plan.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'

const now = Date.now()
const root = await createRoot({ commonName: 'Root' })
const other = await createRoot({ commonName: 'Other' })
const purposes = ['clientAuth'] as const
const ec = await createLeaf(root, { names: ['ec'], purposes })
const rsa = await createLeaf(root, { names: ['rsa'], purposes, key: 'rsa-2048' })
const forServers = await createLeaf(root, { names: ['server'], purposes: ['serverAuth'] })
const ended = await createLeaf(root, {
  names: ['ended'],
  purposes,
  notBefore: new Date(now - 2 * 86_400_000),
  notAfter: new Date(now - 86_400_000),
})
const named = ({ certificate }: Identity): Buffer => parseCertificate(certificate).subject.der

const rows: readonly {
  readonly what: string
  readonly holds: Identity | null
  readonly issuers?: readonly Buffer[]
  readonly signatureAlgorithms?: readonly number[]
  readonly version?: string
  readonly matches: boolean
  readonly why: RegExp
}[] = [
  { what: 'any authority', holds: ec, matches: true, why: /names no authorities/ },
  { what: 'its root', holds: ec, issuers: [named(root)], matches: true, why: /leads to an authority/ },
  { what: 'its root among others', holds: ec, issuers: [named(other), named(root)], matches: true, why: /leads to/ },
  {
    what: 'another root',
    holds: ec,
    issuers: [named(other)],
    matches: false,
    why: /issued by "CN=Root", none of which/,
  },
  {
    what: 'a name that is none',
    holds: ec,
    issuers: [Buffer.from('0500', 'hex')],
    matches: false,
    why: /none of which/,
  },
  { what: 'nothing to show', holds: null, matches: false, why: /none to show/ },
  {
    what: 'an RSA key where ECDSA is wanted',
    holds: rsa,
    signatureAlgorithms: [0x0403],
    matches: false,
    why: /key is rsa 2048, .* ecdsa_secp256r1_sha256 only/,
  },
  {
    what: 'an RSA key by PKCS #1 in TLS 1.3',
    holds: rsa,
    signatureAlgorithms: [0x0401],
    matches: false,
    why: /rsa_pkcs1_sha256 only/,
  },
  {
    what: 'the same in TLS 1.2',
    holds: rsa,
    signatureAlgorithms: [0x0401],
    version: 'TLSv1.2',
    matches: true,
    why: /accepts signatures/,
  },
  {
    what: 'another curve in TLS 1.3',
    holds: ec,
    signatureAlgorithms: [0x0503],
    matches: false,
    why: /ecdsa_secp384r1_sha384 only/,
  },
  { what: 'its curve', holds: ec, signatureAlgorithms: [0x0503, 0x0403], matches: true, why: /accepts signatures/ },
  { what: 'an unknown scheme', holds: ec, signatureAlgorithms: [0xfefe], matches: false, why: /0xFEFE only/ },
  { what: 'one for servers', holds: forServers, matches: false, why: /clientAuth/ },
  { what: 'one that has ended', holds: ended, matches: false, why: /ended/ },
]

describe('what a server asks of its client against what is held', () => {
  for (const { what, holds, issuers = [], signatureAlgorithms = [], version = 'TLSv1.3', matches, why } of rows) {
    it(what, () => {
      const facts = clientAuthentication(
        holding(holds),
        { version, certificateRequest: { issuers, signatureAlgorithms } } as unknown as CapturedHandshake,
        now,
      )
      assert.equal(facts.matches, matches, facts.why)
      assert.match(facts.why, why)
      assert.equal(facts.asked, true)
      assert.doesNotMatch(JSON.stringify(facts), /PRIVATE/)
    })
  }

  it('a server that does not ask, and one that was not seen, match nothing', () => {
    const quiet = { version: 'TLSv1.3', certificateRequest: null } as unknown as CapturedHandshake
    assert.deepEqual(
      [clientAuthentication(holding(ec), quiet, now).matches, clientAuthentication(holding(ec), null, now).matches],
      [null, null],
    )
  })
})

function holding(identity: Identity | null) {
  const tls = { clientCertificate: identity === null ? null : { chain: identity.chainPem, key: identity.keyPem } }
  return serverPlan({ port: 443, tls: tls as never })
}
