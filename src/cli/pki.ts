import type { CommandIo } from './command-io.ts'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { basename } from 'node:path'
import { domainToASCII } from 'node:url'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { mergeBundle, readAny } from '../pki/bundle.ts'
import { describeCertificate, renderFacts } from '../pki/describe.ts'
import { type IdentityFiles, readIssuer, writeIdentity, writeNewFiles } from '../pki/files.ts'
import { type KeyKind, keyKinds } from '../pki/keys.ts'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../pki/make.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { commandName } from './command-name.ts'
import { fileProblem } from './file-problem.ts'
import { bundleNextSteps, pkiHelp } from './pki-help.ts'
import { parseOptions } from './parse-options.ts'

/** `postern pki`: makes certificate authorities and server certificates, and the bundle that a gateway trusts. */
export async function pkiCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const [name = '', ...rest] = args
  if (name === '' || name === 'help' || rest.includes('--help') || name === '--help') {
    io.stdout(pkiHelp)
    return name === '' ? 2 : 0
  }
  const subcommand = subcommands.get(name)
  if (subcommand === undefined) {
    io.stderr(`postern pki: no such command: ${name}. There are: ${[...subcommands.keys()].join(', ')}\n`)
    return 2
  }
  try {
    await subcommand(rest, io)
    return 0
  } catch (thrown) {
    const isUsage = codeOf(thrown) === 'usage'
    const isFile = fileErrors.has(codeOf(thrown))
    if (!isUsage && !isFile && !(thrown instanceof PosternError)) throw thrown
    io.stderr(`postern pki ${name}: ${isFile ? fileText(thrown) : messageOf(thrown)}\n`)
    if (isUsage) io.stderr('See: postern pki --help\n')
    return isUsage || isFile ? 2 : 1
  }
}

type Subcommand = (args: readonly string[], io: CommandIo) => Promise<void>

