import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tlv } from '../x509/der-make.ts'
import { arrangements, caExtensions, chainOf, leafExtensions } from './chains.ts'
import { expectParity, type ParityCase, ParityRig, presented, usualName } from './expect-parity.ts'
import {
  altNames,
  attribute,
  authorityKeyId,
  basicConstraints,
  clientAuth,
  dns,
  extension,
  keyId,
  keyUsage,
  nameConstraints,
  oid,
  purposes,
  serverAuth,
} from './make-certificate.ts'

type Changes = Parameters<typeof chainOf>[0]

const san = altNames(dns(usualName))
const raw = (hex: string): Buffer => Buffer.from(hex, 'hex')
const leafWith = (...more: readonly Buffer[]): Changes => ({ leaf: { extensions: [...leafExtensions, ...more] } })
const leafOf = (...extensions: readonly Buffer[]): Changes => ({ leaf: { extensions } })
const caWith = (...more: readonly Buffer[]): Changes => ({ ca: { extensions: [...caExtensions, ...more] } })
const caOf = (...extensions: readonly Buffer[]): Changes => ({ ca: { extensions } })
const rootOf = (...extensions: readonly Buffer[]): Changes => ({ root: { extensions } })
const everywhere = (...more: readonly Buffer[]): [string, Changes][] => [
  ['leaf', leafWith(...more)],
  ['intermediate', caWith(...more)],
  ['root', rootOf(...caExtensions, ...more)],
]

