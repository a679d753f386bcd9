import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import type { Finding, Remedy } from '../../src/verdict/model.ts'
import type { MissingCertificate, RemedyContext } from '../../src/verdict/remedy-context.ts'
import { remediesFor, remediesForLog } from '../../src/verdict/remedies.ts'
import { bareContext } from '../../src/verdict/remedy-context.ts'
import { context, diagnosed, fullChain, issuing, leaf, now, path, ref, root, served, usualCase } from './cases.ts'

const ofKind = (remedies: readonly Remedy[], kind: Remedy['kind']): Remedy | undefined =>
  remedies.find((remedy) => remedy.kind === kind)
const commandsOf = (remedies: readonly Remedy[], kind: Remedy['kind']): readonly string[] =>
  ofKind(remedies, kind)?.commands ?? []

const noFacts = { versions: null, ciphers: null, serverName: null, plainProtocol: null, alpn: null }

const missingRoot: MissingCertificate = {
  ref: root,
  from: 'fetched',
  where: 'http://pki.corp/root.cer',
  file: null,
  url: 'http://pki.corp/root.cer',
}

describe('a missing root', () => {
  const at = {
    at: 1,
    certificate: issuing,
    chain: { served: served(leaf, issuing), path: path([leaf, 'served'], [issuing, 'served']), brokenAt: 1 },
  }

  it('is added to the store by the one fingerprint, from where it was found', () => {
    const remedies = remediesFor(diagnosed('missing-root', at), context({ missing: missingRoot }))
    assert.deepEqual(remedies[0]?.commands, [
      `postern trust add -c /etc/postern/postern.yaml --store corp --sha256 ${root.sha256} --url http://pki.corp/root.cer`,
    ])
    assert.match(remedies[0].action, /"CN=Corp Root CA, O=Corp"/)
    assert.match(remedies[0].risk, /Compare the SHA-256/)
  })

  it('is taken from a file, from what is served, or from another store, as it was found', () => {
    const from = (more: Partial<MissingCertificate>) =>
      remediesFor(diagnosed('missing-root', at), context({ missing: { ...missingRoot, url: null, ...more } }))[0]
        ?.commands[0]
    assert.match(from({ from: 'known', file: '/srv/a b/root.pem' }) ?? '', / --file '\/srv\/a b\/root.pem'$/)
    assert.match(from({ from: 'served' }) ?? '', / --from billing$/)
    assert.match(from({ from: 'known' }) ?? '', / --known$/)
  })

  it('that nobody has is asked for by name and key id, with the command for the day it comes', () => {
    const child = { ...issuing, authorityKeyId: 'AABBCCDD' }
    const chain = { served: served(leaf, child), path: path([leaf, 'served'], [child, 'served']), brokenAt: 1 }
    const remedies = remediesFor(diagnosed('missing-root', { at: 1, certificate: child, chain }), context())
    assert.match(remedies[0]?.action ?? '', /^Obtain the root "CN=Corp Root CA, O=Corp" \(subject key id AABBCCDD\)/)
    assert.match(remedies[0]?.commands[0] ?? '', / --key-id AABBCCDD --file corp-root-ca\.pem$/)
    assert.match(
      ofKind(remedies, 'owner-message')?.message ?? '',
      /send us the root certificate "CN=Corp Root CA, O=Corp"/,
    )
  })

  it('for Kubernetes and Edge: the same certificate, in the form they take, without losing what is there', () => {
    const stores = [
      {
        name: 'corp',
        sources: [{ kind: 'env' as const, path: '/etc/postern/ca/my-inter-ca.crt' }],
        intermediates: [],
        partialChain: false,
        anchors: 1,
      },
    ]
    const edge = { url: 'https://edge.internal:8080', organization: 'acme', environment: 'test' }
    const kubernetes = { namespace: 'gw', secret: 'self-signed-ca', key: 'my-inter-ca.crt' }
    const remedies = remediesFor(
      diagnosed('missing-root', at),
      context({ missing: missingRoot, stores, edge, kubernetes }),
    )
    const [fetch, replace] = commandsOf(remedies, 'kubernetes-secret')
    assert.match(fetch ?? '', /^postern trust export --sha256 \S+ --url \S+ > corp-root-ca\.pem$/)
    assert.match(
      replace ?? '',
      / && kubectl create secret generic -n gw self-signed-ca --from-file=my-inter-ca\.crt=my-inter-ca\.crt\.new --dry-run=client -o yaml \| kubectl apply -n gw -f -$/,
    )
    const upload = commandsOf(remedies, 'edge-management-api').at(-1) ?? ''
    assert.match(
      upload,
      /-F certFile=@corp-root-ca\.pem "https:\/\/edge\.internal:8080\/v1\/o\/acme\/e\/test\/keystores\/.*\/aliases\?alias=corp-root-ca&format=keycertfile"$/,
    )
    // a store without a file of its own gets one
    assert.match(remedies[0]?.commands[0] ?? '', / --new-file \.\/corp-added\.pem$/)
  })
})

