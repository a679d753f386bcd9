import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RecordedBody, RecordedStep } from '../../src/observe/recording.ts'
import { edgeTransaction } from '../../src/traces/edge-points.ts'
import { transactionXml } from '../../src/traces/edge-xml.ts'
import { maskProblems, mergeMasks, parseMaskConfig } from '../../src/traces/mask-config.ts'
import { type MaskSet, noMasks } from '../../src/traces/mask.ts'
import { maskTransaction } from '../../src/traces/masking.ts'
import { bodyOf, good, request, response, transaction } from './samples.ts'

type Headers = readonly (readonly [string, string])[]
const asJson: Headers = [['Content-Type', 'application/json']]
const asXml: Headers = [['Content-Type', 'text/xml; charset=utf-8']]
const asForm: Headers = [['Content-Type', 'application/x-www-form-urlencoded']]

interface Exchanged {
  readonly uri?: string
  readonly headers?: Headers
  readonly body?: RecordedBody
  readonly answer?: Headers
  readonly answerBody?: RecordedBody
  readonly status?: number
  readonly steps?: readonly RecordedStep[]
}

const none: RecordedBody = { text: '', bytes: 0 }

function exchanged({
  uri = '/',
  headers = [],
  body = none,
  answer = [],
  answerBody = none,
  status = 200,
  steps = [],
}: Exchanged) {
  const head = response(status, '', answer)
  const plain = transaction(
    [
      { at: 0, type: 'request-received', message: request('POST', uri, headers) },
      { at: 1, type: 'request-body', body },
      ...steps,
      { at: 2, type: 'request-sent', message: request('POST', uri, headers) },
      { at: 3, type: 'response-received', message: head, protocol: 'HTTP/1.1' },
      { at: 4, type: 'response-sent', message: head, code: '', source: '' },
      { at: 5, type: 'response-body', body: answerBody },
    ],
    { uri, status },
  )
  return good.backend === null
    ? plain
    : { ...plain, backend: { ...good.backend, status, url: `https://b.example.com${uri}` } }
}

const masksOf = (masks: Partial<MaskSet>): MaskSet => ({ ...noMasks, ...masks })

function masked(of: Exchanged, masks: Partial<MaskSet> = {}, showCredentials = false) {
  const result = maskTransaction(exchanged(of), { masks: masksOf(masks), showCredentials })
  const step = <T extends RecordedStep['type']>(type: T): Extract<RecordedStep, { type: T }> => {
    const found = result.steps.find((each): each is Extract<RecordedStep, { type: T }> => each.type === type)
    assert.ok(found !== undefined)
    return found
  }
  const text = (body: RecordedBody): string => Buffer.from(body.text, 'latin1').toString('utf8')
  return {
    result,
    text: JSON.stringify(result),
    uri: result.uri,
    headers: step('request-received').message.headers,
    answer: step('response-received').message?.headers ?? [],
    body: text(step('request-body').body),
    answerBody: text(step('response-body').body),
  }
}