const families: Readonly<Record<string, readonly [string, Changes][]>> = {
  'nothing wrong': [['good', {}]],
  validity: [
    ['leaf expired', { leaf: { until: -0.5 } }],
    ['intermediate expired', { ca: { until: -0.5 } }],
    ['root expired', { root: { until: -0.5 } }],
    ['leaf not yet valid', { leaf: { from: 1 } }],
    ['intermediate not yet valid', { ca: { from: 1 } }],
    ['root not yet valid', { root: { from: 1 } }],
    ['everything expired', { leaf: { until: -0.5 }, ca: { until: -0.5 }, root: { until: -0.5 } }],
    ['leaf that ends before it begins', { leaf: { from: 2, until: 1 } }],
    ['UTCTime', { leaf: { until: tlv(0x17, '490101000000Z') }, ca: { until: tlv(0x17, '490101000000Z') } }],
    ['UTCTime of the last century', { leaf: { from: tlv(0x17, '500101000000Z') } }],
    ['year 9999', { leaf: { until: tlv(0x18, '99991231235959Z') } }],
    ['leaf without seconds', { leaf: { until: tlv(0x17, '4901010000Z') } }],
    ['intermediate without seconds', { ca: { until: tlv(0x17, '4901010000Z') } }],
    ['intermediate with fractions', { ca: { until: tlv(0x18, '20490101000000.5Z') } }],
    ['intermediate with an offset', { ca: { until: tlv(0x17, '490101000000+0100') } }],
    ['intermediate that begins on no date', { ca: { from: tlv(0x17, '190230000000Z') } }],
    ['root that begins on no date', { root: { from: tlv(0x17, '191330000000Z') } }],
    ['root without a zone', { root: { from: tlv(0x18, '20190101000000') } }],
    ['leaf with an empty time', { leaf: { from: tlv(0x17) } }],
  ],
  'who may issue': [
    ['intermediate is no CA', caOf(basicConstraints(false), keyUsage(5, 6))],
    ['intermediate is no CA and may not sign', caOf(basicConstraints(false), keyUsage(0))],
    ['intermediate may not sign', caOf(basicConstraints(true), keyUsage(0, 6))],
    ['intermediate without key usage', caOf(basicConstraints(true))],
    ['intermediate without basic constraints', caOf(keyUsage(5, 6))],
    ['intermediate without extensions', caOf()],
    ['intermediate of version 1', { ca: { version: 1 } }],
    ['root is no CA', rootOf(basicConstraints(false), keyUsage(5))],
    ['root may not sign', rootOf(basicConstraints(true), keyUsage(0))],
    ['root without basic constraints', rootOf(keyUsage(5, 6))],
    ['root without extensions', rootOf()],
    ['root of version 1', { root: { version: 1 } }],
    ['leaf is a CA', leafOf(basicConstraints(true), keyUsage(0, 5), san)],
    ['leaf is a CA that may only sign certificates', leafOf(basicConstraints(true), keyUsage(5), san)],
    ['Netscape CA', caOf(extension('6086480186f8420101', tlv(0x03, '\0\x04')))],
    ['Netscape CA of mail', caOf(extension('6086480186f8420101', tlv(0x03, '\0\x02')))],
    ['Netscape CA without type', caOf(extension('6086480186f8420101', tlv(0x03, '\0')))],
    ['root is a Netscape CA', rootOf(extension('6086480186f8420101', tlv(0x03, '\0\x04')))],
    ['root is a Netscape CA of mail', rootOf(extension('6086480186f8420101', tlv(0x03, '\0\x02')))],
    ['basic constraints not critical', caOf(basicConstraints(true, undefined, false), keyUsage(5))],
  ],
  purpose: [
    ['client only', leafOf(keyUsage(0), purposes(clientAuth), san)],
    ['any purpose', leafOf(keyUsage(0), purposes('551d2500'), san)],
    ['client and server', leafOf(keyUsage(0), purposes(clientAuth, serverAuth), san)],
    ['Microsoft server gated', leafOf(purposes('2b0601040182370a0303'), san)],
    ['Netscape server gated', leafOf(purposes('6086480186f8420401'), san)],
    ['no purpose', leafOf(extension('551d25', tlv(0x30)), san)],
    ['intermediate for clients', caWith(purposes(clientAuth))],
    ['intermediate for servers', caWith(purposes(serverAuth))],
    ['intermediate for any purpose', caWith(purposes('551d2500'))],
    ['intermediate for no purpose', caWith(extension('551d25', tlv(0x30)))],
    ['root for clients', rootOf(...caExtensions, purposes(clientAuth))],
    ['leaf may only agree on keys', leafOf(keyUsage(4), san)],
    ['leaf may only encipher keys', leafOf(keyUsage(2), san)],
    ['leaf may only repudiate nothing', leafOf(keyUsage(1), san)],
    ['leaf may only decipher', leafOf(keyUsage(8), san)],
    ['Netscape client', leafOf(extension('6086480186f8420101', tlv(0x03, '\0\x80')), san)],
    ['Netscape server', leafOf(extension('6086480186f8420101', tlv(0x03, '\0\x40')), san)],
    ['leaf without any extension but names', leafOf(san)],
  ],
  'path length': [
    ['root allows none', rootOf(basicConstraints(true, 0), keyUsage(5))],
    ['root allows one', rootOf(basicConstraints(true, 1), keyUsage(5))],
    ['intermediate allows none', caOf(basicConstraints(true, 0), keyUsage(5))],
    ['negative', caOf(basicConstraints(true, 255), keyUsage(5))],
    ['negative in the root', rootOf(basicConstraints(true, 255), keyUsage(5))],
    ['without being a CA', caOf(extension('551d13', tlv(0x30, tlv(0x02, '\0'))), keyUsage(5))],
    ['of 65 bits', rootOf(extension('551d13', tlv(0x30, tlv(0x01, '\xff'), tlv(0x02, raw('010000000000000000')))))],
    [
      'self-issued intermediate under none',
      {
        root: { extensions: [basicConstraints(true, 0), keyUsage(5)] },
        ca: { subject: 'Root', extensions: [...caExtensions, keyId('two'), authorityKeyId('one')] },
      },
    ],
  ],
  'unknown critical extensions': [
    ...everywhere(extension('2a0304', tlv(0x05), true)).map(([where, it]): [string, Changes] => [
      `in the ${where}`,
      it,
    ]),
    ...everywhere(extension('2a0304', tlv(0x05))).map(([where, it]): [string, Changes] => [
      `not critical in the ${where}`,
      it,
    ]),
    ['critical AIA', leafWith(extension('2b06010505070101', tlv(0x30), true))],
    ['critical key identifier', leafWith(extension('551d0e', tlv(0x04, 'x'), true))],
    ['critical authority key identifier', leafWith(extension('551d23', tlv(0x30), true))],
    ['critical key identifier of the root', rootOf(...caExtensions, extension('551d0e', tlv(0x04, 'x'), true))],
    ['critical policies', leafWith(extension('551d20', tlv(0x30, tlv(0x30, oid('2a03'))), true))],
    ['malformed policies', leafWith(extension('551d20', raw('ffff'), true))],
    ['malformed policy constraints', caWith(extension('551d24', raw('ffff'), true))],
    ['critical inhibit any policy', caWith(extension('551d36', tlv(0x02, '\0'), true))],
    ['critical policy mappings', caWith(extension('551d21', tlv(0x30), true))],
    ['critical OCSP no check', leafWith(extension('2b0601050507300105', tlv(0x05), true))],
    ['critical TLS feature', leafWith(extension('2b06010505070118', tlv(0x30, tlv(0x02, '\x05')), true))],
    ['critical issuer names', leafWith(extension('551d12', tlv(0x30, dns('ca.test')), true))],
    ['critical freshest CRL', leafWith(extension('551d2e', tlv(0x30), true))],
    ['critical extended key usage', leafOf(extension('551d25', tlv(0x30, oid(serverAuth)), true), san)],
    ['critical names', leafOf(extension('551d11', tlv(0x30, dns(usualName)), true))],
    ['critical poison', leafWith(extension('2b06010401d679020403', tlv(0x05), true))],
  ],
  'extensions that cannot be read': [
    ...[
      '551d13',
      '551d0f',
      '551d25',
      '551d0e',
      '551d23',
      '551d1e',
      '551d1f',
      '6086480186f8420101',
      '2b0601050507010e',
    ].flatMap((id): [string, Changes][] => [
      ...everywhere(extension(id, raw('ff'))).map(([where, it]): [string, Changes] => [`${id} in the ${where}`, it]),
      ...everywhere(extension(id, raw('3000')), extension(id, raw('3000'))).map(([where, it]): [string, Changes] => [
        `${id} twice in the ${where}`,
        it,
      ]),
    ]),
    ['names twice', leafWith(san)],
    ['names unreadable', leafOf(extension('551d11', raw('ff')))],
    ['names empty', leafOf(extension('551d11', tlv(0x30)))],
    ['two unknown ones twice', leafWith(extension('2a0304', tlv(0x05)), extension('2a0304', tlv(0x05)))],
    ['empty value', leafWith(extension('551d0e', Buffer.alloc(0)))],
    ['AIA unreadable', leafWith(extension('2b06010505070101', raw('ff')))],
    ['issuer names unreadable', leafWith(extension('551d12', raw('ff')))],
    ['no extension in the list', leafOf()],
  ],
  'odd encodings': [
    ['true is 01', caOf(extension('551d13', raw('3003010101'), true), keyUsage(5))],
    ['true is 01 in the root', rootOf(extension('551d13', raw('3003010101'), true), keyUsage(5))],
    ['false written out', leafOf(extension('551d13', raw('3003010100')), san)],
    ['true of two octets', caOf(extension('551d13', raw('30040102ffff'), true), keyUsage(5))],
    ['critical is 01', caOf(tlv(0x30, oid('551d13'), tlv(0x01, '\x01'), tlv(0x04, raw('30030101ff'))), keyUsage(5))],
    ['critical is 00', caOf(tlv(0x30, oid('551d13'), tlv(0x01, '\x00'), tlv(0x04, raw('30030101ff'))), keyUsage(5))],
    ['bytes after basic constraints', caOf(extension('551d13', raw('30030101ff0500')), keyUsage(5))],
    ['bytes inside of basic constraints', caOf(extension('551d13', raw('30050101ff0500')), keyUsage(5))],
    ['long length in basic constraints', caOf(extension('551d13', raw('3081030101ff')), keyUsage(5))],
    ['indefinite length in basic constraints', caOf(extension('551d13', raw('30800101ff0000')), keyUsage(5))],
    ['key usage of no bits', leafOf(extension('551d0f', raw('030100')), san)],
    ['key usage of zeros', leafOf(extension('551d0f', raw('03020000')), san)],
    ['key usage with unused bits set', caOf(basicConstraints(true), extension('551d0f', raw('03020704')))],
    ['key usage with 3 unused bits', caOf(basicConstraints(true), extension('551d0f', raw('03020304')))],
    ['key usage with 2 unused bits', caOf(basicConstraints(true), extension('551d0f', raw('03020204')))],
    ['key usage with 8 unused bits', caOf(basicConstraints(true), extension('551d0f', raw('03020804')))],
    ['key usage of three octets', caOf(basicConstraints(true), extension('551d0f', raw('030400040000')))],
    ['key usage of the third octet only', leafOf(extension('551d0f', raw('030400000080')), san)],
    ['key usage is an octet string', leafOf(extension('551d0f', raw('04020080')), san)],
    ['constructed key identifier', caWith(extension('551d0e', raw('24040402aabb')))],
    ['key usage with bytes behind', leafOf(extension('551d0f', raw('030200800500')), san)],
    [
      'purposes with bytes behind',
      leafOf(extension('551d25', Buffer.concat([tlv(0x30, oid(serverAuth)), raw('0500')])), san),
    ],
    ['purpose that is no OID', leafOf(extension('551d25', raw('30020500')), san)],
    ['purpose with padded OID', leafOf(extension('551d25', raw('3006060480010203')), san)],
    ['purpose with an empty OID', leafOf(extension('551d25', raw('30020600')), san)],
    ['padded path length', caOf(extension('551d13', raw('30070101ff02020001')), keyUsage(5))],
    ['empty path length', caOf(extension('551d13', raw('30050101ff0200')), keyUsage(5))],
    ['names with a directory name', leafOf(altNames(tlv(0xa4, tlv(0x30, attribute('550403', 'x'))), dns(usualName)))],
    ['names with an other name', leafOf(altNames(tlv(0xa0, oid('2a0304'), tlv(0xa0, tlv(0x0c, 'x'))), dns(usualName)))],
    ['names with a broken other name', leafOf(altNames(tlv(0xa0, oid('2a0304')), dns(usualName)))],
    ['names with an address of 5 bytes', leafOf(altNames(tlv(0x87, '12345'), dns(usualName)))],
    ['names with a tag that is none', leafOf(altNames(tlv(0x89, 'x'), dns(usualName)))],
    ['names with an X.400 address', leafOf(altNames(tlv(0xa3), dns(usualName)))],
    ['names with an EDI party', leafOf(altNames(tlv(0xa5, tlv(0xa1, tlv(0x0c, 'x'))), dns(usualName)))],
    ['names with an empty EDI party', leafOf(altNames(tlv(0xa5), dns(usualName)))],
    ['names with a registered ID', leafOf(altNames(tlv(0x88, raw('2a0304')), dns(usualName)))],
    ['names with an empty registered ID', leafOf(altNames(tlv(0x88), dns(usualName)))],
    [
      'names with a directory name of a visible string',
      leafOf(altNames(tlv(0xa4, tlv(0x30, attribute('550403', 'x', 0x1a))), dns(usualName))),
    ],
    ['names with bytes beyond ASCII', leafOf(altNames(tlv(0x82, raw('ff')), dns(usualName)))],
    ['names in pieces', leafOf(altNames(tlv(0xa2, tlv(0x04, usualName)), dns(usualName)))],
    [
      'a CRL distribution point',
      leafWith(extension('551d1f', tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, tlv(0x86, 'http://x.test/crl'))))))),
    ],
    [
      'a CRL distribution point of an issuer only',
      leafWith(extension('551d1f', tlv(0x30, tlv(0x30, tlv(0xa2, tlv(0xa4, tlv(0x30))))))),
    ],
    [
      'a CRL distribution point of reasons only',
      leafWith(extension('551d1f', tlv(0x30, tlv(0x30, tlv(0x81, '\x01\x80'))))),
    ],
    ['an empty CRL distribution point', leafWith(extension('551d1f', tlv(0x30, tlv(0x30))))],
    [
      'a CRL distribution point relative to the issuer',
      leafWith(
        extension('551d1f', tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa1, tlv(0x30, oid('550403'), tlv(0x0c, 'x'))))))),
      ),
    ],
    ['no CRL distribution point in the list', leafWith(extension('551d1f', tlv(0x30)))],
    [
      'a proxy certificate',
      leafOf(
        basicConstraints(false),
        keyUsage(0),
        extension('2b0601050507010e', tlv(0x30, tlv(0x30, oid('2a03'))), true),
      ),
    ],
    [
      'a proxy certificate with names',
      leafWith(extension('2b0601050507010e', tlv(0x30, tlv(0x30, oid('2a03'))), true)),
    ],
    [
      'an intermediate that is a proxy',
      {
        ca: {
          extensions: [
            basicConstraints(false),
            keyUsage(0, 5),
            extension('2b0601050507010e', tlv(0x30, tlv(0x30, oid('2a03'))), true),
          ],
        },
      },
    ],
    ['addresses that cannot be read', leafWith(extension('2b06010505070107', raw('ff'), true))],
    ['autonomous systems that cannot be read', leafWith(extension('2b06010505070108', raw('ff'), true))],
  ],
  'names of certificates': [
    ['issuer in upper case', { leaf: { issuer: 'ISSUING  ca ' } }],
    ['issuer as printable string', { leaf: { issuer: tlv(0x30, attribute('550403', 'Issuing CA', 0x13)) } }],
    [
      'issuer as BMP string',
      {
        leaf: {
          issuer: tlv(
            0x30,
            tlv(0x31, tlv(0x30, oid('550403'), tlv(0x1e, Buffer.from('Issuing CA', 'utf16le').swap16()))),
          ),
        },
      },
    ],
    ['issuer as T.61 string', { leaf: { issuer: tlv(0x30, attribute('550403', 'Issuing CA', 0x14)) } }],
    [
      'issuer as numeric string',
      {
        ca: { subject: tlv(0x30, attribute('550403', '12', 0x12)) },
        leaf: { issuer: tlv(0x30, attribute('550403', '12', 0x13)) },
      },
    ],
    ['issuer with accents', { ca: { subject: 'Ausstellér' }, leaf: { issuer: 'AUSSTELLéR' } }],
    ['issuer with accents in other case', { ca: { subject: 'Ausstellér' }, leaf: { issuer: 'AusstellÉr' } }],
    ['issuer with a tab', { ca: { subject: 'a\tb' }, leaf: { issuer: 'a b' } }],
    ['issuer with a no-break space', { ca: { subject: 'a\u00a0b' }, leaf: { issuer: 'a b' } }],
    [
      'several values in one part',
      {
        ca: {
          subject: tlv(
            0x30,
            tlv(0x31, tlv(0x30, oid('550403'), tlv(0x0c, 'a')), tlv(0x30, oid('55040a'), tlv(0x0c, 'b'))),
          ),
        },
        leaf: {
          issuer: tlv(
            0x30,
            tlv(0x31, tlv(0x30, oid('55040a'), tlv(0x0c, 'b')), tlv(0x30, oid('550403'), tlv(0x0c, 'a'))),
          ),
        },
      },
    ],
    [
      'two parts the other way round',
      {
        ca: { subject: tlv(0x30, attribute('550403', 'a'), attribute('55040a', 'b')) },
        leaf: { issuer: tlv(0x30, attribute('55040a', 'b'), attribute('550403', 'a')) },
      },
    ],
    ['empty issuer', { ca: { subject: tlv(0x30) } }],
    ['empty subject', { leaf: { subject: tlv(0x30) } }],
    ['UTF-8 that is none', { leaf: { subject: tlv(0x30, tlv(0x31, tlv(0x30, oid('550403'), tlv(0x0c, raw('ff'))))) } }],
    ['visible string', { leaf: { subject: tlv(0x30, attribute('550403', 'x', 0x1a)) } }],
    ['octet string', { leaf: { subject: tlv(0x30, attribute('550403', 'x', 0x04)) } }],
    ['bit string', { leaf: { subject: tlv(0x30, attribute('550403', '\0x', 0x03)) } }],
    ['BMP string of odd length', { leaf: { subject: tlv(0x30, attribute('550403', 'x', 0x1e)) } }],
    ['an empty part', { leaf: { subject: tlv(0x30, tlv(0x31)) } }],
  ],
  'key identifiers': [
    [
      'all agree',
      {
        root: { extensions: [...caExtensions, keyId('r')] },
        ca: { extensions: [...caExtensions, keyId('c'), authorityKeyId('r')] },
        leaf: { extensions: [...leafExtensions, keyId('l'), authorityKeyId('c')] },
      },
    ],
    [
      'leaf points elsewhere',
      {
        ca: { extensions: [...caExtensions, keyId('c')] },
        leaf: { extensions: [...leafExtensions, authorityKeyId('x')] },
      },
    ],
    [
      'intermediate points elsewhere',
      {
        root: { extensions: [...caExtensions, keyId('r')] },
        ca: { extensions: [...caExtensions, authorityKeyId('x')] },
      },
    ],
    ['leaf points where nobody says', { leaf: { extensions: [...leafExtensions, authorityKeyId('x')] } }],
    ['root points elsewhere', { root: { extensions: [...caExtensions, keyId('r'), authorityKeyId('x')] } }],
    ['root points to itself', { root: { extensions: [...caExtensions, keyId('r'), authorityKeyId('r')] } }],
    ['empty authority key identifier', leafWith(extension('551d23', tlv(0x30)))],
    [
      'empty identifier against one',
      {
        ca: { extensions: [...caExtensions, keyId('c')] },
        leaf: { extensions: [...leafExtensions, authorityKeyId('')] },
      },
    ],
    [
      'serial number of the issuer',
      {
        ca: { serial: Buffer.from([7]) },
        leaf: {
          extensions: [
            ...leafExtensions,
            extension(
              '551d23',
              tlv(0x30, tlv(0xa1, tlv(0xa4, tlv(0x30, attribute('550403', 'Root')))), tlv(0x82, '\x07')),
            ),
          ],
        },
      },
    ],
    [
      'serial number of another',
      {
        ca: { serial: Buffer.from([7]) },
        leaf: { extensions: [...leafExtensions, extension('551d23', tlv(0x30, tlv(0x82, '\x08')))] },
      },
    ],
    [
      'issuer of another',
      leafWith(extension('551d23', tlv(0x30, tlv(0xa1, tlv(0xa4, tlv(0x30, attribute('550403', 'Other'))))))),
    ],
    ['issuer that is no directory name', leafWith(extension('551d23', tlv(0x30, tlv(0xa1, dns('x')))))],
    ['negative serial number', { leaf: { serial: Buffer.from([0x80]) }, ca: { serial: Buffer.from([0xff]) } }],
    ['serial number 0', { leaf: { serial: Buffer.from([0]) } }],
    ['padded serial number', { leaf: { serial: Buffer.from([0, 1]) } }],
    ['padded serial number of the intermediate', { ca: { serial: Buffer.from([0, 1]) } }],
    ['empty serial number', { leaf: { serial: Buffer.alloc(0) } }],
    ['serial number of 40 octets', { leaf: { serial: Buffer.alloc(40, 1) } }],
  ],
  strength: [
    ['leaf with RSA 1024', { leaf: { key: 'rsa1024:leaf' } }],
    ['leaf with RSA 1536', { leaf: { key: 'rsa1536:leaf' } }],
    ['leaf with RSA 1962', { leaf: { key: 'rsa1962:leaf' } }],
    ['leaf with RSA 1963', { leaf: { key: 'rsa1963:leaf' } }],
    ['leaf with RSA 2048', { leaf: { key: 'rsa2048:leaf' } }],
    ['leaf with RSA-PSS', { leaf: { key: 'pss2048:leaf' } }],
    ['leaf with Ed25519', { leaf: { key: 'ed25519:leaf' } }],
    ['intermediate with RSA 1024', { ca: { key: 'rsa1024:ca' } }],
    ['intermediate with RSA 2048', { ca: { key: 'rsa2048:ca' } }],
    ['intermediate with RSA-PSS', { ca: { key: 'pss2048:ca' } }],
    ['intermediate with RSA that signs with PSS', { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'pss-sha256' } }],
    ['intermediate with RSA that signs with PSS and SHA-1', { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'pss-sha1' } }],
    ['intermediate with P-192', { ca: { key: 'p192:ca' } }],
    ['intermediate with P-224', { ca: { key: 'p224:ca' } }],
    ['intermediate with P-384', { ca: { key: 'p384:ca' }, leaf: { hash: 'sha384' } }],
    ['intermediate with secp256k1', { ca: { key: 'k256:ca' } }],
    ['intermediate with Ed25519', { ca: { key: 'ed25519:ca' } }],
    ['root with RSA 1024', { root: { key: 'rsa1024:root' } }],
    ['root with Ed25519', { root: { key: 'ed25519:root' } }],
    ['leaf signed with SHA-1', { leaf: { hash: 'sha1' } }],
    ['leaf signed with RSA and SHA-1', { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'sha1' } }],
    ['leaf signed with RSA and MD5', { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'md5' } }],
    ['intermediate signed with SHA-1', { ca: { hash: 'sha1' } }],
    ['root signed with SHA-1', { root: { hash: 'sha1' } }],
    ['root signed with RSA and MD5', { root: { key: 'rsa2048:root', hash: 'md5' } }],
  ],
  signatures: [
    ['leaf forged', { leaf: { forged: true } }],
    ['intermediate forged', { ca: { forged: true } }],
    ['root forged', { root: { forged: true } }],
    ['algorithm differs outside', { leaf: { outerAlgorithm: tlv(0x30, oid('2a8648ce3d040303')) } }],
    ['unknown algorithm outside', { leaf: { outerAlgorithm: tlv(0x30, oid('2a0304')) } }],
    ['algorithm of another key outside', { ca: { outerAlgorithm: tlv(0x30, oid('2a864886f70d01010b'), tlv(0x05)) } }],
    ['root with another algorithm outside', { root: { outerAlgorithm: tlv(0x30, oid('2a8648ce3d040303')) } }],
    ['parameters where there are none', { leaf: { outerAlgorithm: tlv(0x30, oid('2a8648ce3d040302'), tlv(0x05)) } }],
    [
      'intermediate with a key of an unknown kind',
      { ca: { spki: tlv(0x30, tlv(0x30, oid('2a0304')), tlv(0x03, '\0x')) } },
    ],
    [
      'intermediate with a point off the curve',
      {
        ca: {
          spki: tlv(
            0x30,
            tlv(0x30, oid('2a8648ce3d0201'), oid('2a8648ce3d030107')),
            tlv(0x03, '\0\x04', Buffer.alloc(64, 1)),
          ),
        },
      },
    ],
    ['leaf with a key of an unknown kind', { leaf: { spki: tlv(0x30, tlv(0x30, oid('2a0304')), tlv(0x03, '\0x')) } }],
    [
      'leaf with a point off the curve',
      {
        leaf: {
          spki: tlv(
            0x30,
            tlv(0x30, oid('2a8648ce3d0201'), oid('2a8648ce3d030107')),
            tlv(0x03, '\0\x04', Buffer.alloc(64, 1)),
          ),
        },
      },
    ],
    [
      'leaf with another key than it signs with',
      { leaf: { spki: tlv(0x30, tlv(0x30, oid('2a8648ce3d0201'), oid('2b810400a')), tlv(0x03, '\0\x04')) } },
    ],
  ],
  identity: [
    ['another name', leafOf(altNames(dns('other.test')))],
    ['common name only', { leaf: { subject: usualName, extensions: [] } }],
    ['wildcard', leafOf(altNames(dns('*.test')))],
    ['upper case', leafOf(altNames(dns(usualName.toUpperCase())))],
    ['trailing dot', leafOf(altNames(dns(`${usualName}.`)))],
    ['address', leafOf(altNames(tlv(0x87, raw('7f000001'))))],
    ['expired and another name', { leaf: { until: -0.5, extensions: [altNames(dns('other.test'))] } }],
  ],
}