describe('the Secret', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-secret-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const kubernetes = { namespace: null, secret: 'self-signed-ca', key: 'ca.crt' }
  const remedies = remediesFor(usualCase('missing-root'), context({ missing: missingRoot, kubernetes }))
  const replace = commandsOf(remedies, 'kubernetes-secret').at(-1) ?? assert.fail()
  // `get` prints what the test put into `held`; `create` prints the file it is given; `apply` keeps that
  const kubectl = `#!/bin/sh
case "$1" in
get) cat held ;;
create) cat ca.crt.new ;;
apply) cat > applied ;;
esac
`
  const run = (held: string): string | null => {
    rmSync(join(directory, 'applied'), { force: true })
    writeFileSync(join(directory, 'kubectl'), kubectl)
    chmodSync(join(directory, 'kubectl'), 0o755)
    writeFileSync(join(directory, 'held'), held)
    writeFileSync(join(directory, 'corp-root-ca.pem'), 'NEW\n')
    const PATH = [directory, process.env['PATH'] ?? ''].join(delimiter)
    spawnSync('sh', ['-c', replace], { cwd: directory, env: { PATH } })
    return existsSync(join(directory, 'applied')) ? readFileSync(join(directory, 'applied'), 'utf8') : null
  }

  it('keeps what it held and gets the one certificate more', () => assert.equal(run('OLD'), 'OLD\nNEW\n'))

  it('is not replaced where what it held could not be read', () => assert.equal(run(''), null))
})

describe('a missing intermediate', () => {
  const missing: MissingCertificate = {
    ref: issuing,
    from: 'fetched',
    where: 'AIA',
    file: null,
    url: 'http://pki.corp/ica.cer',
  }
  const remedies = remediesFor(usualCase('missing-intermediate'), context({ missing }))

  it('is first the chain file of the backend, and here only an intermediate, never an anchor', () => {
    assert.deepEqual(
      remedies.map(({ kind }) => kind),
      ['backend-chain', 'owner-message', 'gateway', 'edge-management-api', 'exception'],
    )
    assert.match(remedies[0]?.commands.at(-1) ?? '', /^cat leaf\.pem corp-issuing-ca\.pem > fullchain\.pem$/)
    assert.match(commandsOf(remedies, 'gateway')[0] ?? '', / --as intermediate --sha256 /)
  })
})

