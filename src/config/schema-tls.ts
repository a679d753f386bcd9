import { z } from 'zod'
import { CertificateName, DnsName } from './addresses.ts'
import { Ciphers, FilePath, Label, Name, refuse, Until } from './scalars.ts'

/** Everything that decides whom the gateway trusts, and as whom it shows itself. */

export const TlsVersion = z.enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']).meta({
  id: 'TlsVersion',
  title: 'TLS version',
  examples: ['TLSv1.2', 'TLSv1.3'],
})

const ManagedStoreName = z
  .string()
  .regex(/^(?:ref:\/\/)?(?:[A-Za-z0-9._$%-]{1,255}\/[A-Za-z0-9._$%-]{1,255}\/)?[A-Za-z0-9._-]{1,255}$/)
  .meta({
    id: 'ManagedStoreName',
    title: 'name of a managed store',
    examples: ['partners', 'ref://partners', 'acme/prod/partners'],
  })

/** Protocols of a TLS connection (RFC 7301), best first. */
export const Alpn = z
  .array(z.enum(['h2', 'http/1.1']).meta({ title: 'protocol' }))
  .min(1)
  .superRefine((names, context) => {
    if (new Set(names).size < names.length) refuse(context, 'names a protocol twice', '[h2, http/1.1]')
  })
  .meta({ title: 'list of protocols' })

const InlineSource = z.strictObject({
  inline: z.string().min(1).meta({ title: 'PEM text', description: 'PEM text, one or more certificates.' }),
})
const FileSource = z.strictObject({
  file: FilePath.meta({ description: 'File with one or more certificates: PEM, DER or PKCS#7. Watched.' }),
})
const DirectorySource = z.strictObject({
  directory: FilePath.meta({ description: 'Every file in the directory, whatever its name. Watched.' }),
})
const EnvSource = z.strictObject({
  env: z.enum(['SSL_CERT_FILE', 'SSL_CERT_DIR']).meta({
    description:
      'Environment variable: `SSL_CERT_FILE` names a file, `SSL_CERT_DIR` directories separated by `:`, of which every file is read.',
  }),
  optional: z
    .boolean()
    .default(false)
    .meta({ description: 'An unset variable is no fault; the source is then empty.' }),
})
const SystemSource = z.strictObject({ system: z.literal(true).meta({ description: "The operating system's roots." }) })
const BundledSource = z.strictObject({
  bundled: z.literal(true).meta({ description: 'The public roots that come with the runtime (Mozilla).' }),
})

const ManagedSource = z.strictObject({
  managed: ManagedStoreName.meta({
    description:
      'A store of the management API: `NAME` or `ref://NAME` in the organization and environment of this file, or with `ORG/ENV/` before the name. A change of it takes effect with its answer.',
  }),
})

const TrustSource = z
  .union([InlineSource, FileSource, DirectorySource, EnvSource, SystemSource, BundledSource, ManagedSource])
  .meta({
    id: 'TrustSource',
    title: 'source of certificates',
    description:
      'Where certificates come from: exactly one of `inline`, `file`, `directory`, `env`, `system`, `bundled`, `managed`.',
    examples: ['{ file: ./corp-ca.pem }', '{ directory: /etc/postern/trust/corp }', '{ env: SSL_CERT_FILE }'],
  })

export const TrustStore = z
  .strictObject({
    sources: z
      .array(TrustSource)
      .min(1)
      .meta({
        examples: ['[ { file: ./corp-ca.pem } ]'],
        description: 'Anchors. Every source must give at least one certificate, or the configuration is refused.',
      }),
    intermediates: z.array(TrustSource).prefault([]).meta({
      description: 'Certificates that help to build a path and anchor nothing, for backends that do not send theirs.',
    }),
    partialChain: z.boolean().default(false).meta({
      description:
        'Every entry of `sources` ends a path, self-signed or not, as in a Java trust store. Without it a path must end in a self-signed root.',
    }),
  })
  .meta({ id: 'TrustStore', title: 'trust store', description: 'A named set of certificates that targets may trust.' })

const InlineCrl = z.strictObject({
  inline: z.string().min(1).meta({ title: 'PEM text', description: 'PEM text, one or more revocation lists.' }),
})
const FileCrl = z.strictObject({
  file: FilePath.meta({ description: 'File with one revocation list in DER, or one or more in PEM. Watched.' }),
})
const DirectoryCrl = z.strictObject({
  directory: FilePath.meta({ description: 'Every file in the directory, whatever its name. Watched.' }),
})

const CrlSource = z.union([InlineCrl, FileCrl, DirectoryCrl]).meta({
  id: 'CrlSource',
  title: 'source of revocation lists',
  description: 'Where revocation lists come from: exactly one of `inline`, `file`, `directory`.',
  examples: ['{ file: ./corp.crl }', '{ directory: /etc/postern/crls }'],
})

