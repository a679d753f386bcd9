import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sinkLabels } from '../../src/observe/sink-labels.ts'

for (const [what, keys, labels] of [
  ['a file goes by its name', ['file:/var/log/postern.log'], ['file:postern.log']],
  [
    'two of one name by as many folders as tell them apart',
    ['file:/var/log/a/x/postern.log', 'file:/var/log/b/x/postern.log', 'file:/var/log/a/x/events.log'],
    ['file:a/x/postern.log', 'file:b/x/postern.log', 'file:events.log'],
  ],
  [
    'one that is the end of another by all of it',
    ['file:/log/p.log', 'file:/var/log/p.log'],
    ['file:/log/p.log', 'file:var/log/p.log'],
  ],
  [
    'what is no file by its key',
    ['stdout', 'outlet:syslog udp 127.0.0.1:514'],
    ['stdout', 'outlet:syslog udp 127.0.0.1:514'],
  ],
] as const) {
  test(what, () => {
    const named = sinkLabels(keys)
    assert.deepEqual(
      keys.map((key) => named.get(key)),
      labels,
    )
    assert.equal(new Set(named.values()).size, keys.length)
  })
}