describe('a name mismatch', () => {
  it('offers a name of the certificate first where it belongs to the backend by all appearances', () => {
    const plausible: readonly (readonly [presented: string, host: string, said: string])[] = [
      ['billing.corp.example', '10.0.0.7', 'billing.corp.example'],
      ['host7.internal', 'host7.internal', 'host7.internal'],
      ['billing', '10.0.0.7', 'billing'],
      ['*.corp.example', '10.0.0.7', 'billing.corp.example'],
    ]
    for (const [presented, host, said] of plausible) {
      const remedies = remediesFor(mismatch([presented]), context({ host }))
      assert.deepEqual(remedies[0]?.commands, [
        `postern config set -c /etc/postern/postern.yaml targets.billing.tls.serverName ${said}`,
      ])
      assert.match(remedies[0].risk, /SNI/)
    }
  })

  it('has the gateway check the change where the configuration names stores that it alone has', () => {
    const admin = 'http://127.0.0.1:8090'
    const remedies = remediesFor(mismatch(['billing.corp.example']), context({ admin }))
    const changes = remedies.flatMap(({ commands }) => commands).filter((each) => each.includes('config set'))
    assert.ok(changes.length >= 2)
    for (const change of changes)
      assert.match(change, /config set -c \/etc\/postern\/postern\.yaml --admin http:\/\/127\.0\.0\.1:8090 /)
  })

  it('leaves it to the backend first where the names have nothing to do with it', () => {
    const remedies = remediesFor(mismatch(['shop.elsewhere.example']), context())
    assert.deepEqual(
      remedies.map(({ kind }) => kind),
      ['backend-chain', 'owner-message', 'gateway', 'exception'],
    )
  })

  it('sets subjectAltNames where that is what decides, or where the name is an address', () => {
    const target = {
      name: 'billing',
      url: 'https://10.0.0.7',
      serverNamePath: 'targets.billing.tls.serverName',
      hasSubjectAltNames: true,
    }
    const set = remediesFor(mismatch(['billing.corp.example']), context({ target }))
    assert.match(set[0]?.commands[0] ?? '', /targets\.billing\.tls\.subjectAltNames '\["billing\.corp\.example"\]'$/)
    const address = remediesFor(mismatch(['10.0.0.7']), context())
    assert.match(address[0]?.commands[0] ?? '', /targets\.billing\.tls\.subjectAltNames '\["10\.0\.0\.7"\]'$/)
  })

  it('never offers what is no name: a bare wildcard, another label, text of any kind', () => {
    for (const presented of ['*', '*.*', 'a b', "x'; touch pwned; '", '-c', 'a..b', '']) {
      const remedies = remediesFor(mismatch([presented]), context())
      assert.equal(ofKind(remedies, 'gateway'), undefined, presented)
    }
  })
})