export const CrlStore = z
  .strictObject({
    sources: z
      .array(CrlSource)
      .min(1)
      .meta({
        examples: ['[ { file: ./corp.crl } ]'],
        description: 'Every source must give at least one list, and the store one that handshakes use.',
      }),
  })
  .meta({
    id: 'CrlStore',
    title: 'CRL store',
    description: 'A named set of certificate revocation lists (RFC 5280 section 5).',
  })

export const Identity = z
  .strictObject({
    certificate: FilePath.meta({ description: 'PEM file: the leaf, then its intermediates. Watched.' }),
    key: FilePath.meta({ description: 'PEM file with the private key. Watched.' }),
    passphraseFile: FilePath.optional().meta({
      description: 'File with the passphrase of an encrypted key; one line end at its end is ignored.',
    }),
  })
  .meta({ id: 'Identity', title: 'certificate and key', description: 'A certificate chain with its private key.' })

export const ManagedIdentity = z
  .strictObject({
    keyStore: ManagedStoreName.meta({ description: 'A key store of the management API, or a reference to one.' }),
    alias: Label.meta({ title: 'name', description: 'The alias, which must have a key.', examples: ['client'] }),
  })
  .meta({ id: 'ManagedIdentity', title: 'alias of a managed key store' })

const Exception = z
  .strictObject({
    skip: z
      .enum(['chain', 'name'])
      .meta({ description: '`chain`: who issued the certificate. `name`: whom it names.' }),
    owner: Label.meta({ description: 'Who answers for it.', examples: ['payments team'] }),
    reason: Label.meta({ description: 'Why it is needed.', examples: ['new CA arrives in March'] }),
    until: Until.optional().meta({
      description: 'The exception ends then by itself; without it, when the entry is removed.',
    }),
  })
  .meta({
    id: 'Exception',
    title: 'exception',
    description: 'One verification that is skipped for this target, shown in every output while it is in force.',
  })

export const TargetTls = z
  .strictObject({
    trust: z
      .array(Name)
      .prefault([])
      .meta({
        description:
          'Names of the trust stores whose certificates may anchor this target. Never implied: required for an `https` URL unless a chain exception is in force.',
        examples: ['[corp]'],
      }),
    serverName: DnsName.optional().meta({
      description:
        "SNI to send, and the name the certificate must cover unless `subjectAltNames` is given. Without it: the URL's host when that is a DNS name, else no SNI.",
    }),
    subjectAltNames: z
      .array(CertificateName)
      .min(1)
      .max(64)
      .optional()
      .meta({
        description:
          'Names of which the certificate must cover one. When given, `serverName` is SNI only (as in BackendTLSPolicy).',
        examples: ['[billing.internal]'],
      }),
    minVersion: TlsVersion.default('TLSv1.2').meta({ description: 'Lowest TLS version to offer.' }),
    maxVersion: TlsVersion.default('TLSv1.3').meta({ description: 'Highest TLS version to offer.' }),
    ciphers: Ciphers.optional().meta({ description: "Cipher suites to offer. Without it: the runtime's list." }),
    alpn: Alpn.default(['http/1.1']).meta({
      description:
        'Protocols to offer, best first. HTTP/2 only when asked for: its requests share few connections, so a load balancer of connections in between would give them all to one server.',
      examples: ['[h2, http/1.1]', '[http/1.1]'],
    }),
    clientCertificate: z
      .union([Identity, ManagedIdentity])
      .optional()
      .meta({ description: 'Identity to show when the backend asks for one.' }),
    exceptions: z.array(Exception).prefault([]).meta({ description: 'Verifications skipped for this target.' }),
    revocation: z.enum(['off', 'crl', 'staple-required']).default('off').meta({
      description:
        '`crl`: every certificate of the path needs a current list of its CA, in the stores of `crls`, and must not be on it. `staple-required`: the backend must staple a good OCSP response for its certificate (not for the CAs above). What is missing or has ended refuses the backend.',
    }),
    crls: z
      .array(Name)
      .prefault([])
      .meta({ description: 'Names of the CRL stores that `revocation: crl` goes by.', examples: ['[corp]'] }),
    resumption: z.boolean().default(false).meta({
      description:
        'Resume TLS sessions within one trust snapshot. A resumed session is not verified again, so it is off unless asked for.',
    }),
    onTrustChange: z.enum(['drain', 'cut']).default('drain').meta({
      description:
        'Busy connections of the old trust: `drain` lets their request end, `cut` closes them. Idle ones are closed either way.',
    }),
  })
  .meta({ id: 'TargetTls', title: 'TLS settings of a target' })
