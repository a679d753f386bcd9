import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pkiCommand } from '../../src/cli/pki.ts'
import { handshake } from './handshake.ts'

const directory = mkdtempSync(join(tmpdir(), 'postern-pki-cli-'))
after(() => rmSync(directory, { recursive: true }))

const at = (name: string) => join(directory, name)
const read = (name: string) => readFileSync(at(name), 'utf8')

async function pki(...args: readonly string[]) {
  let stdout = ''
  let stderr = ''
  const io = { stdout: (text: string) => void (stdout += text), stderr: (text: string) => void (stderr += text) }
  return { exitCode: await pkiCommand(args, io), stdout, stderr }
}

describe('postern pki', () => {
  before(async () => {
    const made = [
      await pki('root', '--cn', 'Corp Root', '--org', 'Corp', '--out', directory),
      await pki('intermediate', '--issuer', at('root'), '--cn', 'Corp Policy CA', '--as', 'policy', '--out', directory),
      await pki('intermediate', '--issuer', at('policy'), '--cn', 'Corp Issuing CA', '--out', directory),
      await pki(
        'leaf',
        '--issuer',
        at('intermediate.crt'),
        '--name',
        'billing.internal',
        '--name',
        '10.0.0.5',
        '--out',
        directory,
      ),
    ]
    for (const { exitCode, stdout, stderr } of made) {
      assert.equal(exitCode, 0, stderr)
      assert.match(stdout, /Next:/)
    }
  })

  it('makes a chain that a client of the root accepts', async () => {
    const server = {
      chainPem: read('billing.internal.crt'),
      keyPem: read('billing.internal.key'),
      caPem: read('root.crt'),
    }
    assert.equal(await handshake({ ...server, serverName: 'billing.internal' }), 'ok')
    assert.equal(await handshake({ ...server, serverName: 'orders.internal' }), 'ERR_TLS_CERT_ALTNAME_INVALID')
  })

  it('writes keys for their owner only', () => {
    for (const name of ['root.key', 'policy.key', 'intermediate.key', 'billing.internal.key']) {
      assert.equal(statSync(at(name)).mode & 0o777, 0o600)
    }
  })

  it('replaces nothing unless forced, and then gives the key its mode again', async () => {
    const before = read('root.key')
    const refused = await pki('root', '--cn', 'Corp Root', '--out', directory)
    assert.equal(refused.exitCode, 2)
    assert.match(refused.stderr, /root\.key exists; replace it with --force/)
    assert.equal(read('root.key'), before)
    writeFileSync(at('other.key'), 'x', { mode: 0o644 })
    assert.equal((await pki('root', '--cn', 'Other', '--as', 'other', '--out', directory, '--force')).exitCode, 0)
    assert.equal(statSync(at('other.key')).mode & 0o777, 0o600)
  })

  it('merges a bundle in order, names what it left out and what to do next', async () => {
    const files = ['root.crt', 'billing.internal.crt', 'policy.key'].map(at)
    const { exitCode, stdout, stderr } = await pki('bundle', ...files, '--out', at('ca.crt'))
    assert.equal(exitCode, 0, stderr)
    assert.match(
      stdout,
      /1\. intermediate: CN=Corp Issuing CA.*\n.*2\. intermediate: CN=Corp Policy CA.*\n.*3\. root: CN=Corp Root, O=Corp/,
    )
    assert.match(stdout, /Left out: billing\.internal .*not a certificate authority/)
    assert.match(stdout, /Left out: private-key .*policy\.key/)
    assert.match(stdout, /kubectl create secret generic/)
    assert.match(stdout, /SSL_CERT_FILE/)
    assert.match(stdout, /trustStores:/)
    assert.doesNotMatch(read('ca.crt'), /PRIVATE/)
  })

  it('says when a bundle leads to no root', async () => {
    const { stdout } = await pki('bundle', at('policy.crt'), '--out', at('incomplete.crt'))
    assert.match(stdout, /Incomplete: the issuer of CN=Corp Policy CA is in none of the files/)
  })

  it('reports as JSON', async () => {
    const shown = JSON.parse((await pki('show', '--json', at('billing.internal.crt'))).stdout)
    assert.deepEqual(
      shown[0].certificates.map(({ kind }: { kind: string }) => kind),
      ['leaf', 'intermediate', 'intermediate'],
    )
    assert.deepEqual(shown[0].certificates[0].names, ['dns:billing.internal', 'ip:10.0.0.5'])
    const made = JSON.parse(
      (await pki('leaf', '--json', '--issuer', at('policy'), '--name', '*.corp.test', '--out', directory)).stdout,
    )
    assert.equal(made.files.certificate, at('wildcard.corp.test.crt'))
    assert.equal(made.certificate.issuer, 'CN=Corp Policy CA')
  })

  const refusals: readonly {
    readonly title: string
    readonly args: readonly string[]
    readonly exitCode: number
    readonly says: RegExp
  }[] = [
    { title: 'no command', args: [], exitCode: 2, says: /^$/ },
    { title: 'an unknown command', args: ['sign'], exitCode: 2, says: /no such command: sign/ },
    { title: 'an unknown option', args: ['root', '--bogus'], exitCode: 2, says: /--bogus/ },
    { title: 'a root without a name', args: ['root', '--out', directory], exitCode: 2, says: /--cn is missing/ },
    {
      title: 'a leaf without a name',
      args: ['leaf', '--issuer', at('root'), '--out', directory],
      exitCode: 2,
      says: /--name/,
    },
    {
      title: 'a name that is none',
      args: ['leaf', '--issuer', at('root'), '--name', 'a b', '--out', directory],
      exitCode: 2,
      says: /neither a DNS name nor an IP address/,
    },
    {
      title: 'a file name that leaves the directory',
      args: ['root', '--cn', 'X', '--as', '../x', '--out', directory],
      exitCode: 2,
      says: /--as \.\.\/x/,
    },
    {
      title: 'a kind of key that does not exist',
      args: ['root', '--cn', 'X', '--key', 'dsa', '--out', directory],
      exitCode: 2,
      says: /there are ec-p256/,
    },
    {
      title: 'an issuer that is not there',
      args: ['leaf', '--issuer', at('nobody'), '--name', 'a.test', '--out', directory],
      exitCode: 2,
      says: /nobody\.crt: there is no such file/,
    },
    {
      title: 'a leaf as issuer',
      args: ['leaf', '--issuer', at('billing.internal'), '--name', 'a.test', '--out', directory],
      exitCode: 1,
      says: /"billing.internal" is no certificate authority/,
    },
    { title: 'a file of junk', args: ['show', at('junk')], exitCode: 1, says: /junk: holds no certificate/ },
  ]
  for (const { title, args, exitCode, says } of refusals) {
    it(`refuses ${title} with exit code ${exitCode}`, async () => {
      writeFileSync(at('junk'), 'junk')
      const outcome = await pki(...args)
      assert.equal(outcome.exitCode, exitCode, outcome.stderr)
      assert.match(outcome.stderr, says)
    })
  }

  it("refuses an issuer with somebody else's key", async () => {
    writeFileSync(at('mixed.crt'), read('root.crt'))
    writeFileSync(at('mixed.key'), read('policy.key'), { mode: 0o600 })
    const outcome = await pki('leaf', '--issuer', at('mixed'), '--name', 'a.test', '--out', directory)
    assert.equal(outcome.exitCode, 1)
    assert.match(outcome.stderr, /mixed\.key is not the key of "Corp Root"/)
  })

  it('prints help with an example', async () => {
    const { exitCode, stdout } = await pki('--help')
    assert.equal(exitCode, 0)
    assert.match(stdout, /Example/)
  })
})
