import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { careless, liberal, readAll } from './backend-readers.ts'
import type { OtherPeer } from './peers.ts'
import { answersIn, broken, comparable, type Exception, forwardedBy, markerRead, type Reading } from './reading.ts'

const whole = ['POST /base/x api.test hello']
const split = ['POST /base/x api.test', 'GET /base/smuggled api.test']

describe('the rule about readings', () => {
  const cases: readonly {
    readonly name: string
    readonly lead?: number
    readonly gateway: readonly string[]
    readonly nginx?: readonly string[]
    readonly haproxy?: readonly string[]
    readonly exceptions?: readonly Exception[]
    readonly says: RegExp | null
  }[] = [
    { name: 'all read the same', gateway: whole, nginx: whole, haproxy: whole, says: null },
    { name: 'all refuse', gateway: [], nginx: [], haproxy: [], says: null },
    {
      name: 'the gateway refuses what the others read differently',
      gateway: [],
      nginx: whole,
      haproxy: split,
      says: null,
    },
    { name: 'the gateway refuses what the others read alike', gateway: [], nginx: whole, haproxy: whole, says: null },
    {
      name: 'the gateway forwards what one reads differently',
      gateway: whole,
      nginx: whole,
      haproxy: split,
      says: /haproxy/,
    },
    {
      name: 'the gateway forwards what the other reads differently',
      gateway: whole,
      nginx: split,
      haproxy: whole,
      says: /nginx/,
    },
    { name: 'the gateway forwards what one refuses', gateway: whole, nginx: [], haproxy: whole, says: /nginx/ },
    {
      name: 'the gateway reads otherwise than both, who agree',
      gateway: split,
      nginx: whole,
      haproxy: whole,
      says: /nginx/,
    },
    {
      name: 'a body of another length',
      gateway: whole,
      nginx: ['POST /base/x api.test hell'],
      haproxy: whole,
      says: /nginx/,
    },
    { name: 'another host', gateway: whole, nginx: whole, haproxy: ['POST /base/x other.test hello'], says: /haproxy/ },
    {
      name: 'the same requests in another order',
      gateway: split,
      nginx: split.toReversed(),
      haproxy: split,
      says: /nginx/,
    },
    { name: 'no peer is there', gateway: whole, says: null },
    {
      name: 'a good request before it that all read alike',
      lead: 1,
      gateway: ['GET /base/first api.test'],
      nginx: ['GET /base/first api.test', ...split],
      haproxy: ['GET /base/first api.test'],
      says: null,
    },
    {
      name: 'a good request before it, and then something of the message',
      lead: 1,
      gateway: ['GET /base/first api.test', ...whole],
      nginx: ['GET /base/first api.test'],
      haproxy: ['GET /base/first api.test', ...whole],
      says: /nginx/,
    },
    {
      name: 'a difference that is excepted',
      gateway: whole,
      nginx: [],
      haproxy: whole,
      exceptions: [excepted('nginx', [])],
      says: null,
    },
    {
      name: 'another difference than the excepted one',
      gateway: whole,
      nginx: split,
      haproxy: whole,
      exceptions: [excepted('nginx', [])],
      says: /nginx/,
    },
    {
      name: 'an exception for another peer',
      gateway: whole,
      nginx: [],
      haproxy: whole,
      exceptions: [excepted('haproxy', [])],
      says: /nginx/,
    },
    {
      name: 'an exception for another message',
      gateway: whole,
      nginx: [],
      haproxy: whole,
      exceptions: [{ ...excepted('nginx', []), message: 'another' }],
      says: /nginx/,
    },
  ]
  for (const { name, lead = 0, gateway, nginx, haproxy, exceptions = [], says } of cases) {
    it(`${name}: ${says === null ? 'holds' : 'is broken'}`, () => {
      const others = new Map<OtherPeer, readonly string[]>()
      if (nginx !== undefined) others.set('nginx', nginx)
      if (haproxy !== undefined) others.set('haproxy', haproxy)
      const said = broken('a message', lead, gateway, others, exceptions)
      if (says === null) assert.equal(said, null)
      else assert.match(said ?? '', says)
    })
  }

  it('a marker counts as one only when it was read as what it is', () => {
    const marker = { method: 'GET', target: '/base/marker', host: 'api.test', body: '', size: 1 }
    const request = { ...marker, target: '/base/x' }
    assert.deepEqual(forwardedBy(reading(request, marker)), ['GET /base/x api.test'])
    assert.ok(markerRead(reading(request, marker)))
    for (const other of [
      { ...marker, host: 'other.test' },
      { ...marker, body: 'x' },
      { ...marker, method: 'GPOST' },
    ]) {
      assert.equal(forwardedBy(reading(request, other)).length, 2)
      assert.ok(!markerRead(reading(request, other)))
    }
    assert.equal(forwardedBy(reading(marker, request)).length, 2)
    assert.deepEqual(comparable(reading({ ...request, host: 'API.Test:80' })), ['GET /base/x api.test'])
    assert.deepEqual(forwardedBy(reading({ ...request, host: 'API.Test:80' })), ['GET /base/x API.Test:80'])
  })
})

