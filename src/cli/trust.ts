import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import type { CommandIo } from './command-io.ts'
import { trustAdd } from './trust-add.ts'
import { trustExport } from './trust-export.ts'

const help = `usage: postern trust COMMAND [options]

  add       add one certificate to a trust store: the one with the fingerprint that is named, and no other
  export    write one certificate as PEM to standard output, chosen the same way
  what-if   what a change of a trust store would do, before it is made

postern trust add -c FILE --store NAME [--as anchor|intermediate] WHICH WHERE [options]
postern trust export [-c FILE] WHICH WHERE

WHICH, one of
  --sha256 HEX        fingerprint of the certificate, 64 digits
  --key-id HEX        subject key id; for a certificate that its owner sends, when only its issuer's key id is known
WHERE, one of
  --file FILE         PEM, DER or PKCS#7
  --url URL           as certificates name their issuers: http, never more than 64 KiB
  --from ENDPOINT     what a target of the configuration or HOST:PORT serves, and what that points to
  --server-name NAME  name to ask a HOST:PORT for (SNI); default its host
  --known             the stores of the configuration, and the public roots that come with the runtime

  --as ROLE           anchor (default): ends a path. intermediate: helps to build one and anchors nothing
  --new-file FILE     make this file and add it to the store, in place of one that the store has
  --allow-expired     even though it has ended
  --dry-run           say what would be done
  --json              the same as data

A running gateway takes the change up by itself.
Exit status: 0 done, or there already; 1 refused, nothing was written; 2 wrong usage.
`

/** `postern trust`: what is trusted, changed one certificate at a time. */
export async function trustCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const [name = '', ...rest] = args
  if (name === 'what-if') return (await import('./trust-what-if.ts')).trustWhatIf(rest, io, signal)
  const isHelp = name === 'help' || name === '--help' || name === '-h'
  if (name === '' || isHelp || rest.includes('--help')) {
    io.stdout(help)
    return name === '' ? 2 : 0
  }
  const command = { add: trustAdd, export: trustExport }[name]
  if (command === undefined) {
    io.stderr(`postern trust: there is no command "${name}"\n${help}`)
    return 2
  }
  try {
    return await command(rest, io, signal)
  } catch (thrown) {
    const wrongUsage = codeOf(thrown) === 'usage'
    if (!wrongUsage && !(thrown instanceof PosternError)) throw thrown
    io.stderr(`postern trust ${name}: ${messageOf(thrown)}\n${wrongUsage ? 'See: postern trust --help\n' : ''}`)
    return wrongUsage || codeOf(thrown) === 'config-unreadable' ? 2 : 1
  }
}