const blocks = (...families: readonly Buffer[]): Buffer => extension('2b06010505070107', tlv(0x30, ...families), true)
const family = (hex: string, choice: Buffer): Buffer => tlv(0x30, tlv(0x04, raw(hex)), choice)
const prefix = (hex: string): Buffer => tlv(0x03, raw(hex))
const list = (...ranges: readonly Buffer[]): Buffer => tlv(0x30, ...ranges)
const systems = (choice: Buffer, tag = 0xa0): Buffer => extension('2b06010505070108', tlv(0x30, tlv(tag, choice)), true)
const number = (hex: string): Buffer => tlv(0x02, raw(hex))
const all = blocks(family('0001', list(prefix('00'))))
const ten = blocks(family('0001', list(prefix('000a'))))
const inherited = tlv(0x05)

/** Resources of leaf, intermediate and root. */
const resources: readonly [string, Buffer | null, Buffer | null, Buffer | null][] = [
  ['of the leaf only', ten, null, null],
  ['of the intermediate only', null, ten, null],
  ['equal everywhere', ten, ten, ten],
  ['within', blocks(family('0001', list(prefix('000a01')))), ten, all],
  ['without', blocks(family('0001', list(prefix('000b01')))), ten, all],
  ['not of the root', ten, ten, null],
  ['not of the intermediate', ten, null, ten],
  ['inherited by the leaf', blocks(family('0001', inherited)), ten, ten],
  ['inherited by leaf and intermediate', blocks(family('0001', inherited)), blocks(family('0001', inherited)), ten],
  [
    'inherited to the end',
    blocks(family('0001', inherited)),
    blocks(family('0001', inherited)),
    blocks(family('0001', inherited)),
  ],
  ['inherited by the leaf only', blocks(family('0001', inherited)), null, null],
  ['inherited by the intermediate', ten, blocks(family('0001', inherited)), ten],
  ['of another family', ten, blocks(family('0002', list(prefix('0020')))), all],
  [
    'a prefix of 12 bits',
    blocks(family('0001', list(prefix('040a10')))),
    blocks(family('0001', list(prefix('040a10')))),
    ten,
  ],
  ['a range', blocks(family('0001', list(list(prefix('000a01'), prefix('000a02'))))), ten, all],
  ['a range beyond', blocks(family('0001', list(list(prefix('000a01'), prefix('000b02'))))), ten, all],
  ['a range that is a prefix', blocks(family('0001', list(list(prefix('000a01'), prefix('000a01'))))), ten, all],
  ['a range backwards', blocks(family('0001', list(list(prefix('000a03'), prefix('000a01'))))), ten, all],
  ['prefixes that touch', blocks(family('0001', list(prefix('000a01'), prefix('000a02')))), ten, all],
  ['prefixes in the wrong order', blocks(family('0001', list(prefix('000a05'), prefix('000a02')))), ten, all],
  ['two prefixes', blocks(family('0001', list(prefix('000a01'), prefix('000a03')))), ten, all],
  ['no prefix', blocks(family('0001', list())), ten, all],
  ['families in the wrong order', blocks(family('0002', inherited), family('0001', inherited)), ten, all],
  ['no family', blocks(), ten, all],
  ['an unordered root', ten, ten, blocks(family('0001', list(prefix('000a'), prefix('0002'))))],
  [
    'systems within',
    systems(list(number('05'))),
    systems(list(list(number('01'), number('09')))),
    systems(list(list(number('01'), number('09')))),
  ],
  [
    'systems without',
    systems(list(number('0a'))),
    systems(list(list(number('01'), number('09')))),
    systems(list(list(number('01'), number('09')))),
  ],
  ['systems of the leaf only', systems(list(number('05'))), null, null],
  ['systems that touch', systems(list(number('05'), number('06'))), systems(list(number('05'), number('06'))), null],
  ['systems inherited by the leaf only', systems(inherited), null, null],
  ['systems inherited', systems(inherited), systems(inherited), systems(list(number('05')))],
  ['systems inherited to the end', systems(inherited), systems(inherited), systems(inherited)],
  [
    'routing domains',
    systems(list(number('05')), 0xa1),
    systems(list(number('05')), 0xa1),
    systems(list(number('05')), 0xa1),
  ],
  [
    'routing domains against systems',
    systems(list(number('05')), 0xa1),
    systems(list(number('05'))),
    systems(list(number('05'))),
  ],
  ['no systems', systems(list()), systems(list(number('05'))), null],
]

