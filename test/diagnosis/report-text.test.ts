import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import * as fc from 'fast-check'
import { foldedCommand, width } from '../../src/diagnosis/report-lines.ts'
import { type ReportToRender, renderReport } from '../../src/diagnosis/report-text.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import type { Finding } from '../../src/verdict/model.ts'
import type { RemedyContext } from '../../src/verdict/remedy-context.ts'
import type { Diagnosed } from '../../src/verdict/remedy-parts.ts'
import { remediesFor } from '../../src/verdict/remedies.ts'
import { context, diagnosed, fullChain, issuing, leaf, path, ref, root, served, usualCase } from '../verdict/cases.ts'

/*
 * What a person reads at night. One file per report in test/goldens/reports; `UPDATE_GOLDENS=1` writes them, and the
 * difference is what a review looks at.
 */

const directory = join(import.meta.dirname, '..', 'goldens', 'reports')
const missing = {
  ref: root,
  from: 'fetched' as const,
  where: 'http://pki.corp/root.cer',
  file: null,
  url: 'http://pki.corp/root.cer',
}
const probe: NonNullable<ReportToRender['probe']> = {
  address: '10.0.0.7:8443',
  timings: { dnsMs: null, connectMs: 1.24, handshakeMs: 23.7 },
  handshake: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', alpn: 'http/1.1' },
  connections: 1,
}
const served1 = { served: served(leaf), path: path([leaf, 'served']), brokenAt: 0 }
const old = ref('CN=billing.internal', issuing.subject, {
  notAfter: '2026-05-01T00:00:00Z',
  authorityKeyId: issuing.subjectKeyId,
})

const reports: Readonly<Record<string, ReportToRender>> = {
  trusted: report(
    diagnosed('trusted', {
      summary: 'Chain and name were verified; the path ends in "CN=Corp Root CA, O=Corp".',
      chain: { ...fullChain, served: served(leaf, issuing, root) },
      findings: [
        finding('root-served', 'info', 2, 'The root "Corp Root CA" is served as well.'),
        finding('expires-soon', 'warning', 0, 'The leaf ends in 12 days.'),
      ],
    }),
  ),
  'missing-root': report(
    diagnosed('missing-root', {
      at: 1,
      certificate: issuing,
      summary: 'The root "Corp Root CA" is not in the trust store.',
      evidence: {
        because: '"Corp Root CA" is known (fetched by its own pointer), and it is a root.',
        authorityKeyId: issuing.authorityKeyId,
        missing: root,
        knownAs: 'fetched by its own pointer',
      },
      chain: { served: served(leaf, issuing), path: path([leaf, 'served'], [issuing, 'served']), brokenAt: 1 },
    }),
    { missing },
  ),
  'missing-root-nowhere': report(usualCase('missing-root')),
  'missing-intermediate': report(
    diagnosed('missing-intermediate', {
      at: 0,
      certificate: leaf,
      summary: '"Corp Issuing CA", the issuer of "billing.internal", is neither served nor stored.',
      chain: served1,
    }),
    {
      missing: {
        ...missing,
        ref: issuing,
        url: null,
        from: 'known',
        where: 'trust store partners',
        file: '/etc/postern/partners.pem',
      },
    },
  ),
  'name-mismatch': report(usualCase('name-mismatch')),
  'expired-and-missing': report(
    diagnosed('missing-intermediate', {
      at: 0,
      certificate: old,
      chain: { served: served(old), path: path([old, 'served']), brokenAt: 0 },
      hides: ['expired'],
      findings: [finding('expired', 'fault', 0, '"billing.internal" expired at 2026-05-01T00:00:00Z')],
    }),
  ),
  expired: report(
    diagnosed('expired', {
      at: 0,
      certificate: old,
      summary: '"billing.internal" expired at 2026-05-01T00:00:00Z',
      evidence: { notBefore: old.notBefore, notAfter: old.notAfter, time: '2026-06-01T12:00:00Z' },
      chain: {
        served: served(old, issuing),
        path: path([old, 'served'], [issuing, 'served'], [root, 'anchor']),
        brokenAt: 0,
      },
    }),
  ),
  'client-certificate-required': report(
    diagnosed('client-certificate-required', {
      summary: 'The backend demands a client certificate, and none is configured.',
      evidence: { alert: 116, alertName: 'certificate_required', acceptableIssuers: ['CN=Client Root, O=Corp'] },
      chain: fullChain,
    }),
    {
      acceptableIssuers: ['CN=Client Root, O=Corp'],
      identities: [
        {
          certificateFile: '/etc/postern/gw.crt',
          keyFile: '/etc/postern/gw.key',
          subject: 'CN=gateway',
          issuers: ['CN=Client Root, O=Corp'],
          notAfter: '2027-01-01T00:00:00Z',
        },
      ],
    },
  ),
  'not-tls': report(
    diagnosed('not-tls', {
      summary: 'The port answers in plain HTTP, not TLS.',
      evidence: { firstBytes: String.raw`HTTP/1.1 400 Bad Request\r\n` },
    }),
    { facts: { versions: null, ciphers: null, serverName: null, plainProtocol: 'http', alpn: null } },
    { ...probe, handshake: null, connections: 2 },
  ),
}

for (const [name, shown] of Object.entries(reports)) {
  test(`report ${name}: reads as reviewed`, () => {
    const actual = renderReport(shown, 'billing (10.0.0.7:8443)')
    const golden = join(directory, `${name}.txt`)
    if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(golden, actual)
    assert.equal(actual, readFileSync(golden, 'utf8'))
  })
}

