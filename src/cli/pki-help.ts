import { basename, dirname } from 'node:path'

export const pkiHelp = `postern pki: make certificates, and the bundle a gateway trusts

  postern pki root --cn NAME --out DIR
  postern pki intermediate --issuer PREFIX --cn NAME --out DIR [--path-length N]
  postern pki leaf --issuer PREFIX --name NAME [--name NAME]... --out DIR [--client]
  postern pki bundle FILE... --out FILE [--password-file FILE] [--keep-leaf]
  postern pki show FILE... [--password-file FILE]

root, intermediate, leaf
  --out DIR         directory for NAME.crt and NAME.key (mode 0600); made if it is not there
  --as NAME         name of the files (default: root, intermediate, or the first --name)
  --issuer PREFIX   files of the issuer without their ending: pki/root stands for pki/root.crt and pki/root.key
  --org NAME        organization in the subject
  --key KIND        ec-p256 (default), ec-p384, ec-p521, rsa-2048, rsa-3072, rsa-4096, ed25519
  --days N          days from now (default: root 3650, intermediate 1825, leaf 397; never longer than the issuer's)
  --client          a client certificate instead of a server's

bundle              merges PEM, DER, PKCS#7 and PKCS#12: issuing authorities first, roots last. Private keys and leaf
                    certificates are left out and named; a damaged file is refused whole.
  --password-file   file with the password of the PKCS#12 files; never an argument, which every user can see
  --keep-leaf       keep certificates that are no authorities

everywhere
  --force           replace files that exist
  --json            report as JSON

Exit code: 0 done, 1 a file is faulty, 2 wrong usage.

Example: a private PKI of three levels, and the bundle for the gateway
  postern pki root --cn "Corp Root" --out pki
  postern pki intermediate --issuer pki/root --cn "Corp Issuing CA" --out pki
  postern pki leaf --issuer pki/intermediate --name billing.internal --name 10.0.0.5 --out pki
  postern pki bundle pki/root.crt pki/intermediate.crt --out ca.crt
`

/** What to do with a bundle: the published recipe for the self-hosted gateway, and the project's own configuration. */
export function bundleNextSteps(file: string): string {
  const name = basename(file)
  const path = dirname(file) === '.' ? `./${name}` : file
  return `Next, on Kubernetes:
  kubectl create secret generic corp-ca --from-file=${file}
  Mount the secret as a directory, say /etc/postern/trust, and point the gateway at the file:
    env: [ { name: SSL_CERT_FILE, value: /etc/postern/trust/${name} } ]
  (Mounted with subPath it works too, but a changed secret never reaches the container.)
Or in postern.yaml:
  trustStores:
    corp:
      sources: [ { file: ${path} } ]
`
}