describe('credentials are hidden whatever is configured', () => {
  for (const name of [
    'Authorization',
    'proxy-authorization',
    'Cookie',
    'Set-Cookie',
    'X-API-Key',
    'apikey',
    'X-Auth-Token',
    'X-Client-Secret',
    'Ocp-Apim-Subscription-Key',
  ]) {
    test(`the field ${name}, of request and response`, () => {
      const headers = [[name, 's3cret-value']] as const
      const { text } = masked({ headers, answer: headers })
      assert.ok(!text.includes('s3cret-value'))
      assert.ok(masked({ headers, answer: headers }, {}, true).text.includes('s3cret-value'))
    })
  }

  for (const name of ['Accept', 'Host', 'X-Request-ID', 'Sec-WebSocket-Key', 'WWW-Authenticate', 'Content-Type']) {
    test(`the field ${name} is not`, () => {
      assert.deepEqual(masked({ headers: [[name, 'value']] }).headers, [[name, 'value']])
    })
  }

  for (const name of ['apikey', 'api_key', 'access_token', 'token', 'password', 'client_secret', 'key', 'api%5Fkey']) {
    test(`the query parameter ${name}, wherever the target stands`, () => {
      const { text, uri } = masked({
        uri: `/a?x=1&${name}=s3cret&y=2`,
        answer: [['Location', `https://u:pw9@c.example/#${name}=s3cret&z=3`]],
        headers: [['Referer', `/b?${name}=s3cret`]],
      })
      assert.ok(!text.includes('s3cret') && !text.includes('pw9'), text)
      assert.equal(uri, `/a?x=1&${name}=*****&y=2`)
      assert.ok(text.includes('&z=3'))
    })
  }

  test('a parameter of another name is not', () => {
    assert.equal(masked({ uri: '/a?tokens=1&monkey=2&page=3' }).uri, '/a?tokens=1&monkey=2&page=3')
  })

  test('the same in a form, also where it is cut off', () => {
    const { body } = masked({ headers: asForm, body: bodyOf('grant_type=password&username=a&password=hun', 60) })
    assert.equal(body, 'grant_type=password&username=a&password=*****')
    assert.ok(masked({ headers: asForm, body: bodyOf('password=hun') }, {}, true).body.includes('hun'))
  })

  test('what a condition has read, and variables that are private', () => {
    const steps: RecordedStep[] = [
      {
        at: 1,
        type: 'condition',
        name: 'r',
        expression: 'e',
        result: true,
        reads: [
          { name: 'request.header.authorization', value: 'Basic s3cret' },
          { name: 'request.queryparam.apikey', value: 's3cret' },
          { name: 'request.uri', value: '/a?token=s3cret' },
          { name: 'request.querystring', value: 'token=s3cret' },
          { name: 'private.a', value: 's3cret' },
          { name: 'request.header.accept', value: 'shown' },
        ],
      },
      { at: 1, type: 'variable', name: 'oauth.access_token', value: 's3cret' },
    ]
    const { text } = masked({ steps })
    assert.ok(!text.includes('s3cret'))
    assert.ok(text.includes('shown'))
  })
})

describe('variables of the mask configuration', () => {
  const headers = [
    ['X-Pin', 'p1n'],
    ['Accept', '*/*'],
  ] as const
  const cases: readonly (readonly [variable: string, gone: string])[] = [
    ['request.header.x-pin', 'p1n'],
    ['message.header.X-Pin', 'p1n'],
    ['request.header.x-pin.values.string', 'p1n'],
    ['response.header.x-pan', 'p4n'],
    ['message.header.x-pan', 'p4n'],
    ['request.queryparam.q', 'qu3ry'],
    ['message.queryparam.q', 'qu3ry'],
    ['request.querystring', 'qu3ry'],
    ['request.content', 'b0dy'],
    ['message.content', 'b0dy'],
    ['response.content', '4nswer'],
    ['message.content', '4nswer'],
    ['client.ip', '192.0.2.7'],
  ]
  const of: Exchanged = {
    uri: '/a?q=qu3ry',
    headers,
    body: bodyOf('b0dy'),
    answer: [['X-Pan', 'p4n']],
    answerBody: bodyOf('4nswer'),
  }
  for (const [variable, gone] of cases) {
    test(variable, () => {
      const without = masked(of)
      const { text, result } = masked(of, { variables: [variable] })
      assert.ok(without.text.includes(gone))
      assert.ok(!text.includes(gone))
      assert.ok(text.includes('*****'))
      assert.ok(!transactionXml(edgeTransaction(result, [variable])).includes(gone))
    })
  }

  test('a mask of the request is none of the response', () => {
    const { text } = masked({ headers, answer: headers }, { variables: ['request.header.x-pin'] })
    assert.ok(text.includes('p1n'))
  })

  test('what only Edge shows is hidden too', () => {
    const xml = transactionXml(edgeTransaction(good, ['target.ip']))
    assert.ok(xml.includes('<Property name="target.ip">*****<'))
  })
})