describe('the handshake', () => {
  const facts = noFacts

  it('an old version is the backend to renew first, then an exception that says what it gives up', () => {
    const remedies = remediesFor(
      diagnosed('protocol-version'),
      context({ facts: { ...facts, versions: ['TLSv1', 'TLSv1.1'] } }),
    )
    assert.equal(remedies[0]?.kind, 'backend-chain')
    assert.deepEqual(remedies.at(-1)?.commands, [
      'postern config set -c /etc/postern/postern.yaml targets.billing.tls.minVersion TLSv1.1 targets.billing.tls.ciphers TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:DEFAULT:@SECLEVEL=0',
    ])
    assert.equal(remedies.at(-1)?.kind, 'exception')
  })

  it('a version that the target itself switched off is switched on again, at no risk', () => {
    const remedies = remediesFor(
      diagnosed('protocol-version'),
      context({ maxVersion: 'TLSv1.2', facts: { ...facts, versions: ['TLSv1.3'] } }),
    )
    assert.deepEqual(remedies[0]?.commands, [
      'postern config set -c /etc/postern/postern.yaml targets.billing.tls.maxVersion TLSv1.3',
    ])
    assert.equal(remedies[0].risk, '')
  })

  it('a version that the target itself switched off is nothing to write to the backend about', () => {
    for (const where of [context(), bareContext('a', 443, now)]) {
      const remedies = remediesFor(diagnosed('protocol-version', { party: 'gateway' }), {
        ...where,
        maxVersion: 'TLSv1.2',
        facts: { ...facts, versions: ['TLSv1.3'] },
      })
      assert.deepEqual(
        remedies.map(({ kind }) => kind),
        ['gateway'],
      )
    }
  })

  it('an application protocol that the backend wants is spoken', () => {
    const alert = (alpn: readonly string[]) =>
      remediesFor(
        diagnosed('peer-alert', { evidence: { alert: 120, offered: ['http/1.1'] } }),
        context({ facts: { ...facts, alpn } }),
      )
    assert.deepEqual(alert(['h2'])[0]?.commands, [
      "postern config set -c /etc/postern/postern.yaml targets.billing.tls.alpn '[h2]'",
    ])
    assert.equal(alert(['mqtt'])[0]?.commands.length, 0)
    assert.match(ofKind(alert(['mqtt']), 'owner-message')?.message ?? '', /server accepts: mqtt/)
  })

  it('a name that is refused: the one that was found to work, else how to find one', () => {
    const refused = (more: Partial<RemedyContext>) => remediesFor(diagnosed('server-name-rejected'), context(more))[0]
    const tried = { withName: false, withoutName: false, sameCertificate: false }
    const named = refused({ serverName: null, facts: { ...facts, serverName: { ...tried, withName: true } } })
    assert.match(named?.commands[0] ?? '', / targets\.billing\.tls\.serverName billing\.internal$/)
    const nameless = refused({ facts: { ...facts, serverName: { ...tried, withoutName: true } } })
    assert.match(nameless?.action ?? '', /without a name \(SNI\) it goes on/)
    assert.match(nameless?.commands[0] ?? '', /^SERVER_NAME=.* targets\.billing\.tls\.serverName "\$SERVER_NAME"$/)
    const silent = refused({ facts: { ...facts, serverName: tried } })
    assert.match(silent?.action ?? '', /answers with no certificate either/)
  })

  it('a client certificate of ours that has ended is renewed, and nobody is asked why', () => {
    const own = {
      certificateFile: '/etc/postern/billing-client.crt',
      keyFile: '/etc/postern/billing-client.key',
      subject: 'CN=gw',
      issuers: ['CN=Client Root'],
    }
    const shown = (notAfter: string) =>
      remediesFor(
        diagnosed('client-certificate-rejected'),
        context({ clientCertificate: { ...own, notAfter }, acceptableIssuers: ['CN=Client Root'] }),
      )
    assert.match(
      shown('2026-05-01T00:00:00Z')[0]?.action ?? '',
      /^Renew our client certificate "CN=gw" .* ended 2026-05-01/,
    )
    assert.equal(ofKind(shown('2026-05-01T00:00:00Z'), 'owner-message'), undefined)
    // its key is in use until the new certificate is there
    assert.match(shown('2026-05-01T00:00:00Z')[1]?.commands[0] ?? '', / -keyout \/etc\/postern\/billing-client-2\.key /)
    assert.match(shown('2026-07-01T00:00:00Z')[0]?.action ?? '', /^Look at the certificate/)
  })

  it('a cipher suite that the server accepts is added, and a broken one is not', () => {
    const suite = (ciphers: readonly string[]) =>
      remediesFor(diagnosed('no-shared-cipher'), context({ facts: { ...facts, ciphers } }))
    assert.match(
      suite(['TLS_AES_128_CCM_SHA256'])[0]?.commands[0] ?? '',
      / targets\.billing\.tls\.ciphers TLS_AES_128_CCM_SHA256:TLS_AES_256_GCM_SHA384:/,
    )
    const weak = suite(['TLS_RSA_WITH_AES_128_CBC_SHA'])
    assert.equal(weak[0]?.party, 'backend')
    assert.match(weak.at(-1)?.risk ?? '', /forward secrecy/)
    assert.equal(weak.at(-1)?.kind, 'exception')
    assert.equal(ofKind(suite(['TLS_RSA_WITH_RC4_128_SHA', 'TLS_RSA_WITH_NULL_SHA']), 'gateway'), undefined)
  })

  it('a port without TLS: the right port first, plain HTTP last and with its risk, and only where it speaks HTTP', () => {
    const plain = (plainProtocol: string) =>
      remediesFor(diagnosed('not-tls'), context({ facts: { ...facts, plainProtocol } }))
    const http = plain('http')
    assert.match(http[0]?.commands[0] ?? '', /targets\.billing\.url https:\/\/10\.0\.0\.7:"\$TLS_PORT"$/)
    assert.deepEqual(http.at(-1)?.commands, [
      'postern config set -c /etc/postern/postern.yaml targets.billing.url http://10.0.0.7:8443 --unset targets.billing.tls',
    ])
    assert.equal(ofKind(plain('smtp'), 'exception'), undefined)
  })

  it('a client certificate: the identity at hand that the backend accepts, else a request for one', () => {
    const identities = [
      {
        certificateFile: '/etc/postern/other.crt',
        keyFile: '/etc/postern/other.key',
        subject: 'CN=other',
        issuers: ['CN=Other CA'],
        notAfter: '2027-01-01T00:00:00Z',
      },
      {
        certificateFile: '/etc/postern/gw.crt',
        keyFile: '/etc/postern/gw.key',
        subject: 'CN=gw',
        issuers: ['CN=Sub CA', 'CN=Client Root'],
        notAfter: '2027-01-01T00:00:00Z',
      },
    ]
    const asked = { acceptableIssuers: ['CN=Client Root'] }
    const has = remediesFor(diagnosed('client-certificate-required'), context({ identities, ...asked }))
    assert.deepEqual(has[0]?.commands, [
      `postern config set -c /etc/postern/postern.yaml targets.billing.tls.clientCertificate '{ certificate: "/etc/postern/gw.crt", key: "/etc/postern/gw.key" }'`,
    ])
    const lacks = remediesFor(diagnosed('client-certificate-required'), context(asked))
    assert.match(
      lacks[0]?.commands[0] ?? '',
      /^test ! -e \/etc\/postern\/billing-client\.key && openssl req -new .* -out \/etc\/postern\/billing-client\.csr /,
    )
    assert.deepEqual(lacks[1]?.commands, [
      `postern config set -c /etc/postern/postern.yaml targets.billing.tls.clientCertificate '{ certificate: "./billing-client.crt", key: "./billing-client.key" }'`,
    ])
    assert.ok([...has, ...lacks].every(({ kind }) => kind !== 'exception'))
  })
})

