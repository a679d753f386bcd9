import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { managedView } from '../../../src/compat/apigee/compile-managed.ts'
import type { ManagedPlan } from '../../../src/config/managed-view.ts'
import { make, type Made } from '../../trust/pki.ts'
import { base, codes, deployment, keystore, runtimeState, secureListener, sslInfo, type Stored } from './runtime.ts'

let own: Made
let api: Made
let ca: Made

before(async () => {
  own = await make('CN=gateway.test', { dns: ['gateway.test'] })
  api = await make('CN=api.test', { dns: ['api.test', '*.api.test'] })
  ca = await make('CN=Clients', { ca: true })
})

/** Compiled on the listeners `http` at 8080 and `https` at 8443, or with the ports given. */
function compiledOn(stored: Stored, apigee: object = {}, ports: readonly [number, number] = [8080, 8443]): ManagedPlan {
  const plain = base({ apigee, listeners: [{ name: 'http', port: ports[0] }] })
  const [listener] = plain.listeners
  assert.ok(listener)
  const secure = secureListener(listener, 'https', ports[1], { chain: own.pem, key: own.key })
  const keystores = [
    keystore('ks1', { api: { chain: api.pem, key: api.key }, cert: api.pem }),
    keystore('ts1', { ca: ca.pem }),
    keystore('ts2', { ca: own.pem }),
    keystore('empty', {}),
  ]
  const names = Object.keys(stored.virtualHosts ?? {})
  const deployments = [deployment({ virtualHosts: names.length === 0 ? ['default'] : names })]
  return managedView(runtimeState({ deployments, keystores, references: { ksRef: 'ks1' }, ...stored })).compile({
    ...plain,
    listeners: [listener, secure],
  })
}

/** Where the one proxy is, and what was said. */
function shown(plan: ManagedPlan): readonly string[] {
  return [
    ...plan.problems.map(({ code }) => `problem ${code}`),
    ...codes(plan.findings).filter((code) => code !== 'endpoint-not-served'),
    ...plan.proxies.flatMap(({ listeners }) => listeners ?? []),
  ]
}

const served = sslInfo({ keyStore: 'ks1', keyAlias: 'api' })
/** As a start makes them. */
const seeded = { createdBy: 'system', lastModifiedBy: 'system' }
const asking = sslInfo({ keyStore: 'ks1', keyAlias: 'api', clientAuthEnabled: true, trustStore: 'ts1' })

