import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { configCommand } from '../../src/cli/config.ts'
import { editConfig } from '../../src/cli/config-edit.ts'
import { parseConfigPath } from '../../src/cli/config-path.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/* `postern config set` changes one value of a file that people wrote, and nothing else in it. */

const text = `# who we are
listeners:
  - { name: http, port: 8080 } # the only one

targets:
  # money
  billing:
    url: https://billing.internal:8443 # do not move
    tls: { trust: [corp], serverName: billing.internal }
  "or.ders":
    url: 'https://orders.internal'
    tls:
      trust:
        - corp   # ours
      minVersion: TLSv1.2

trustStores:
  corp: { sources: [ { file: ./corp.pem } ] }
proxies:
  billing: { basePath: /billing, target: billing }
`

describe('a value is changed and every other byte stays', () => {
  const cases: readonly (readonly [what: string, path: string, value: unknown, before: string, after: string])[] = [
    [
      'a word in braces',
      'targets.billing.tls.serverName',
      'other.internal',
      'serverName: billing.internal }',
      'serverName: other.internal }',
    ],
    [
      'a plain word with a comment behind it',
      'targets.billing.url',
      'https://b:1',
      'https://billing.internal:8443 # do',
      'https://b:1 # do',
    ],
    [
      'a word in quotes, under a name with a dot',
      'targets["or.ders"].url',
      'https://o',
      "'https://orders.internal'",
      'https://o',
    ],
    [
      'a new key in braces',
      'targets.billing.tls.minVersion',
      'TLSv1.3',
      'billing.internal }',
      'billing.internal, minVersion: TLSv1.3 }',
    ],
    [
      'a new key in a block',
      'targets["or.ders"].tls.serverName',
      'o',
      '      minVersion: TLSv1.2\n',
      '      minVersion: TLSv1.2\n      serverName: o\n',
    ],
    ['a new element in brackets', 'targets.billing.tls.trust[+]', 'b', '[corp]', '[corp, b]'],
    [
      'a new element in a block',
      'targets["or.ders"].tls.trust[+]',
      'b',
      '- corp   # ours\n',
      '- corp   # ours\n        - b\n',
    ],
    ['an element by its place', 'targets["or.ders"].tls.trust[0]', 'b', '- corp   #', '- b   #'],
    ['a whole block', 'targets["or.ders"].tls.trust', ['a', 'b'], 'trust:\n        - corp   # ours', 'trust: [ a, b ]'],
    [
      'what has no parent yet',
      'targets.billing.timeouts.handshake',
      '30s',
      'serverName: billing.internal }\n',
      'serverName: billing.internal }\n    timeouts: { handshake: 30s }\n',
    ],
    [
      'a list that is not there yet',
      'targets.billing.tls.exceptions[+]',
      { skip: 'name' },
      'billing.internal }',
      'billing.internal, exceptions: [ { skip: name } ] }',
    ],
    [
      'text that YAML would read as something else',
      'targets.billing.tls.serverName',
      'yes: no',
      'serverName: billing.internal }',
      'serverName: "yes: no" }',
    ],
    [
      'text of several lines',
      'targets.billing.tls.serverName',
      'a\nb',
      'serverName: billing.internal }',
      'serverName: "a\\nb" }',
    ],
  ]
  for (const [what, path, value, before, after] of cases) {
    it(what, () => {
      assert.ok(text.includes(before), before)
      assert.equal(
        editConfig(text, { path: parseConfigPath(path), value }),
        text.replace(before, () => after),
      )
    })
  }

  const gone: readonly (readonly [what: string, path: string, before: string, after: string])[] = [
    ['the last key in braces', 'targets.billing.tls.serverName', ', serverName: billing.internal }', ' }'],
    ['the first key in braces', 'targets.billing.tls.trust', '{ trust: [corp], ', '{ '],
    ['a line of a block', 'targets["or.ders"].tls.minVersion', '      minVersion: TLSv1.2\n', ''],
    [
      'a block of lines',
      'targets["or.ders"].tls',
      '    tls:\n      trust:\n        - corp   # ours\n      minVersion: TLSv1.2\n',
      '',
    ],
    ['what is not there', 'targets.billing.tls.ciphers', '', ''],
  ]
  for (const [what, path, before, after] of gone) {
    it(`and taken away: ${what}`, () => {
      assert.equal(
        editConfig(text, { path: parseConfigPath(path), unset: true }),
        text.replace(before, () => after),
      )
    })
  }

  it('in a JSON file as in a YAML file', () => {
    const json = '{\n  "a": { "b": "c" },\n  "d": []\n}\n'
    assert.equal(editConfig(json, { path: ['a', 'b'], value: 'x' }), json.replace('"c"', '"x"'))
    assert.equal(editConfig(json, { path: ['a', 'e'], value: [1] }), json.replace('"c"', '"c", "e": [1]'))
    assert.equal(editConfig(json, { path: ['d', '+'], value: 'x' }), json.replace('[]', '["x"]'))
  })

  it('where a value is shared by an alias it is refused, because the change would reach further', () => {
    const shared = 'a: &x { b: 1 }\nc: *x\n'
    assert.throws(() => editConfig(shared, { path: ['c', 'b'], value: 2 }), { code: 'edit-refused' })
    assert.throws(() => editConfig(shared, { path: ['a', 'b'], value: 2 }), { code: 'edit-refused' })
    assert.throws(() => editConfig(shared, { path: ['a'], value: 2 }), { code: 'edit-refused' })
  })

  it('where a place is none it is refused', () => {
    assert.throws(() => editConfig(text, { path: parseConfigPath('targets.billing.url.x'), value: 1 }), {
      code: 'edit-refused',
    })
    assert.throws(() => editConfig(text, { path: parseConfigPath('listeners[7].port'), value: 1 }), {
      code: 'edit-refused',
    })
    assert.throws(() => editConfig(text, { path: parseConfigPath('targets[0]'), value: 1 }), { code: 'edit-refused' })
  })
})

