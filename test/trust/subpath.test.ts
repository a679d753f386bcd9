import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { findSubPathMounts } from '../../src/trust/subpath.ts'

const mountinfo = `
1 0 0:1 / / rw,relatime - overlay overlay rw
2 1 0:2 / /proc rw,nosuid - proc proc rw
3 1 0:3 /..2026_01_23_07_26_27.1/my-inetr-ca.crt /etc/ssl/certs/my-ca.crt ro,relatime - tmpfs tmpfs rw,size=1k
4 1 0:4 / /etc/gateway/ca ro,relatime shared:5 - tmpfs tmpfs rw
5 1 0:5 /x /etc/with\\040blank/ca.crt ro - tmpfs tmpfs rw
6 1 0:6 /y /etc/ssl/certs/java ro - tmpfs tmpfs rw
malformed
`
const isFile = (path: string): boolean => path.endsWith('.crt')
const found = (...paths: string[]): string[] => findSubPathMounts(paths, mountinfo, isFile).map(({ path }) => path)

test('a file that is a mount point can never change, and the warning says what to do', () => {
  const [mount] = findSubPathMounts(['/etc/ssl/certs/my-ca.crt'], mountinfo, isFile)
  assert.equal(mount?.path, '/etc/ssl/certs/my-ca.crt')
  assert.match(mount?.warning ?? '', /subPath.*will not arrive without a restart.*Mount the volume as a directory/)
})

test('files of a watched directory count, its sub-directories do not', () => {
  assert.deepEqual(found('/etc/ssl/certs'), ['/etc/ssl/certs/my-ca.crt'])
  assert.deepEqual(found('/etc/ssl/certs', '/etc/ssl/certs/my-ca.crt'), ['/etc/ssl/certs/my-ca.crt'])
})

test('a volume that is mounted as a directory is fine, with whatever is read from it', () => {
  assert.deepEqual(found('/etc/gateway/ca', '/etc/gateway/ca/my-inetr-ca.crt', '/etc/ssl/other.crt', '/etc/ssl'), [])
})

test('escaped blanks in the mount table are read', () => {
  assert.deepEqual(found('/etc/with blank/ca.crt'), ['/etc/with blank/ca.crt'])
})

test('the real mount table of this process is readable and blames no ordinary file', () => {
  assert.deepEqual(findSubPathMounts([import.meta.filename], readFileSync('/proc/self/mountinfo', 'utf8')), [])
})