describe('a root that was rolled over', () => {
  const year = (start: number) => `${start}-01-01T00:00:00Z`
  const rolled = (storedFrom: string) =>
    remediesFor(
      diagnosed('missing-root', {
        at: 1,
        certificate: issuing,
        evidence: {
          sameNameOtherKey: { ...root, sha256: 'AB'.repeat(32), notBefore: storedFrom },
          sameNameOtherKeyIn: 'anchor',
        },
        chain: { served: served(leaf, issuing), path: path([leaf, 'served'], [issuing, 'served']), brokenAt: 1 },
      }),
      context(),
    )

  it('and is stored already: the backend moves first, the former root is for the time being', () => {
    const remedies = rolled(year(2028))
    assert.match(
      remedies[0]?.action ?? '',
      /^On billing \(.*\): move to a certificate under the new root "CN=Corp Root CA/,
    )
    assert.match(remedies[1]?.action ?? '', /^Until it has moved, beside the new root: obtain the root /)
    assert.match(ofKind(remedies, 'owner-message')?.message ?? '', /Please move to a certificate under the new root/)
  })

  it('to one that nobody has, or nobody knows which way: the root is asked for as any other', () => {
    for (const from of [year(2016), issuing.notBefore]) assert.match(rolled(from)[0]?.action ?? '', /^Obtain the root /)
  })
})