describe('a place in the configuration', () => {
  it('is read as faults print it', () => {
    assert.deepEqual(parseConfigPath('targets.a-b.tls.trust[0]'), ['targets', 'a-b', 'tls', 'trust', 0])
    assert.deepEqual(parseConfigPath('targets["a.b"].tls.exceptions[+]'), ['targets', 'a.b', 'tls', 'exceptions', '+'])
  })

  it('is refused where it could be read in two ways or in none', () => {
    for (const path of ['', '.', 'a..b', 'a.', '[0]', 'a[', 'a[x]', 'a[+].b', 'a b', 'a["x]', 'a[-1]']) {
      assert.throws(() => parseConfigPath(path), { code: 'usage' }, path)
    }
  })
})

describe('postern config set', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-config-set-'))
  const file = join(directory, 'postern.yaml')
  after(() => rmSync(directory, { recursive: true, force: true }))
  const good = text.replace(
    '  corp: { sources: [ { file: ./corp.pem } ] }',
    '  corp: { sources: [ { bundled: true } ] }',
  )
  beforeEach(() => {
    writeFileSync(file, good)
    chmodSync(file, 0o640)
  })

  it('writes what is good, keeps the mode of the file, and shows the one line', () => {
    const printed = execFileSync(
      process.execPath,
      [main, 'config', 'set', '-c', file, 'targets.billing.tls.serverName', 'other.internal'],
      { encoding: 'utf8' },
    )
    assert.equal(readFileSync(file, 'utf8'), good.replace('serverName: billing.internal', 'serverName: other.internal'))
    assert.equal(statSync(file).mode & 0o777, 0o640)
    assert.match(printed, /^- 9: {5}tls: .*billing\.internal \}\n\+ 9: {5}tls: .*other\.internal \}\n.*: changed\n$/)
    assert.deepEqual(readdirSync(directory), ['postern.yaml'])
  })

  it('refuses whole what would not be good, with the place and the reason, and leaves nothing behind', () => {
    const run = spawnSync(
      process.execPath,
      [
        main,
        'config',
        'set',
        '-c',
        file,
        'targets.billing.tls.trust',
        '[nobody]',
        'targets.billing.url',
        'https://other',
      ],
      { encoding: 'utf8' },
    )
    assert.equal(run.status, 1)
    assert.match(
      run.stdout,
      /postern\.yaml:9:\d+ {2}targets\.billing\.tls\.trust\[0\] {2}there is no trust store "nobody"/,
    )
    assert.match(run.stdout, /not changed\n$/)
    assert.equal(readFileSync(file, 'utf8'), good)
    assert.deepEqual(readdirSync(directory), ['postern.yaml'])
  })

  it('checks several changes as one: a target becomes plain HTTP only when its tls goes as well', async () => {
    const url = ['targets.billing.url', 'http://billing.internal:8080']
    assert.equal(await run('set', '-c', file, ...url), 1)
    assert.equal(readFileSync(file, 'utf8'), good)
    assert.equal(await run('set', '-c', file, ...url, '--unset', 'targets.billing.tls'), 0)
    assert.match(
      readFileSync(file, 'utf8'),
      / {2}billing:\n {4}url: http:\/\/billing\.internal:8080 # do not move\n {2}"or\.ders":/,
    )
  })

  it('writes nothing on a dry run, and nothing where the value is there already', async () => {
    assert.equal(await run('set', '-c', file, 'targets.billing.tls.minVersion', 'TLSv1.3', '--dry-run'), 0)
    assert.equal(readFileSync(file, 'utf8'), good)
    const { mtimeMs } = statSync(file)
    assert.equal(await run('set', '-c', file, 'targets.billing.tls.serverName', 'billing.internal'), 0)
    assert.equal(statSync(file).mtimeMs, mtimeMs)
  })

  it('follows a link and replaces what it leads to', async () => {
    const link = join(directory, 'link.yaml')
    symlinkSync(file, link)
    try {
      assert.equal(await run('set', '-c', link, 'targets.billing.tls.minVersion', 'TLSv1.3'), 0)
      assert.match(readFileSync(file, 'utf8'), /minVersion: TLSv1\.3/)
    } finally {
      rmSync(link)
    }
  })

  it('says what is wrong with its own words: exit status 2', async () => {
    for (const args of [
      ['set'],
      ['set', '-c', file],
      ['set', '-c', file, 'a'],
      ['set', '-c', file, 'a..b', '1'],
      ['set', '-c', file, 'a', '[1'],
      ['set', '--nope'],
      ['get'],
    ]) {
      assert.equal(await run(...args), 2, args.join(' '))
    }
    assert.equal(await run('set', '-c', join(directory, 'none.yaml'), 'a', '1'), 2, 'a file that is not there')
  })
})

async function run(...args: string[]): Promise<number> {
  return configCommand(args, { stdout: () => undefined, stderr: () => undefined })
}
