import { createHmac, timingSafeEqual } from 'node:crypto'
import { contentOf, type DerElement, DerReader, tags } from '../x509/der.ts'
import { readOid } from '../x509/der-values.ts'
import { MaterialError } from './material-error.ts'
import { derivedKey, hmacs, type Password, readRounds, type Rounds } from './password-based.ts'
import { deriveKey, keyPurpose, passwordForms } from './pkcs12-key.ts'

/**
 * Verifies the MAC, RFC 7292 section 5.1, over the bytes as they were written. @returns the password in the form that it
 * was made with, null where it is another
 */
export async function checkMac(
  element: DerElement,
  authenticated: Buffer,
  text: string,
  rounds: Rounds,
): Promise<Password | null> {
  const mac = new DerReader(element, 'MAC')
  const info = new DerReader(mac.next('digest', tags.sequence), 'digest')
  const algorithm = new DerReader(info.next('digest algorithm', tags.sequence), 'digest algorithm')
  const oid = readOid(algorithm.next('digest algorithm'), 'digest algorithm')
  const expected = contentOf(info.next('digest', tags.octetString))
  const salt = contentOf(mac.next('salt', tags.octetString))
  const forms = passwordForms(text)
  if (oid === pbmac1Oid) return pbmac1(algorithm, authenticated, expected, text, rounds)
  const digest = digests[oid]
  if (digest === undefined) throw new MaterialError('material-unsupported', `its MAC uses algorithm ${oid}`)
  const iterations = mac.done ? 1 : readRounds(mac.next('iterations'), rounds, forms.length)
  for (const wide of forms) {
    const key = await deriveKey(digest, wide, salt, iterations, keyPurpose.mac, expected.length)
    if (agrees(digest, key, authenticated, expected)) return { text, wide }
  }
  return null
}

/** RFC 9579: the MAC's key by PBKDF2; salt and rounds of MacData mean nothing then. */
async function pbmac1(
  algorithm: DerReader,
  authenticated: Buffer,
  expected: Buffer,
  text: string,
  rounds: Rounds,
): Promise<Password | null> {
  const parameters = new DerReader(algorithm.next('PBMAC1 parameters', tags.sequence), 'PBMAC1 parameters')
  const derivation = parameters.next('key derivation', tags.sequence)
  const scheme = new DerReader(parameters.next('MAC scheme', tags.sequence), 'MAC scheme')
  const oid = readOid(scheme.next('MAC scheme'), 'MAC scheme')
  const digest = hmacs[oid]
  if (digest === undefined) throw new MaterialError('material-unsupported', `its MAC uses algorithm ${oid}`)
  const password = { text, wide: passwordForms(text)[0] as Buffer }
  const key = await derivedKey(derivation, password, null, rounds)
  return agrees(digest, key, authenticated, expected) ? password : null
}

function agrees(digest: string, key: Buffer, authenticated: Buffer, expected: Buffer): boolean {
  const actual = createHmac(digest, key).update(authenticated).digest()
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

const pbmac1Oid = '1.2.840.113549.1.5.14'

const digests: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
  '2.16.840.1.101.3.4.2.5': 'sha512-224',
  '2.16.840.1.101.3.4.2.6': 'sha512-256',
}
