export const tlsHelp = `postern tls: what a backend shows, whether this gateway would trust it, and what to change

  postern tls check ENDPOINT... [options]      see postern tls check --help
`

export const checkHelp = `postern tls check: would this gateway trust it, and if not, exactly why

  postern tls check ENDPOINT... [options]
  postern tls check --from FILE [options]
  postern tls check TARGET... --admin URL [--json] [--no-aia]

ENDPOINT            a target of the configuration (all its servers), host:port, [v6]:port, or https://host[:port]/...
  -c, --config FILE configuration with targets and stores (default: postern.yaml, where it is needed)

  --admin URL       of the management API: the running gateway checks its targets, as they are in force. For targets of
                    deployed proxies (ORG/ENV/API/REVISION/ENDPOINT) and all that trust managed stores
  --token-env NAME  the variable with an API token; default POSTERN_TOKEN, else POSTERN_USER and POSTERN_PASSWORD

Whom to trust, for endpoints that are no target (default: --system)
  --store NAME      a trust store of the configuration; may be repeated, and combined with the others
  --ca FILE|DIR     certificates in files: PEM, DER or PKCS#7; may be repeated
  --system          the system's roots, or what SSL_CERT_FILE and SSL_CERT_DIR name
  --bundled         the public roots of the runtime (Mozilla)

How to connect, for endpoints that are no target
  --server-name N   name to ask for (SNI), and to verify (default: the host)
  --verify-name N   name or IP address to verify in place of it
  --cert FILE       client certificate to show where one is asked for; PEM, leaf first
  --key FILE        its key (default: in the same file)
  --tls-min V       lowest TLS version to offer: 1.0, 1.1, 1.2, 1.3 (default 1.2)
  --tls-max V       highest (default 1.3)

How to judge
  --mode MODE       runtime: what this gateway does (default); rfc5280: the standard to the letter; strict: the duties of
                    issuers too. Under runtime a finding says where the standard differs
  --time ISO        judge as of another moment: 2027-01-31 or 2027-01-31T12:00:00Z
  --no-aia          do not fetch missing issuers from where certificates point to (evidence only, never trusted)
  --timeout T       for the connection, and as long for the handshake (default: the target's, or 3s and 10s)

Many endpoints
  --from FILE|-     a list: one endpoint a line, then name=, ca=, store= for it alone, separated by blanks or commas;
                    # begins a comment
  --concurrency N   endpoints at a time (default 16)
  --out FILE        a report for each as a line of JSON, written as it is found
  --resume          leave out what --out FILE holds already, under the same trust and mode: counted, not shown again
  -q, --quiet       no progress on standard error

Output
  --json            one server: its report, { verdict, findings, chain, remedy, ... }. Several: a report a line, and
                    { "summary": ... } as the last line
  --junit FILE      the same as JUnit XML, one test case for each server

Exit status: 0 all are trusted, 1 a fault was found, 2 wrong usage, or no answer of the gateway.

Examples
  postern tls check billing -c postern.yaml
  postern tls check acme/test/orders/1/default --admin http://127.0.0.1:8090
  postern tls check https://billing.internal:8443 --ca corp-ca.pem
  postern tls check --from backends.txt --out results.jsonl --resume
`