describe('paths into bodies', () => {
  const json =
    '{"user":{"name":"Ann","pin":"1234"},"cards":[{"n":"11"},{"n":"22","ok":true}],"a-b":"x","__proto__":"y"}'
  const xml =
    '<?xml version="1.0"?><e:emp xmlns:e="urn:e"><e:name id="7">Ann</e:name><e:pin>1234</e:pin><!--c--></e:emp>'
  const namespaces = { e: 'urn:e', p: 'urn:e' }

  const jsonCases: readonly (readonly [path: string, expected: string])[] = [
    ['$.user.pin', json.replace('"1234"', '"*****"')],
    ["$['user']['pin']", json.replace('"1234"', '"*****"')],
    ['$..n', json.replace('"11"', '"*****"').replace('"22"', '"*****"')],
    ['$.cards[*].n', json.replace('"11"', '"*****"').replace('"22"', '"*****"')],
    ['$.cards[1].n', json.replace('"22"', '"*****"')],
    ['$.cards[?(@.ok==true)].n', json.replace('"22"', '"*****"')],
    ['$.user', json.replace('{"name":"Ann","pin":"1234"}', '"*****"')],
    ['$.a-b', json.replace('"x"', '"*****"')],
    ['$.__proto__', json.replace('"y"', '"*****"')],
    ['$.nothing', json],
    ['$', '"*****"'],
  ]
  for (const [path, expected] of jsonCases) {
    test(`JSONPath ${path}, of request and response`, () => {
      const body = bodyOf(json)
      assert.equal(masked({ headers: asJson, body }, { jsonPathsRequest: [path] }).body, expected)
      assert.equal(masked({ answer: asJson, answerBody: body }, { jsonPathsResponse: [path] }).answerBody, expected)
      assert.equal(masked({ headers: asJson, body }, { jsonPathsResponse: [path] }).body, json)
    })
  }

  const xmlCases: readonly (readonly [path: string, expected: string])[] = [
    ['/e:emp/e:pin', xml.replace('1234', '*****')],
    ['/p:emp/p:pin', xml.replace('1234', '*****')],
    ['//e:pin/text()', xml.replace('1234', '*****')],
    ['//e:name/@id', xml.replace('"7"', '"*****"')],
    ['//e:*[@id="7"]', xml.replace('Ann', '*****')],
    ['/e:emp', '<?xml version="1.0"?><e:emp xmlns:e="urn:e">*****</e:emp>'],
    ['//comment()', xml.replace('<!--c-->', '<!--*****-->')],
    ['/emp/pin', xml],
    ['/', '*****'],
  ]
  for (const [path, expected] of xmlCases) {
    test(`XPath ${path}, of request and response`, () => {
      const body = bodyOf(xml)
      assert.equal(masked({ headers: asXml, body }, { xPathsRequest: [path], namespaces }).body, expected)
      const answered = masked({ answer: asXml, answerBody: body }, { xPathsResponse: [path], namespaces })
      assert.equal(answered.answerBody, expected)
      assert.equal(masked({ headers: asXml, body }, { xPathsResponse: [path], namespaces }).body, xml)
    })
  }

  test('paths of faults hold for answers of 400 and above, and for no other', () => {
    const of: Exchanged = { answer: asJson, answerBody: bodyOf('{"a":"1"}') }
    assert.equal(masked({ ...of, status: 400 }, { jsonPathsFault: ['$.a'] }).answerBody, '{"a":"*****"}')
    assert.equal(masked({ ...of, status: 200 }, { jsonPathsFault: ['$.a'] }).answerBody, '{"a":"1"}')
  })

  test('of two members of one name, neither is shown beside its mask', () => {
    const body = bodyOf('{"pin":"1234","pin":"5678"}')
    assert.equal(masked({ headers: asJson, body }, { jsonPathsRequest: ['$.pin'] }).body, '{"pin":"*****"}')
  })

  const masks = { jsonPathsRequest: ['$.pin'], xPathsRequest: ['//pin[. != ""]'] }
  const whole: readonly (readonly [why: string, headers: Headers, body: RecordedBody])[] = [
    ['is cut off', asJson, bodyOf('{"pin":"1234"', 90)],
    ['is cut off behind its last bracket', asJson, bodyOf('{"pin":"1234"}', 90)],
    ['is no JSON', asJson, bodyOf("{pin:'1234'}")],
    ['is no XML', asXml, bodyOf('<pin>1234')],
    ['is XML that says it is JSON', asJson, bodyOf('<pin>1234</pin>')],
    ['is JSON that says it is XML', asXml, bodyOf('{"pin":"1234"}')],
    ['is neither', [['Content-Type', 'text/plain']], bodyOf('pin=1234')],
    ['says nothing of itself', [], bodyOf('1234')],
    ['is compressed', [...asJson, ['Content-Encoding', 'gzip']], bodyOf('{"pin":"1234"}')],
    ['is no UTF-8', asJson, { text: '{"pin":"1234\u00ff"}', bytes: 15 }],
    ['has a document type', asXml, bodyOf('<!DOCTYPE a [<!ENTITY e "1234">]><a>&e;</a>')],
    ['has a document type that says something', asXml, bodyOf('<!DOCTYPE a [<!ENTITY e "1234">]><a/>')],
    ['has attributes without quotes', asXml, bodyOf('<a b=1234></a>')],
    ['nests too deep', asJson, bodyOf(`${'['.repeat(60_000)}1234${']'.repeat(60_000)}`)],
    ['is a form', asForm, bodyOf('pin=1234')],
    ['has more nodes than a path with a condition may look at', asXml, bodyOf(`<a>${'<b/>'.repeat(600)}1234</a>`)],
  ]
  for (const [why, headers, body] of whole) {
    test(`a body is hidden whole where it ${why}; without masks it is shown`, () => {
      assert.equal(masked({ headers, body }, masks).body, '*****')
      assert.ok(masked({ headers, body }).body.includes('1234'))
    })
  }

  test('a body that says it is of the other form does not escape the paths that are there', () => {
    const xml = { headers: asJson, body: bodyOf('<pin>1234</pin>') }
    assert.equal(masked(xml, { xPathsRequest: ['//pin'] }).body, '*****')
    const json = { headers: asXml, body: bodyOf('{"pin":"1234"}') }
    assert.equal(masked(json, { jsonPathsRequest: ['$.pin'] }).body, '*****')
  })

  for (const path of [
    '$.pin[',
    'pin',
    '$..a..b..c',
    '$[?search(@.a, "(a+)+$")]',
    '$..[?($..a)]',
    `$.${'a'.repeat(2000)}`,
  ]) {
    test(`a JSONPath that does not work hides the body whole, and is a problem: ${path.slice(0, 40)}`, () => {
      assert.equal(masked({ headers: asJson, body: bodyOf('{"pin":1}') }, { jsonPathsRequest: [path] }).body, '*****')
      assert.equal(maskProblems(masksOf({ jsonPathsRequest: [path] })).length, 1)
    })
  }

  for (const path of [
    '//x:pin',
    '//pin[',
    'count(//pin)',
    '//a//b//c',
    '//pin[//a[//b]]',
    '/a/../pin',
    '//a[parent::b]',
  ]) {
    test(`an XPath that does not work hides the body whole: ${path}`, () => {
      assert.equal(masked({ headers: asXml, body: bodyOf('<pin>1</pin>') }, { xPathsRequest: [path] }).body, '*****')
    })
  }

  test('a document of many nodes is masked by a path that takes one look at it', () => {
    const body = bodyOf(`<a>${'<b/>'.repeat(5000)}<pin>1234</pin></a>`)
    const { body: shown } = masked({ headers: asXml, body }, { xPathsRequest: ['//pin'] })
    assert.ok(shown.endsWith('<pin>*****</pin></a>'))
  })

  test('a prefix without a namespace is a problem; paths that work are none', () => {
    assert.equal(maskProblems(masksOf({ xPathsRequest: ['//x:pin'] })).length, 1)
    assert.deepEqual(
      maskProblems(
        masksOf({ jsonPathsFault: ['$..a'], xPathsFault: ['//e:a', "//a[.='x:y']", '//child::a'], namespaces }),
      ),
      [],
    )
  })
})