describe('the two backends', () => {
  const head = 'POST /x HTTP/1.1\r\nHost: a.test\r\n'
  const alike: readonly (readonly [name: string, bytes: string, requests: number])[] = [
    ['no body', `${head}\r\n`, 1],
    ['a length', `${head}Content-Length: 5\r\n\r\nhello`, 1],
    ['chunks', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, 1],
    ['trailers', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n`, 1],
    ['two requests', `${head}Content-Length: 5\r\n\r\nhello${head}\r\n`, 2],
    ['part of a length', `${head}Content-Length: 5\r\n\r\nhell`, 0],
    ['chunks without an end', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, 0],
  ]
  for (const [name, bytes, requests] of alike) {
    it(`read ${name} alike`, () => {
      assert.equal(readAll(careless, bytes).length, requests)
      assert.deepEqual(readAll(careless, bytes), readAll(liberal, bytes))
    })
  }
  const differently: readonly (readonly [name: string, bytes: string])[] = [
    [
      'both framings',
      `${head}Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /y HTTP/1.1\r\nHost: b\r\n\r\n`,
    ],
    ['two lengths', `${head}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello`],
    ['an LF in a value', `${head}X-A: b\nContent-Length: 5\r\n\r\nhello`],
    ['LF LF in a value', `${head}X-A: b\n\nGET /y HTTP/1.1\r\n\r\n`],
    ['a space before a colon', `${head}Content-Length : 5\r\n\r\nhello`],
    ['an underscore', `${head}Content_Length: 5\r\n\r\nhello`],
    ['a chunk size ended by LF', `${head}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`],
    ['a second Host', `${head}Host: b.test\r\n\r\n`],
    ['a tab in the request line', 'GET\t/x HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ]
  for (const [name, bytes] of differently) {
    it(`read ${name} differently, so forwarding it would be noticed`, () => {
      assert.notDeepEqual(readAll(careless, bytes), readAll(liberal, bytes))
    })
  }
})

it('what a client got is taken apart into answers', () => {
  const received =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Answer: 1 HEAD /a\r\nContent-Length: 8\r\n\r\n' +
    'HTTP/1.1 200 OK\r\nX-Answer: 2 GET /b\r\nContent-Length: 8\r\n\r\n2 GET /bHTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno'
  assert.deepEqual(answersIn(received), [
    { status: 200, to: 'HEAD /a' },
    { status: 200, to: 'GET /b' },
    { status: 400, to: '' },
  ])
})

function excepted(peer: OtherPeer, forwards: readonly string[]): Exception {
  return { message: 'a message', peer, forwards, why: 'made up' }
}

function reading(...requests: Reading['seen']['requests']): Reading {
  return { seen: { requests, raw: [], unfinished: [] }, received: '', answers: [], victim: '', hung: false }
}