const some = (value: Buffer | null): Buffer[] => (value === null ? [] : [value])

const resourceCases = resources.map(([what, leaf, ca, root]): [string, Changes] => [
  what,
  {
    leaf: { extensions: [...leafExtensions, ...some(leaf)] },
    ca: { extensions: [...caExtensions, ...some(ca)] },
    root: { extensions: [...caExtensions, ...some(root)] },
  },
])

const base = (name: string): Buffer => dns(name)
const dirName = (...parts: readonly Buffer[]): Buffer => tlv(0xa4, tlv(0x30, ...parts))
const mail = (address: string): Buffer => tlv(0x81, address)
const uri = (text: string): Buffer => tlv(0x86, text)
const ip = (hex: string): Buffer => tlv(0x87, raw(hex))
const bounded = (name: Buffer, bounds: Buffer): Buffer =>
  extension('551d1e', tlv(0x30, tlv(0xa0, tlv(0x30, name, bounds))), true)

/** What a CA is limited to, against names of the leaf; each judged both as permitted and as excluded. */
const constraints: readonly [string, Buffer, readonly Buffer[], string?][] = [
  ['the very name', base(usualName), [dns(usualName)]],
  ['the domain', base('test'), [dns(usualName)]],
  ['the domain with a dot', base('.test'), [dns(usualName)]],
  ['the domain in upper case', base('TEST'), [dns(usualName)]],
  ['another domain', base('example'), [dns(usualName)]],
  ['a part of the label', base('end.test'), [dns(usualName)]],
  ['a longer name', base(`x.${usualName}`), [dns(usualName)]],
  ['everything', base(''), [dns(usualName)]],
  ['a dot', base('.'), [dns(usualName)]],
  ['a wildcard name', base('a.test'), [dns('*.test'), dns(usualName)]],
  ['a second name outside', base(usualName), [dns(usualName), dns('x.example')]],
  ['an address', ip('7f000000ff000000'), [dns(usualName), ip('7f000001')]],
  ['an address outside', ip('7f000000ff000000'), [dns(usualName), ip('0a000001')]],
  ['an address with a mask with holes', ip('7f000001ff0000ff'), [dns(usualName), ip('7f123401')]],
  ['an IPv6 address', ip(`${'00'.repeat(15)}01${'ff'.repeat(16)}`), [dns(usualName), ip(`${'00'.repeat(15)}01`)]],
  ['IPv4 against IPv6', ip('7f000000ff000000'), [dns(usualName), ip(`${'00'.repeat(15)}01`)]],
  ['an address range of 5 bytes', ip('7f000000ff'), [dns(usualName), ip('7f000001')]],
  ['an address of 5 bytes', ip('7f000000ff000000'), [dns(usualName), ip('7f00000101')]],
  ['a mail host', mail('x.test'), [dns(usualName), mail('a@x.test')]],
  ['a mail host in upper case', mail('X.test'), [dns(usualName), mail('a@x.TEST')]],
  ['a mail domain', mail('.x.test'), [dns(usualName), mail('a@y.x.test')]],
  ['a mail domain against its host', mail('.x.test'), [dns(usualName), mail('a@x.test')]],
  ['a mailbox', mail('a@x.test'), [dns(usualName), mail('a@X.test')]],
  ['another mailbox', mail('A@x.test'), [dns(usualName), mail('a@x.test')]],
  ['an at sign alone', mail('@x.test'), [dns(usualName), mail('a@x.test')]],
  ['mail without an at sign', mail('x.test'), [dns(usualName), mail('x.test')]],
  ['mail with two at signs', mail('x.test'), [dns(usualName), mail('"a@b"@x.test')]],
  ['a URI host', uri('x.test'), [dns(usualName), uri('https://x.test/path')]],
  ['a URI domain', uri('.x.test'), [dns(usualName), uri('https://y.x.test:8443/')]],
  ['a URI with a port', uri('x.test'), [dns(usualName), uri('https://x.test:1')]],
  ['a URI with a user', uri('x.test'), [dns(usualName), uri('https://user@x.test/')]],
  ['a URI with a user and password', uri('x.test'), [dns(usualName), uri('https://user:x.test@y.test/')]],
  ['a URI with a colon in its path', uri('x.test'), [dns(usualName), uri('https://x.test/a:b')]],
  ['a URI with a query', uri('x.test'), [dns(usualName), uri('https://x.test?a')]],
  ['a URI without slashes', uri('x.test'), [dns(usualName), uri('urn:x.test')]],
  ['a URI without host', uri('x.test'), [dns(usualName), uri('file:///x')]],
  ['a URI with an IPv6 address', uri('x.test'), [dns(usualName), uri('https://[::1]/')]],
  ...[
    'x.test',
    '//x.test',
    '://x.test',
    'a+b.c-d1://x.test',
    'a_b://x.test',
    '1x://x.test',
    'X://X.TEST',
    'https://x.test:65535/',
    'https://x.test:65536/',
    'https://x.test:/',
    'https://x.test:+5/',
    'https://x.test:0080?a',
    'https://x.test#a@y',
    'https://a@b@x.test/',
    'https://a:b@x.test',
    'https://a@[::1]:5/',
    'https://[::1]x/',
    'https://[::1',
    'https://x.test\0.y/',
    'https:///x.test',
    'https://x.test\\a',
  ].map((text): [string, Buffer, readonly Buffer[]] => [`the URI ${text}`, uri('x.test'), [dns(usualName), uri(text)]]),
  ['a URI of an address literal', uri('[::1]'), [dns(usualName), uri('https://u@[::1]:5/')]],
  ['a URI domain that is a dot', uri('.'), [dns(usualName), uri('https://x.test.')]],
  ['no URI host', uri(''), [dns(usualName), uri('file:///x')]],
  [
    'a directory name',
    dirName(attribute('55040a', 'Org')),
    [dns(usualName), dirName(attribute('55040a', 'ORG'), attribute('550403', 'x'))],
  ],
  ['the subject', dirName(attribute('550403', 'leaf')), [dns(usualName)]],
  ['the subject in parts', dirName(attribute('55040a', 'o')), [dns(usualName)]],
  ['the empty directory name', dirName(), [dns(usualName)]],
  [
    'an other name',
    tlv(0xa0, oid('2a0304'), tlv(0xa0, tlv(0x0c, 'x'))),
    [dns(usualName), tlv(0xa0, oid('2a0304'), tlv(0xa0, tlv(0x0c, 'x')))],
  ],
  [
    'an other name of another kind',
    tlv(0xa0, oid('2a0305'), tlv(0xa0, tlv(0x0c, 'x'))),
    [dns(usualName), tlv(0xa0, oid('2a0304'), tlv(0xa0, tlv(0x0c, 'x')))],
  ],
  [
    'mail in UTF-8',
    mail('x.test'),
    [dns(usualName), tlv(0xa0, oid('2b06010505070809'), tlv(0xa0, tlv(0x0c, 'é@x.test')))],
  ],
  [
    'mail in UTF-8 of another host',
    mail('y.test'),
    [dns(usualName), tlv(0xa0, oid('2b06010505070809'), tlv(0xa0, tlv(0x0c, 'é@x.test')))],
  ],
  ['a registered ID', tlv(0x88, raw('2a03')), [dns(usualName), tlv(0x88, raw('2a03'))]],
  ['nothing that the leaf has', mail('x.test'), [dns(usualName)]],
  ['the common name beside an address', base('test'), [ip('7f000001')], 'www.test'],
  ['the common name of another domain', base('example'), [ip('7f000001')], 'www.test'],
  ['a common name beside a DNS name', base('test'), [dns(usualName)], 'www.example'],
  ['a common name of one label', base('example'), [ip('7f000001')], 'test'],
  ['a common name that is no host', base('example'), [ip('7f000001')], 'www .test'],
  ['a common name with an underscore', base('example'), [ip('7f000001')], 'a_b.test'],
  ['a common name with a hyphen at a dot', base('example'), [ip('7f000001')], 'a-.test'],
  ['a common name with two dots', base('example'), [ip('7f000001')], 'a..test'],
  ['a common name with a final dot', base('example'), [ip('7f000001')], 'a.test.'],
  ['a common name with a NUL behind', base('example'), [ip('7f000001')], 'a.test\0'],
  ['a common name with a NUL inside', base('example'), [ip('7f000001')], 'a.\0test'],
  ['a wildcard common name', base('example'), [ip('7f000001')], '*.test'],
]