test('every golden report has its case', () => {
  assert.deepEqual(
    readdirSync(directory).sort(),
    Object.keys(reports)
      .map((name) => `${name}.txt`)
      .sort(),
  )
})

describe('a report', () => {
  it('says first whether the backend is trusted, with which code, and whose side has to act', () => {
    for (const code of Object.keys(verdictCodes) as VerdictCode[]) {
      const [first] = renderReport(report(usualCase(code)), 'billing').split('\n')
      assert.match(
        first ?? '',
        code === 'trusted' ? /^billing: trusted$/ : new RegExp(`^billing: NOT TRUSTED: ${code}, [a-z' ]+$`),
      )
    }
  })

  it('says as of when it was judged, where that is another moment, and not of a handshake, which happens now', () => {
    const first = (code: VerdictCode): string | undefined =>
      renderReport({ ...report(usualCase(code)), asOf: Date.parse('2030-01-01') }, 'billing').split('\n')[0]
    assert.equal(first('trusted'), 'billing: trusted as of 2030-01-01T00:00:00.000Z')
    assert.match(first('expired') ?? '', /^billing: NOT TRUSTED as of 2030-01-01T00:00:00\.000Z: expired, /)
    assert.equal(first('not-tls')?.includes('as of'), false)
  })

  it('does not call it the side of one where the other can mend it, and is advised to first', () => {
    for (const code of Object.keys(verdictCodes) as VerdictCode[]) {
      const shown = report(usualCase(code))
      const [best] = shown.remedy
      if (best === undefined || shown.verdict.party === best.party) continue
      const [first = ''] = renderReport(shown, 'billing').split('\n')
      assert.doesNotMatch(first, /the (?:gateway|backend)'s side$/)
    }
    assert.match(
      renderReport(reports['name-mismatch'] ?? assert.fail(), 'x'),
      /: name-mismatch, either side can mend it\n/,
    )
  })

  it('keeps to its width, but for a word of a command that may not be cut', () => {
    for (const code of Object.keys(verdictCodes) as VerdictCode[]) {
      for (const line of renderReport(report(usualCase(code), { missing }), 'billing').split('\n')) {
        assert.ok(line.length <= width || /^ *\S+$|^ *["'].*["']$/.test(line.trim()), `${line.length}: ${line}`)
      }
    }
  })

  it('has colours only where they are asked for, and the same text then', () => {
    const shown = reports['missing-root'] ?? assert.fail()
    const [plain, coloured] = [renderReport(shown, 'x'), renderReport(shown, 'x', { colour: true })]
    assert.equal(plain.includes('\u001b'), false)
    assert.ok(coloured.startsWith('\u001b[1;31mx: NOT TRUSTED'))
    assert.equal(stripVTControlCharacters(coloured), plain)
  })

  it('never gives a certificate the terminal: no control, no turned line, no line of its own', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u001b[2J', 'a\nChain\n  all is well', '\u202e', '\u2028', '\r', '\u009b31m'),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(verdictCodes) as VerdictCode[])),
        anything,
        anything,
        (code, one, other) => {
          const bad = ref(one, other, {
            sha256: one,
            serial: other,
            notAfter: one,
            notBefore: other,
            authorityKeyId: one,
          })
          const the = diagnosed(code, {
            at: 0,
            certificate: bad,
            summary: one,
            evidence: { because: other, [one]: other, deep: { [other]: [one] }, list: [one, other], knownAs: one },
            chain: {
              served: [...served(bad), { index: 1, sha256: one, malformed: { offset: 3, reason: other } }],
              path: path([bad, 'served']),
              brokenAt: 0,
            },
            findings: [finding('chain-order', 'warning', 0, one), finding('expired', 'fault', 4, other)],
          })
          const shown = {
            ...report(the, { serverName: one, verifyNames: [other], missing: { ...missing, ref: bad, where: other } }),
            disagreement: one,
          }
          const text = renderReport(
            { ...shown, probe: { ...probe, address: other, handshake: { version: one, alpn: one, cipher: other } } },
            one,
          )
          assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
          const titles = text
            .split('\n')
            .filter((line) => /^(?:Chain|Evidence|Also wrong|What to do|Findings|Connection)$/.test(line))
          assert.equal(new Set(titles).size, titles.length)
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('a long command', () => {
  it('is broken between words, and a shell reads the same words', () => {
    const words = [
      'a',
      "'b c'",
      '"d  e"',
      String.raw`f\ g`,
      '"${H:?some thing that is long}"',
      "'x'\\''y z'",
      'long-word-'.repeat(4),
    ]
    for (let count = 1; count < 60; count += 7) {
      const command = `printf '%s\\n' ${Array.from({ length: count }, (_, index) => words[index % words.length]).join(' ')}`
      const lines = foldedCommand(command, '       ')
      for (const line of lines) assert.ok(line.length <= width, line)
      const env = { PATH: process.env['PATH'], H: 'h h' }
      assert.equal(
        execFileSync('sh', ['-c', lines.join('\n')], { env }).toString(),
        execFileSync('sh', ['-c', command], { env }).toString(),
      )
    }
  })
})

function report(
  the: Diagnosed,
  more: Partial<RemedyContext> = {},
  seen: ReportToRender['probe'] = probe,
): ReportToRender {
  return { ...the, remedy: remediesFor(the, context(more)), ...(seen === undefined ? {} : { probe: seen }) }
}

function finding(code: Finding['code'], severity: Finding['severity'], at: number, summary: string): Finding {
  return { code, severity, at, certificate: null, summary, evidence: {} }
}