describe('a backend with several faults', () => {
  const fault = (code: VerdictCode, at: number | null, certificate = at === null ? null : leaf): Finding => {
    return { code, severity: 'fault', at, certificate, summary: `It is ${code}`, evidence: {} }
  }
  const chain = { served: served(leaf, issuing), path: path([leaf, 'served'], [issuing, 'served']) }

  it('has what mends each of them, and one letter that asks for all', () => {
    const findings = [fault('missing-intermediate', 1, issuing), fault('expired', 0), fault('name-mismatch', 0)]
    const remedies = remediesFor(
      diagnosed('missing-intermediate', { at: 1, certificate: issuing, chain: { ...chain, brokenAt: 1 }, findings }),
      context(),
    )
    const also = remedies.filter(({ action }) => action.startsWith('Also, for '))
    assert.match(also[0]?.action ?? '', /^Also, for expired: on billing \(.*\): renew the leaf "CN=billing\.internal"/)
    assert.match(also[1]?.action ?? '', /^Also, for name-mismatch: reissue the certificate of billing/)
    const letters = remedies.filter(({ kind }) => kind === 'owner-message')
    assert.equal(letters.length, 1)
    for (const wish of [/let the server send/, /Please renew "CN=billing\.internal"/, /subject alternative name/])
      assert.match(letters[0]?.message ?? '', wish)
    assert.equal(remedies.at(-1)?.kind, 'exception')
  })

  it("has a letter too where the first fault is the gateway's alone", () => {
    const remedies = remediesFor(
      diagnosed('protocol-version', { party: 'gateway', chain, findings: [fault('expired', 0)] }),
      context({ maxVersion: 'TLSv1.2', facts: { ...noFacts, versions: ['TLSv1.3'] } }),
    )
    assert.deepEqual(
      remedies.map(({ kind }) => kind),
      ['gateway', 'backend-chain', 'owner-message'],
    )
    assert.match(remedies[2]?.message ?? '', /Please renew /)
  })

  it('is not advised without end', () => {
    const findings = Array.from({ length: 40 }, (_, index) => fault('expired', index + 1))
    const remedies = remediesFor(diagnosed('expired', { at: 0, certificate: leaf, chain, findings }), context())
    assert.ok(remedies.length < 10, `${remedies.length}`)
  })
})

describe('a chain judged as of another moment', () => {
  const asOf = now + 400 * 86_400_000
  const remedies = remediesFor(
    diagnosed('expired', { at: 0, certificate: leaf, chain: { ...fullChain, brokenAt: 0 } }),
    context({ asOf }),
  )

  it('is excepted from nothing, and no clock is wrong', () => {
    assert.equal(ofKind(remedies, 'exception'), undefined)
    const early = diagnosed('not-yet-valid', { at: 0, certificate: leaf, chain: { ...fullChain, brokenAt: 0 } })
    assert.ok(remediesFor(early, context({ asOf })).every(({ action }) => !action.includes('clock')))
    assert.match(remediesFor(early, context())[0]?.action ?? '', /clock/)
  })

  it('says so in the letter, which does not claim that it has happened', () => {
    const { message = '' } = ofKind(remedies, 'owner-message') ?? {}
    assert.ok(message.includes(`judged as of ${new Date(asOf).toISOString()}`), message)
    assert.match(remedies[0]?.action ?? '', /, which ends 2027/)
  })
})

describe('what only shows the fault', () => {
  it('is not among what mends it, and prints the guilty certificate', () => {
    const at = (place: number, certificate: typeof leaf) =>
      remediesFor(
        diagnosed('expired', { at: place, certificate, chain: { ...fullChain, brokenAt: place } }),
        context(),
      )[0]
    assert.deepEqual(at(0, leaf)?.commands, [])
    assert.match(
      at(0, leaf)?.look[0] ?? '',
      /<\/dev\/null 2>\/dev\/null \| openssl x509 -noout -subject -issuer -serial -dates$/,
    )
    assert.match(at(1, issuing)?.look[0] ?? '', / \| awk '\/BEGIN CERTIFICATE\/ \{ n \+= 1 \} n == 2' \| openssl x509 /)
  })
})