describe('a virtual host', () => {
  const rows: readonly (readonly [
    sentence: string,
    hosts: NonNullable<Stored['virtualHosts']>,
    apigee: object,
    expected: readonly string[],
  ])[] = [
    ['is served on the listener with its port', { a: { port: 8080 } }, {}, ['http']],
    [
      'that a start made is served on the plain listener, whatever its port',
      { default: { port: 8180, ...seeded } },
      {},
      ['http'],
    ],
    [
      'that a start made is served on the TLS listener',
      { secure: { port: 443, sslInfo: sslInfo({}), ...seeded } },
      {},
      ['https'],
    ],
    [
      'that a start made opens no port where there is a listener for it',
      { default: { port: 8180, ...seeded } },
      { virtualHosts: 'open' },
      ['http'],
    ],
    [
      'that somebody changed keeps its port',
      { default: { port: 8180, ...seeded, lastModifiedBy: 'ann' } },
      {},
      ['virtual-host-not-served'],
    ],
    ['of another name keeps its port', { other: { port: 8180, ...seeded } }, {}, ['virtual-host-not-served']],
    ['is not served where none has it', { a: { port: 9000 } }, {}, ['virtual-host-not-served']],
    ['without SSLInfo is served on a TLS listener, with its certificates', { a: { port: 8443 } }, {}, ['https']],
    ['with SSLInfo is served on a TLS listener', { a: { port: 8443, sslInfo: served } }, {}, ['https']],
    [
      'with SSLInfo is not served on a plain one',
      { a: { port: 8080, sslInfo: served } },
      {},
      ['virtual-host-not-served'],
    ],
    [
      'with SSLInfo off is not served on a TLS listener',
      { a: { port: 8443, sslInfo: sslInfo({ enabled: false }) } },
      {},
      ['virtual-host-not-served'],
    ],
    [
      'that asks for client certificates is not served where the listener does not',
      { a: { port: 8443, sslInfo: asking } },
      {},
      ['virtual-host-not-served'],
    ],
    [
      'is refused with an unknown store',
      { a: { port: 8443, sslInfo: sslInfo({ keyStore: 'ks9', keyAlias: 'api' }) } },
      {},
      ['problem key-store-unknown'],
    ],
    [
      'is refused with an unknown alias',
      { a: { port: 8443, sslInfo: sslInfo({ keyStore: 'ks1', keyAlias: 'b' }) } },
      {},
      ['problem key-alias-unknown'],
    ],
    [
      'is refused with an alias without key',
      { a: { port: 8443, sslInfo: sslInfo({ keyStore: 'ks1', keyAlias: 'cert' }) } },
      {},
      ['problem key-alias-unusable'],
    ],
    ['opens its port where that is wanted', { a: { port: 9000 } }, { virtualHosts: 'open' }, ['vhost-9000']],
    ['opens no port that a listener has', { a: { port: 8080 } }, { virtualHosts: 'open' }, ['http']],
    ['opens its port with TLS', { a: { port: 9000, sslInfo: served } }, { virtualHosts: 'open' }, ['vhost-9000']],
    [
      'opens no TLS port without a certificate',
      { a: { port: 9000, sslInfo: sslInfo() } },
      { virtualHosts: 'open' },
      ['virtual-host-not-served'],
    ],
    [
      'shares a port that was opened',
      { a: { port: 9000 }, b: { port: 9000 } },
      { virtualHosts: 'open' },
      ['vhost-9000'],
    ],
    [
      'does not share one that has TLS where it has none',
      { a: { port: 9000, sslInfo: served }, b: { port: 9000, hostAliases: ['b.test'] } },
      { virtualHosts: 'open' },
      ['virtual-host-not-served', 'vhost-9000'],
    ],
    [
      'may ask for client certificates on a port of its own',
      { a: { port: 9000, sslInfo: asking } },
      { virtualHosts: 'open' },
      ['vhost-9000'],
    ],
    [
      'shares that port with one that asks for the same',
      { a: { port: 9000, sslInfo: asking }, b: { port: 9000, sslInfo: asking } },
      { virtualHosts: 'open' },
      ['vhost-9000'],
    ],
    [
      'is refused where one with the same port asks for others',
      { a: { port: 9000, sslInfo: asking }, b: { port: 9000, sslInfo: { ...asking, trustStore: 'ts2' } } },
      { virtualHosts: 'open' },
      ['problem client-auth-conflict', 'vhost-9000'],
    ],
    [
      'is refused where one with the same port asks for none',
      { a: { port: 9000, sslInfo: asking }, b: { port: 9000, sslInfo: served } },
      { virtualHosts: 'open' },
      ['problem client-auth-conflict', 'vhost-9000'],
    ],
    [
      'is refused with a store that lets nobody in',
      { a: { port: 9000, sslInfo: { ...asking, trustStore: 'empty' } } },
      { virtualHosts: 'open' },
      ['problem trust-store-without-anchor'],
    ],
  ]
  for (const [sentence, virtualHosts, apigee, expected] of rows) {
    it(sentence, () => {
      const lint = new Set(['not-an-anchor', 'leaf-as-anchor', 'no-basic-constraints'])
      const found = shown(compiledOn({ virtualHosts }, apigee)).filter((code) => !lint.has(code))
      assert.deepEqual(found, expected)
    })
  }

  it('adds its certificate to the listener, after those that are there', () => {
    const hosts = { a: { port: 8443, sslInfo: sslInfo({ keyStore: 'ref://ksRef', keyAlias: 'api' }) } }
    const plan = compiledOn({ virtualHosts: hosts })
    const certificates = plan.listeners.find(({ name }) => name === 'https')?.tls?.certificates
    assert.deepEqual(
      certificates?.map(({ names, chain }) => [names, chain]),
      [
        [[], own.pem],
        [['api.test', '*.api.test'], api.pem],
      ],
    )
  })

  it('opens a listener with the defaults of any, the faults of Edge, and its own certificate and versions', () => {
    const sslInfo = { ...asking, protocols: ['TLSv1.3'] }
    const plan = compiledOn({ virtualHosts: { a: { port: 9000, sslInfo } } }, { virtualHosts: 'open' })
    const [http, , opened] = plan.listeners
    assert.deepEqual(
      { ...opened, name: 'http', port: 8080, tls: null, faults: 'native' },
      { ...http, faults: 'native' },
    )
    assert.equal(opened?.faults, 'apigee')
    const { certificates, minVersion, alpn, clientAnchors } = opened?.tls ?? assert.fail()
    assert.deepEqual(
      [certificates.map(({ chain }) => chain), minVersion, alpn, clientAnchors],
      [[api.pem], 'TLSv1.3', ['h2', 'http/1.1'], [ca.pem]],
    )
  })

  it('of a listener with port 0 is the one that was seeded for it, whatever its port', () => {
    const hosts = {
      default: { port: 40_001 },
      secure: { port: 40_002, hostAliases: ['b.test'] },
      more: { port: 40_001, hostAliases: ['c.test'] },
    }
    const plan = compiledOn({ virtualHosts: hosts }, {}, [0, 0])
    assert.deepEqual(shown(plan), ['virtual-host-not-served', 'http', 'https'])
  })

  it('opens its port under a name that no listener of the file has', () => {
    const file = base({ apigee: { virtualHosts: 'open' }, listeners: [{ name: 'vhost-9000', port: 8080 }] })
    const { listeners } = managedView(runtimeState({ virtualHosts: { a: { port: 9000 } } })).compile(file)
    assert.deepEqual(
      listeners.map(({ name, port }) => [name, port]),
      [
        ['vhost-9000', 8080],
        ['vhost-9000-opened', 9000],
      ],
    )
  })

  it('leaves listeners that it adds nothing to as they were', () => {
    const plain = base()
    const { listeners } = managedView(runtimeState({ deployments: [deployment()] })).compile(plain)
    assert.equal(listeners[0], plain.listeners[0])
  })

  it('keeps under takesEffect edge what its store held, unless a reference names it, or it is changed itself', () => {
    const plain = base({ apigee: { takesEffect: 'edge', virtualHosts: 'open' } })
    const held = (made: Made): Stored['keystores'] => [keystore('ks1', { api: { chain: made.pem, key: made.key } })]
    const after = (keyStore: string, change: object): string | undefined => {
      const references = { ksRef: 'ks1' }
      const host = { port: 9000, sslInfo: sslInfo({ keyStore, keyAlias: 'api' }) }
      const state = runtimeState({ keystores: held(api) ?? [], references, virtualHosts: { a: host } })
      const first = managedView(state)
      first.compile(plain)
      first.inForce?.(plain.config)
      const next = runtimeState({ keystores: held(own) ?? [], references, virtualHosts: { a: { ...host, ...change } } })
      const virtualHosts = Object.keys(change).length === 0 ? state.virtualHosts : next.virtualHosts
      const { listeners } = managedView({ ...next, virtualHosts }, { previousView: first }).compile(plain)
      return listeners.at(-1)?.tls?.certificates[0]?.chain
    }
    assert.equal(after('ks1', {}), api.pem)
    assert.equal(after('ref://ksRef', {}), own.pem)
    assert.equal(after('ks1', { hostAliases: ['b.test'] }), own.pem)
  })
})
