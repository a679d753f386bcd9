import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { parseCertificate } from '../../src/x509/certificate.ts'
import { readCrls } from '../../src/x509/crl.ts'
import type { Defect } from '../../src/x509/defects.ts'
import { decodeBody } from '../../src/x509/pem-blocks.ts'

const suites = fileURLToPath(new URL('../../../shared/suites', import.meta.url))
const skip = existsSync(suites) ? false : 'skipped: no suites of others beside the clone'

interface Case {
  readonly id: string
  readonly trusted: readonly string[]
  readonly intermediates: readonly string[]
  readonly leaf: string
  readonly crls?: readonly string[]
}

// Every certificate and every list of the suites is read. What is noted on them, first case that has it: kind, field, reason.
const noted: Readonly<Record<string, readonly string[]>> = {
  limbo: [
    'online::fastly.com trusted 0: profile serialNumber the serial number zero',
    'rfc5280::duplicate-extensions leaf: encoding 2.5.29.17 the extension appears twice',
    'rfc5280::ee-empty-issuer leaf: profile issuer an empty name',
    'rfc5280::eku::ee-eku-empty leaf: encoding 2.5.29.37 extended key usage: names no purpose',
    'rfc5280::nc::invalid-ipv4-address trusted 0: profile 2.5.29.30 name constraints: an address range of 4 bytes',
    'rfc5280::nc::invalid-ipv6-address trusted 0: profile 2.5.29.30 name constraints: an address range of 16 bytes',
    'rfc5280::nc::nc-permits-invalid-ip-san leaf: profile 2.5.29.17 alternative name: an address of 8 bytes',
    'rfc5280::root-inconsistent-ca-extensions trusted 0: profile 2.5.29.15 key usage: allows nothing',
    'rfc5280::san::malformed leaf: encoding 2.5.29.17 120 bytes announced, 9 left',
    'rfc5280::serial::zero leaf: profile serialNumber the serial number zero',
    'webpki::aki::root-with-aki-authoritycertserialnumber trusted 0: profile 2.5.29.35 authority key identifier: issuer and serial number belong together',
    'webpki::malformed-aia leaf: encoding 1.3.6.1.5.5.7.1.1 97 bytes announced, 7 left',
    'webpki::san::unicode-emoji-san leaf: profile 2.5.29.17 alternative name: the byte F0 in a name',
  ],
  'openssl-verify': [
    'Name constraints bad othername name constraint trusted 0: profile 2.5.29.30 name constraints: an empty list of subtrees',
    'Bad certificate policy leaf: profile 2.5.29.32 certificate policies: 1.3.6.1.4.1.16604.998855.1 appears twice',
  ],
  'pkits-1-8': [
    '4.1.2 intermediates 0: encoding signature a signature with 1 unused bits',
    '4.1.6 leaf: encoding signature a signature with 1 unused bits',
    '4.2.4 leaf: profile notBefore notBefore: a GeneralizedTime before 2050',
    '4.2.7 leaf: profile notBefore notBefore: a GeneralizedTime before 2050',
    '4.4.4 crls 1: encoding signature a signature with 1 unused bits',
    '4.4.15 leaf: profile serialNumber a negative serial number',
  ],
}

for (const [suite, expected] of Object.entries(noted)) {
  test(`every certificate and revocation list of ${suite} is read`, { skip }, () => {
    const { cases } = JSON.parse(readFileSync(`${suites}/${suite}.json`, 'utf8')) as { cases: readonly Case[] }
    const found: string[] = []
    const seen = new Set<string>()
    const note = (place: string, pem: string, read: (pem: string) => readonly Defect[]): void => {
      if (seen.has(pem)) return
      seen.add(pem)
      for (const { kind, field, reason } of read(pem)) found.push(`${place}: ${kind} ${field} ${reason}`)
    }
    for (const { id, trusted, intermediates, leaf, crls = [] } of cases) {
      for (const [index, pem] of trusted.entries()) note(`${id} trusted ${index}`, pem, ofCertificate)
      for (const [index, pem] of intermediates.entries()) note(`${id} intermediates ${index}`, pem, ofCertificate)
      note(`${id} leaf`, leaf, ofCertificate)
      for (const [index, pem] of crls.entries()) {
        note(`${id} crls ${index}`, pem, (text) => readCrls(text).flatMap(({ defects }) => defects))
      }
    }
    assert.ok(seen.size > 100)
    assert.deepEqual(found.sort(), [...expected].sort())
  })
}

function ofCertificate(pem: string): readonly Defect[] {
  const der = decodeBody(pem.split('\n').filter((line) => line !== '' && !line.startsWith('-----')))
  assert.ok(Buffer.isBuffer(der), String(der))
  return parseCertificate(der).defects
}