describe('a log', () => {
  it('is told of nothing that gives something up, and of no letter', () => {
    for (const code of Object.keys(verdictCodes) as VerdictCode[]) {
      const facts = { ...noFacts, versions: ['TLSv1.2'], ciphers: ['TLS_RSA_WITH_AES_128_CBC_SHA'] }
      const remedies = remediesFor(usualCase(code), context({ minVersion: 'TLSv1.3', facts }))
      for (const { kind, commands } of remediesForLog(remedies)) {
        assert.ok(kind !== 'exception' && kind !== 'owner-message', code)
        for (const command of commands) assert.doesNotMatch(command, /exceptions|minVersion|AES128-SHA/, code)
      }
    }
  })
})

describe('stores that nobody mounts', () => {
  it('are not advised about as if they were a Secret or a trust store of Edge', () => {
    const kinds = (kind: 'system' | 'bundled' | 'directory', where: string | null) =>
      remediesFor(
        usualCase('missing-root'),
        context({
          missing: missingRoot,
          stores: [{ name: 'a', sources: [{ kind, path: where }], intermediates: [], partialChain: false, anchors: 1 }],
        }),
      )
    for (const kind of ['system', 'bundled'] as const) {
      assert.equal(ofKind(kinds(kind, null), 'kubernetes-secret'), undefined)
      assert.equal(ofKind(kinds(kind, null), 'edge-management-api'), undefined)
    }
    const [, patch = ''] = commandsOf(kinds('directory', '/etc/postern/ca'), 'kubernetes-secret')
    assert.match(patch, /^test -s corp-root-ca\.pem && kubectl patch secret /)
  })
})

describe('what no exception can make right', () => {
  it('is offered none: a wrong signature, a revoked key, what cannot be read', () => {
    for (const code of ['bad-signature', 'revoked', 'distrusted', 'malformed-certificate', 'too-complex'] as const) {
      assert.equal(ofKind(remediesFor(usualCase(code), context()), 'exception'), undefined, code)
    }
  })
})

describe('a certificate of our own store that is at fault', () => {
  it('is exchanged here, whoever its code usually belongs to', () => {
    const expired = diagnosed('expired', {
      at: 2,
      certificate: root,
      party: 'gateway',
      chain: { ...fullChain, brokenAt: 2 },
    })
    const [first] = remediesFor(expired, context())
    assert.match(
      first?.commands[0] ?? '',
      new RegExp(`^postern trust add .* --key-id ${root.subjectKeyId} --file corp-root-ca-new\\.pem$`),
    )
  })
})