describe('the configuration', () => {
  test('is the bean of Edge, with what is no text left out', () => {
    const masks = parseMaskConfig({
      name: 'default',
      namespaces: [{ prefix: 'e', value: 'urn:e' }, { prefix: 1 }, null],
      xPathsRequest: ['/e:a', 7],
      xPathsResponse: 'not a list',
      jSONPathsRequest: [' $.a '],
      jSONPathsFault: ['$.f'],
      variables: ['request.header.a', ''],
    })
    assert.deepEqual(masks, {
      ...noMasks,
      namespaces: { e: 'urn:e' },
      xPathsRequest: ['/e:a'],
      xPathsResponse: ['not a list'],
      jsonPathsRequest: ['$.a'],
      jsonPathsFault: ['$.f'],
      variables: ['request.header.a'],
    })
  })

  test('of the organization and of the proxy hold together', () => {
    const one = masksOf({ variables: ['a'], namespaces: { p: 'urn:1', q: 'urn:q' } })
    const other = masksOf({ variables: ['b'], namespaces: { p: 'urn:2' } })
    const both = mergeMasks([one, other])
    assert.deepEqual([both.variables, both.namespaces], [['a', 'b'], { p: 'urn:2', q: 'urn:q' }])
    assert.deepEqual(mergeMasks([]), noMasks)
  })
})