const makeOptions = {
  out: { type: 'string' },
  as: { type: 'string' },
  org: { type: 'string' },
  key: { type: 'string', default: 'ec-p256' },
  days: { type: 'string' },
  force: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

const root: Subcommand = async (args, io) => {
  const { values } = parseOptions({ args: [...args], options: { ...makeOptions, cn: { type: 'string' } } })
  const made = await createRoot({ commonName: required(values.cn, '--cn'), ...commonOptions(values) })
  const files = await writeIdentity(required(values.out, '--out'), fileName(values.as ?? 'root'), made, {
    isAuthority: true,
    force: values.force,
  })
  report(io, values.json, made, files, [
    `${commandName(process.env)} pki intermediate --issuer ${prefixOf(files)} --cn "Issuing CA" --out ${values.out}`,
    `${commandName(process.env)} pki leaf --issuer ${prefixOf(files)} --name billing.internal --out ${values.out}`,
  ])
}

const intermediate: Subcommand = async (args, io) => {
  const options = {
    ...makeOptions,
    cn: { type: 'string' },
    issuer: { type: 'string' },
    'path-length': { type: 'string' },
  } as const
  const { values } = parseOptions({ args: [...args], options })
  const commonName = required(values.cn, '--cn')
  const out = required(values.out, '--out')
  const issuer = await readIssuer(required(values.issuer, '--issuer'))
  const pathLength =
    values['path-length'] === undefined ? {} : { pathLength: wholeNumber(values['path-length'], '--path-length') }
  const made = await createIntermediate(issuer, { commonName, ...pathLength, ...commonOptions(values) })
  const force = values.force
  const files = await writeIdentity(out, fileName(values.as ?? 'intermediate'), made, { isAuthority: true, force })
  report(io, values.json, made, files, [
    `${commandName(process.env)} pki leaf --issuer ${prefixOf(files)} --name billing.internal --out ${out}`,
    `trust it: ${files.bundle} holds this authority and those above it, in the order gateways expect`,
  ])
}

const leaf: Subcommand = async (args, io) => {
  const options = {
    ...makeOptions,
    name: { type: 'string', multiple: true },
    issuer: { type: 'string' },
    client: { type: 'boolean', default: false },
  } as const
  const { values } = parseOptions({ args: [...args], options })
  const names = (values.name ?? []).map(checkedName)
  const [first] = names
  if (first === undefined) throw usage('--name is missing: a DNS name or an IP address, once for each')
  const out = required(values.out, '--out')
  const issuer = await readIssuer(required(values.issuer, '--issuer'))
  const purposes = values.client ? (['clientAuth'] as const) : (['serverAuth'] as const)
  const made = await createLeaf(issuer, { names, purposes, ...commonOptions(values) })
  const name = fileName(values.as ?? first.replace('*', 'wildcard').replaceAll(/[^A-Za-z0-9._-]+/g, '-'))
  const files = await writeIdentity(out, name, made, { isAuthority: false, force: values.force })
  report(io, values.json, made, files, [
    `serve ${files.certificate} (the leaf and its intermediates) with ${files.key}`,
    `${commandName(process.env)} pki show ${files.certificate}`,
  ])
}

const bundle: Subcommand = async (args, io) => {
  const options = {
    out: { type: 'string' },
    'password-file': { type: 'string' },
    'keep-leaf': { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = parseOptions({ args: [...args], options, allowPositionals: true })
  if (positionals.length === 0) throw usage('name the CA files to merge: PEM, DER, PKCS#7 or PKCS#12')
  const out = required(values.out, '--out')
  const inputs = await Promise.all(positionals.map(async (label) => ({ label, bytes: await readFile(label) })))
  const password = await passwordFrom(values['password-file'])
  const merged = await mergeBundle(inputs, { password, keepLeaves: values['keep-leaf'] })
  await writeNewFiles([{ path: out, text: merged.pem }], values.force)

  const certificates = merged.certificates.map(describeCertificate)
  const incomplete = merged.incomplete.map((it) => describeCertificate(it).subject)
  if (values.json) {
    io.stdout(`${JSON.stringify({ file: out, certificates, dropped: merged.dropped, incomplete }, null, 2)}\n`)
    return
  }
  io.stdout(`Wrote ${out}:\n`)
  for (const [index, { kind, subject, notAfter }] of certificates.entries()) {
    io.stdout(`  ${index + 1}. ${kind}: ${subject}, valid to ${notAfter.slice(0, 10)}\n`)
  }
  for (const { source, what, why } of merged.dropped) io.stdout(`Left out: ${what} (${source}): ${why}\n`)
  for (const subject of incomplete) {
    io.stdout(`Incomplete: the issuer of ${subject} is in none of the files; a path through it ends nowhere\n`)
  }
  io.stdout(bundleNextSteps(out))
}

const show: Subcommand = async (args, io) => {
  const options = { 'password-file': { type: 'string' }, json: { type: 'boolean', default: false } } as const
  const { values, positionals } = parseOptions({ args: [...args], options, allowPositionals: true })
  if (positionals.length === 0) throw usage('name the files to show')
  const password = await passwordFrom(values['password-file'])
  const shown = []
  for (const file of positionals) {
    const { certificates, dropped } = await readAny(await readFile(file), file, password)
    shown.push({ file, certificates: certificates.map(describeCertificate), others: dropped })
  }
  if (values.json) io.stdout(`${JSON.stringify(shown, null, 2)}\n`)
  else {
    for (const { certificates, others } of shown) {
      for (const facts of certificates) io.stdout(renderFacts(facts, Date.now()))
      for (const { source, what, why } of others) io.stdout(`also in ${source}: ${what}: ${why}\n`)
    }
  }
}

const subcommands: ReadonlyMap<string, Subcommand> = new Map([
  ['root', root],
  ['intermediate', intermediate],
  ['leaf', leaf],
  ['bundle', bundle],
  ['show', show],
])

function commonOptions(values: { org?: string | undefined; key: string; days?: string | undefined }) {
  const key = keyKinds.find((kind) => kind === values.key)
  if (key === undefined) throw usage(`--key ${values.key}: there are ${keyKinds.join(', ')}`)
  const days = values.days === undefined ? null : wholeNumber(values.days, '--days')
  return {
    key: key satisfies KeyKind,
    ...(values.org === undefined ? {} : { organization: values.org }),
    ...(days === null ? {} : { notAfter: new Date(Date.now() + days * 86_400_000) }),
  }
}

function report(io: CommandIo, json: boolean, made: Identity, files: IdentityFiles, next: readonly string[]): void {
  const facts = describeCertificate(parseCertificate(made.certificate))
  if (json) {
    io.stdout(`${JSON.stringify({ files, certificate: facts }, null, 2)}\n`)
    return
  }
  io.stdout(`Made ${facts.kind} "${facts.subject}", valid to ${facts.notAfter.slice(0, 10)}\n`)
  io.stdout(`  certificate  ${files.certificate}\n  private key  ${files.key} (mode 0600)\n`)
  if (files.bundle !== null) io.stdout(`  CA bundle    ${files.bundle}\n`)
  io.stdout(`Next:\n${next.map((step) => `  ${step}\n`).join('')}`)
}

function prefixOf(files: IdentityFiles): string {
  return files.key.replace(/\.key$/, '')
}

function checkedName(name: string): string {
  if (isIP(name) !== 0 || /^[a-z][a-z0-9+.-]*:\/\/\S+$/i.test(name)) return name
  const ascii = domainToASCII(name.replace(/^\*\./, ''))
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(ascii)) throw usage(`--name ${name}: neither a DNS name nor an IP address`)
  return name.startsWith('*.') ? `*.${ascii}` : ascii
}

function fileName(name: string): string {
  if (name === '' || name !== basename(name)) throw usage(`--as ${name}: a file name without directory and extension`)
  return name
}

function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,6}$/.test(text)) throw usage(`${option} ${text}: a whole number is wanted`)
  return Number(text)
}

/** From a file, because arguments and environment are for every process of the user to read. */
async function passwordFrom(file: string | undefined): Promise<string> {
  return file === undefined ? '' : (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
}

function required(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw usage(`${option} is missing`)
  return value
}

function usage(message: string): PosternError {
  return new PosternError('usage', message)
}

/** `pki/root.key: there is no such file`; what this program says of a file itself names it already. */
function fileText(thrown: unknown): string {
  if (thrown instanceof PosternError) return thrown.message
  const path = thrown instanceof Error && 'path' in thrown ? `${String(thrown.path)}: ` : ''
  return `${path}${fileProblem(thrown)}`
}

/** Files that are not there or must not be replaced: nothing in them was found to be at fault. */
const fileErrors: ReadonlySet<string> = new Set([
  'file-exists',
  'ENOENT',
  'EACCES',
  'EISDIR',
  'ENOTDIR',
  'EEXIST',
  'EROFS',
  'EPERM',
])