describe('hostile names', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-remedies-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  // Programs that remedies name, all of which do nothing: what a shell does beside calling them is what a name made it do.
  const bin = join(directory, 'bin')
  execFileSync('mkdir', [bin])
  for (const name of ['postern', 'openssl', 'kubectl', 'curl', 'getent', 'ip', 'timeout', 'bash', 'date']) {
    writeFileSync(join(bin, name), '#!/bin/sh\ncat >/dev/null 2>&1 </dev/null\nexit 0\n')
    chmodSync(join(bin, name), 0o755)
  }
  const attacks = [
    '$(touch PWNED)',
    '`touch PWNED`',
    "'; touch PWNED; '",
    '"; touch PWNED; "',
    '\n touch PWNED\n',
    '|touch PWNED',
    '${IFS}',
    '\u001b[2J\u202e',
    '#',
    '\\',
    '}}{{',
  ]
  const text = fc
    .array(fc.oneof(fc.constantFrom(...attacks), fc.string({ maxLength: 8 }), fc.constantFrom('CN=', ', ', 'Root')), {
      maxLength: 4,
    })
    .map((parts) => parts.join(''))

  it('end no word, begin no line and run nothing, in any remedy', () => {
    const codes = Object.keys(verdictCodes) as VerdictCode[]
    const scripts: string[] = []
    fc.assert(
      fc.property(fc.constantFrom(...codes), text, text, text, (code, subject, issuer, other) => {
        const bad = ref(subject, issuer, { sha256: other, subjectKeyId: other, authorityKeyId: other, notAfter: other })
        const the = diagnosed(code, {
          at: 0,
          certificate: bad,
          summary: other,
          evidence: {
            expected: [subject],
            presented: [other, `*.${issuer}`],
            address: other,
            proxy: other,
            alert: other,
          },
          chain: { served: served(bad), path: path([bad, 'served']), brokenAt: 0 },
        })
        const where = hostileContext(bad, subject, issuer, other)
        for (const { action, commands, look, risk, message } of remediesFor(the, where)) {
          for (const line of [action, risk, ...commands, ...look, ...message.split('\n')]) {
            assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
          }
          scripts.push(...commands, ...look)
        }
      }),
      { numRuns: 1500 },
    )
    const unique = [...new Set(scripts)]
    assert.ok(unique.length > 200, `${unique.length} commands`)
    const file = join(directory, 'all.sh')
    writeFileSync(file, unique.map((command) => `( ${command}\n) >/dev/null 2>&1`).join('\n'))
    const run = spawnSync('sh', [file], {
      cwd: directory,
      env: {
        PATH: [bin, process.env['PATH'] ?? ''].join(delimiter),
        SECRET: 's',
        SERVER_NAME: 'a',
        POSTERN_USER: 'u',
        POSTERN_PASSWORD: 'p',
        EDGE_ORG: 'o',
        EDGE_ENV: 'e',
        EDGE_TRUSTSTORE: 't',
        OWNER: 'me',
        TLS_PORT: '443',
        URL: 'https://a',
        DNS_SERVER: '10.0.0.53',
      },
      timeout: 25_000,
      encoding: 'utf8',
    })
    assert.equal(run.status === 0 || run.stderr === '', true, run.stderr.slice(0, 400))
    assert.equal(
      existsSync(join(directory, 'PWNED')),
      false,
      readFileSync(file, 'utf8')
        .split('\n')
        .find((line) => line.includes('PWNED')),
    )
    const odd = readdirSync(directory).filter(
      (name) => !/^(?:bin|all\.sh|[a-z0-9-]+\.pem|(?:ca\.crt|corp\.pem)\.new)$/.test(name),
    )
    assert.deepEqual(odd, [])
  })

  function hostileContext(bad: ReturnType<typeof ref>, subject: string, issuer: string, other: string): RemedyContext {
    return context({
      host: other === '' ? 'a' : other,
      serverName: subject,
      verifyNames: [subject],
      missing: { ref: bad, from: 'fetched', where: other, file: null, url: issuer },
      acceptableIssuers: [issuer],
      identities: [{ certificateFile: subject, keyFile: other, subject, issuers: [issuer], notAfter: other }],
      clientCertificate: {
        certificateFile: other,
        keyFile: other,
        subject: other,
        issuers: [subject],
        notAfter: issuer,
      },
      facts: {
        versions: [other, 'TLSv1'],
        ciphers: [other, 'TLS_AES_128_CCM_SHA256'],
        serverName: null,
        plainProtocol: subject.length % 2 === 0 ? 'http' : other,
        alpn: [other],
      },
      edge: subject.length % 2 === 0 ? null : { url: 'https://edge', organization: subject, environment: issuer },
      kubernetes: issuer.length % 2 === 0 ? null : { namespace: other, secret: subject, key: 'ca.crt' },
    })
  }
})

function mismatch(presented: readonly string[]) {
  return diagnosed('name-mismatch', {
    at: 0,
    certificate: leaf,
    chain: { ...fullChain, brokenAt: 0 },
    evidence: { expected: ['billing.internal'], presented },
  })
}