function constrained(): [string, Changes][] {
  return constraints.flatMap(([what, limit, names, commonName]) =>
    (['permitted', 'excluded'] as const).flatMap((kind): [string, Changes][] => {
      const limits = nameConstraints({ [kind]: [limit] })
      const leaf = { extensions: [altNames(...names)], ...(commonName === undefined ? {} : { subject: commonName }) }
      return [
        [`${kind}: ${what}`, { leaf, ca: { extensions: [...caExtensions, limits] } }],
        [`${kind} by the root: ${what}`, { leaf, root: { extensions: [...caExtensions, limits] } }],
      ]
    }),
  )
}

const moreConstraints: readonly [string, Changes][] = [
  ['minimum 0', caWith(bounded(base('test'), tlv(0x80, '\0')))],
  ['minimum 1', caWith(bounded(base('test'), tlv(0x80, '\x01')))],
  ['maximum', caWith(bounded(base('test'), tlv(0x81, '\x01')))],
  ['minimum of a kind that the leaf has not', caWith(bounded(mail('x'), tlv(0x80, '\x01')))],
  ['empty constraints', caWith(extension('551d1e', tlv(0x30), true))],
  ['a subtree without a base', caWith(extension('551d1e', tlv(0x30, tlv(0xa0, tlv(0x30))), true))],
  ['constraints that are not critical', caWith(extension('551d1e', tlv(0x30, tlv(0xa0, tlv(0x30, base('example'))))))],
  ['constraints in the leaf', leafWith(nameConstraints({ permitted: [base('example')] }))],
  ['permitted twice, one of them right', caWith(nameConstraints({ permitted: [base('example'), base('test')] }))],
  ['permitted and excluded', caWith(nameConstraints({ permitted: [base('test')], excluded: [base(usualName)] }))],
  [
    'directory name that the intermediate is outside of',
    { root: { extensions: [...caExtensions, nameConstraints({ permitted: [dirName(attribute('550403', 'leaf'))] })] } },
  ],
  [
    'self-issued intermediate outside',
    {
      root: {
        extensions: [
          ...caExtensions,
          keyId('r'),
          nameConstraints({ permitted: [dirName(attribute('550403', 'leaf'))] }),
        ],
      },
      ca: { subject: 'Root', extensions: [...caExtensions, keyId('c'), authorityKeyId('r')] },
    },
  ],
  [
    'mail address in the subject',
    {
      ...caWith(nameConstraints({ permitted: [mail('x.test')] })),
      leaf: { subject: tlv(0x30, attribute('2a864886f70d010901', 'a@y.test', 0x16)) },
    },
  ],
  [
    'mail address in the subject as UTF-8',
    {
      ...caWith(nameConstraints({ permitted: [mail('x.test')] })),
      leaf: { subject: tlv(0x30, attribute('2a864886f70d010901', 'a@x.test', 0x0c)) },
    },
  ],
  [
    'mail address in the subject, permitted',
    {
      ...caWith(nameConstraints({ permitted: [mail('x.test')] })),
      leaf: { subject: tlv(0x30, attribute('2a864886f70d010901', 'a@x.test', 0x16)) },
    },
  ],
]

for (const [family, cases] of Object.entries({
  ...families,
  resources: resourceCases,
  'name constraints': [...constrained(), ...moreConstraints],
})) {
  test(`judge and handshake agree: ${family}`, async (t) => {
    await using rig = await ParityRig.start()
    const wrong: string[] = []
    let count = 0
    for (const [what, changes] of cases) {
      const arranged = arrangements(what, chainOf(changes)).filter(canBeStored)
      // Name constraints need the whole path; the arrangements have been through the other families.
      for (const it of family === 'name constraints' ? arranged.filter((_, index) => index % 7 === 0) : arranged) {
        count += 1
        await expectParity(it, rig).catch((error: unknown) => wrong.push(String(error).slice(0, 300)))
      }
    }
    t.diagnostic(`${count} cases`)
    assert.deepEqual(wrong, [])
  })
}

/** What the strict reader refuses is in no trust store. */
const canBeStored = ({ anchors, intermediates = [] }: ParityCase): boolean =>
  [...anchors, ...intermediates].every((der) => presented(der).certificate !== null)
