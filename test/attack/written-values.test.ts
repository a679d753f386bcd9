import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startTestGateway } from '../support/gateway.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { startScriptedBackend } from '../wire/scripted-backend.ts'

/*
 * Heads are written as latin1, one byte a character: of a character beyond it only the low byte is left, and U+010D and
 * U+010A become CR and LF. Whatever is not from the wire has to be made safe before it stands in a head. (I8)
 */

const controls = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/

async function through(config: Readonly<Record<string, unknown>>, path = '', lines = '') {
  let seen = ''
  await using backend = await startScriptedBackend(({ head, socket }) => {
    seen = head
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  })
  await using gateway = await startTestGateway({
    targets: { b: { url: `http://127.0.0.1:${backend.port}${path}` } },
    proxies: { p: { basePath: '/', target: 'b', faults: 'apigee' } },
    ...config,
  })
  const request = `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
  const port = gateway.gateway.ports['http'] ?? 0
  const answer = await exchangeRaw(port, request, (received) => received.includes('\r\n\r\n'))
  return { seen, answer }
}

it('an organization with letters beyond latin1 ends no header line, to the client and to the backend', async () => {
  const { seen, answer } = await through({ organization: 'Spole\u010dnost \u010aX-Injected: 1' })
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.doesNotMatch(answer, controls)
  assert.doesNotMatch(seen, controls)
})

it('a target whose URL has letters beyond latin1 is refused, or its path is percent-encoded', async () => {
  let seen: string
  try {
    seen = (await through({}, '/\u010d')).seen
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'config-refused')
    return
  }
  assert.doesNotMatch(seen, controls)
})

it('no header passes that CGI, WSGI and PHP read as one of the gateway: `_` and `-` are one letter there', async () => {
  const { seen } = await through({}, '', 'X_Forwarded_For: 6.6.6.6\r\nX_Real-IP: 6.6.6.6\r\n')
  assert.doesNotMatch(seen, /6\.6\.6\.6/)
})
