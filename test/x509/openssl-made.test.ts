import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import type { Certificate } from '../../src/x509/certificate.ts'
import { readCrls } from '../../src/x509/crl.ts'
import { checkStapledOcsp, readOcspResponse } from '../../src/x509/ocsp.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { hasOpenssl } from '../pki/openssl.ts'

const skip = hasOpenssl ? false : 'skipped: no openssl'
const folder = mkdtempSync(join(tmpdir(), 'postern-x509-'))
after(() => rmSync(folder, { recursive: true }))

const openssl = (...args: readonly string[]): Buffer =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })

interface Made {
  readonly issuer: Certificate
  readonly good: Certificate
  readonly revoked: Certificate
}

let made: Made | null = null

/** A CA of the openssl command with two leaves, one of them revoked. */
function authority(): Made {
  if (made !== null) return made
  writeFileSync(join(folder, 'index.txt'), '')
  writeFileSync(join(folder, 'crlnumber'), '0A\n')
  writeFileSync(
    join(folder, 'ca.cnf'),
    [
      '[ca]\ndefault_ca = ca1\n[ca1]\ndatabase = index.txt\nnew_certs_dir = .\nserial = serial\ncrlnumber = crlnumber',
      'certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\ndefault_days = 30\ndefault_crl_days = 7',
      'policy = any\nrand_serial = yes\nunique_subject = no\ncrl_extensions = ext\n[any]\ncommonName = supplied',
      '[ext]\nauthorityKeyIdentifier = keyid\nissuingDistributionPoint = critical, @idp',
      '[idp]\nfullname = URI:http://ca.test/1.crl\nonlyuser = TRUE\nonlysomereasons = keyCompromise\n',
    ].join('\n'),
  )
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30', '-subj', '/C=DE/CN=Made CA')
  for (const name of ['good', 'revoked']) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}.test`)
    openssl('ca', '-batch', '-config', 'ca.cnf', '-in', `${name}.csr`, '-out', `${name}.pem`, '-notext')
  }
  openssl('ca', '-config', 'ca.cnf', '-revoke', 'revoked.pem', '-crl_reason', 'superseded')
  const read = (name: string): Certificate =>
    readBundle(readFileSync(join(folder, `${name}.pem`)), name).certificates[0] as Certificate
  made = { issuer: read('ca'), good: read('good'), revoked: read('revoked') }
  return made
}

test('a list that openssl made holds the certificate that it revoked', { skip }, () => {
  const { issuer, good, revoked } = authority()
  openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', 'list.pem')
  const [list] = readCrls(readFileSync(join(folder, 'list.pem')))
  assert.ok(list)
  assert.equal(verifySignature(issuer.publicKey, list), 'good')
  assert.equal(verifySignature(good.publicKey, list), 'bad')
  assert.deepEqual([list.crlNumber, list.entryCount, list.defects], [10n, 1, []])
  assert.equal(list.authorityKey?.keyId, issuer.subjectKeyId)
  const point = list.issuingDistributionPoint
  assert.deepEqual(point?.fullName, [{ kind: 'uri', value: 'http://ca.test/1.crl' }])
  assert.deepEqual([point?.onlyUserCertificates, point?.indirect], [true, false])
  assert.deepEqual([...(point?.onlySomeReasons ?? [])], ['keyCompromise'])
  assert.equal(list.entryOf(good.serialBytes), null)
  assert.equal(list.entryOf(revoked.serialBytes)?.reason, 'superseded')
})

for (const [name, outcome] of [
  ['good', 'good'],
  ['revoked', 'revoked'],
] as const) {
  for (const form of [[], ['-resp_key_id']]) {
    test(`an OCSP response that openssl made${form.map((each) => `, ${each}`).join('')}: ${outcome}`, { skip }, () => {
      const { issuer, ...leaves } = authority()
      const sign = ['-index', 'index.txt', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca.key', ...form]
      openssl('ocsp', ...sign, '-issuer', 'ca.pem', '-cert', `${name}.pem`, '-ndays', '2', '-respout', 'answer.der')
      const response = readOcspResponse(readFileSync(join(folder, 'answer.der')))
      const time = Date.now()
      const check = checkStapledOcsp(response, { leaf: leaves[name], issuer, time })
      assert.deepEqual([check.outcome, check.reason], [outcome, outcome === 'good' ? '' : 'superseded'])
      const other = name === 'good' ? leaves.revoked : leaves.good
      assert.equal(checkStapledOcsp(response, { leaf: other, issuer, time }).outcome, 'invalid')
      const late = time + 3 * 24 * 3600_000
      assert.match(checkStapledOcsp(response, { leaf: leaves[name], issuer, time: late }).reason, /ended/)
    })
  }
}
