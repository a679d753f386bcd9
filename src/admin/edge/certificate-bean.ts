import type { AliasBody } from '../../state/kinds.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { renderName } from '../../x509/name.ts'
import type { Bean } from './bean.ts'

/** An alias with the facts of each of its certificates (apigee-edge.md 1.6). */
export function aliasBean(
  alias: string,
  body: Pick<AliasBody, 'certName' | 'keyName'>,
  chain: readonly Certificate[],
  now: number,
): Bean {
  return {
    alias,
    certsInfo: certBean(body.certName, chain, now),
    ...(body.keyName === null ? {} : { keyName: body.keyName }),
  }
}

export function certBean(certName: string, chain: readonly Certificate[], now: number): Bean {
  return { certInfo: chain.map((certificate) => certInfo(certificate, now)), certName }
}

/** As Java shows it: names most specific first, the serial number with its sign octet, times in milliseconds. */
function certInfo(certificate: Certificate, now: number): Bean {
  const { notBefore, notAfter, publicKey } = certificate
  return {
    basicConstraints: certificate.basicConstraints?.ca === true ? 'CA:TRUE' : 'CA:FALSE',
    expiryDate: notAfter,
    isValid: now >= notBefore && now <= notAfter ? 'Yes' : 'No',
    issuer: renderName(certificate.issuer, 'edge'),
    publicKey: `${keyNames[publicKey.algorithm] ?? publicKey.algorithm} Public Key${publicKey.bits === null ? '' : `, ${publicKey.bits} bits`}`,
    serialNumber: certificate.serialBytes.toString('hex').replaceAll(/..(?=.)/g, '$&:'),
    sigAlgName: javaName(certificate.signatureAlgorithm.name),
    subject: renderName(certificate.subject, 'edge'),
    subjectAlternativeNames: certificate.subjectAltNames.map(({ value }) => value),
    validFrom: notBefore,
    version: certificate.version,
  }
}

/** `sha256WithRSAEncryption` is `SHA256withRSA` in Java, `ecdsa-with-SHA256` is `SHA256withECDSA`. */
function javaName(name: string): string {
  if (name === 'rsassaPss') return 'RSASSA-PSS'
  const rsa = /^(md2|md5|sha\d+)WithRSA(?:Encryption)?$/.exec(name)
  if (rsa !== null) return `${(rsa[1] as string).toUpperCase()}withRSA`
  const other = /^(ecdsa|dsa)-with-(SHA[\d-]+)$/.exec(name)
  return other === null ? name : `${other[2]}with${(other[1] as string).toUpperCase()}`
}

const keyNames: Readonly<Record<string, string>> = {
  rsa: 'RSA',
  'rsa-pss': 'RSA',
  ec: 'EC',
  dsa: 'DSA',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
}
