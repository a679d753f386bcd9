import assert from 'node:assert/strict'
import { readZip } from '../../src/core/zip.ts'
import type { Identity } from '../../src/pki/make.ts'
import { type AdminClient, AdminRefused, oneTarget } from '../support/admin-client.ts'
import type { Random } from '../support/random.ts'

/** One write, and how to tell whether it was done: wholly, or not at all. */
export interface Write {
  /** The object; a later write of the same takes the place of an earlier one. */
  readonly key: string
  readonly what: string
  do(client: AdminClient): Promise<unknown>
  /** Throws where it is there in half. */
  isDone(client: AdminClient, traffic: Traffic): Promise<boolean>
}

/** Status and body of a GET at the gateway. */
export type Traffic = (path: string) => Promise<{ readonly status: number; readonly body: string }>

export interface WriterOptions {
  /** Names begin with it: writers at the same time do not meet. */
  readonly lane: string
  readonly random: Random
  readonly identities: readonly Identity[]
  readonly backend: string
}

/** Names that the next writes choose from; what a killed gateway has kept of a write is told to it. */
export class Writer {
  readonly #options: WriterOptions
  readonly #keystores: string[] = []
  readonly #aliases: { readonly keystore: string; readonly name: string }[] = []
  readonly #references = new Set<string>()
  readonly #servers = new Set<string>()
  /** Revisions by API, and the one that is deployed. */
  readonly #apis = new Map<string, number>()
  #count = 0

  constructor(options: WriterOptions) {
    this.#options = options
  }

  next(): Write {
    const { random } = this.#options
    const kinds = [
      () => this.#keystore(),
      () => this.#alias(),
      () => this.#alias(),
      () => this.#aliasRemoved(),
      () => this.#reference(),
      () => this.#targetServer(),
      () => this.#import(),
      () => this.#deploy(),
      () => this.#deploy(),
    ]
    return random.pick(kinds)() ?? this.#keystore()
  }

  /** It was done: acknowledged, or found after a kill. */
  done({ key }: Write): void {
    const [kind = '', name = '', alias = ''] = key.split(' ')
    if (kind === 'keystore') this.#keystores.push(name)
    if (kind === 'alias') this.#aliasDone(name, alias)
    if (kind === 'reference') this.#references.add(name)
    if (kind === 'server') this.#servers.add(name)
    if (kind === 'revision') this.#apis.set(name, Number(alias))
  }

  #name(kind: string): string {
    this.#count += 1
    return `${this.#options.lane}-${kind}-${this.#count}`
  }

  #keystore(): Write {
    const name = this.#name('ks')
    return {
      key: `keystore ${name}`,
      what: 'made',
      do: (client) => client.keystore(name),
      isDone: async (client) => (await found(client, `/e/test/keystores/${name}`)) !== null,
    }
  }

  #alias(): Write | null {
    const { random, identities } = this.#options
    const keystore = oneOf(random, this.#keystores)
    if (keystore === null) return null
    const name = this.#name('alias')
    const identity = random.pick(identities)
    const path = `/e/test/keystores/${keystore}/aliases/${name}`
    return {
      key: `alias ${keystore} ${name}`,
      what: 'with a key',
      do: (client) => client.alias(keystore, name, identity.chainPem, identity.keyPem),
      async isDone(client) {
        const bean = await found(client, path)
        if (bean === null) return false
        assert.equal((JSON.parse(bean) as { keyName?: string }).keyName, `${name}-key`, `${path} has its key`)
        const pem = (await client.send('GET', `${path}/certificate`)).body
        assert.equal(pem.trim(), identity.certificatePem.trim(), `${path} is the certificate that was sent`)
        return true
      },
    }
  }

  #aliasRemoved(): Write | null {
    const alias = oneOf(this.#options.random, this.#aliases)
    if (alias === null) return null
    const { keystore, name } = alias
    return {
      key: `alias ${keystore} ${name}`,
      what: 'removed',
      do: (client) => client.removeAlias(keystore, name),
      isDone: async (client) => (await found(client, `/e/test/keystores/${keystore}/aliases/${name}`)) === null,
    }
  }

  #aliasDone(keystore: string, name: string): void {
    const at = this.#aliases.findIndex((each) => each.keystore === keystore && each.name === name)
    if (at === -1) this.#aliases.push({ keystore, name })
    else this.#aliases.splice(at, 1)
  }

  #reference(): Write | null {
    const { random } = this.#options
    const refers = oneOf(random, this.#keystores)
    if (refers === null) return null
    const known = random.chance(0.5) ? oneOf(random, [...this.#references]) : null
    const name = known ?? this.#name('ref')
    return {
      key: `reference ${name}`,
      what: `to ${refers}`,
      do: (client) => (known === null ? client.reference(name, refers) : client.switchReference(name, refers)),
      async isDone(client) {
        const bean = await found(client, `/e/test/references/${name}`)
        return bean !== null && (JSON.parse(bean) as { refers: string }).refers === refers
      },
    }
  }

  #targetServer(): Write {
    const { random } = this.#options
    const known = random.chance(0.5) ? oneOf(random, [...this.#servers]) : null
    const name = known ?? this.#name('ts')
    const port = 1 + random.below(60_000)
    const body = { host: '127.0.0.1', port, isEnabled: true }
    const path = '/e/test/targetservers'
    return {
      key: `server ${name}`,
      what: `with port ${port}`,
      do: (client) =>
        known === null ? client.targetServer(name, body) : client.send('PUT', `${path}/${name}`, { name, ...body }),
      async isDone(client) {
        const bean = await found(client, `${path}/${name}`)
        return bean !== null && (JSON.parse(bean) as { port: number }).port === port
      },
    }
  }

  #import(): Write {
    const { random, backend } = this.#options
    const known = random.chance(0.6) ? oneOf(random, [...this.#apis.keys()]) : null
    const name = known ?? this.#name('api')
    const revision = (this.#apis.get(name) ?? 0) + 1
    const files = {
      ...oneTarget(name, `<URL>${backend}/revision-${revision}-of</URL>`),
      'resources/jsc/ballast.js': `// ${'x'.repeat(20_000)} ${revision}`,
    }
    return {
      key: `revision ${name} ${revision}`,
      what: 'imported',
      do: (client) => client.importBundle(name, files),
      async isDone(client) {
        const path = `/apis/${name}/revisions/${revision}`
        if ((await found(client, path)) === null) return false
        const zip = await client.bytes(`${path}?format=bundle`)
        const held = await readZip(zip)
        for (const [file, text] of Object.entries(files)) {
          assert.equal(held.get(`apiproxy/${file}`)?.toString('utf8'), text, `${path} has ${file} as it was sent`)
        }
        return true
      },
    }
  }

  #deploy(): Write | null {
    const { random } = this.#options
    const name = oneOf(random, [...this.#apis.keys()])
    if (name === null) return null
    const revision = 1 + random.below(this.#apis.get(name) ?? 1)
    return {
      key: `deployment ${name}`,
      what: `of revision ${revision}`,
      do: (client) => client.deploy(name, revision),
      async isDone(_client, traffic) {
        const { status, body } = await traffic(`/${name}/it`)
        if (status === 404) return false
        assert.equal(status, 200, `the deployed ${name} serves: ${body}`)
        return body === `/revision-${revision}-of/it`
      },
    }
  }
}

function oneOf<T>(random: Random, list: readonly T[]): T | null {
  return list.length === 0 ? null : random.pick(list)
}

/** The bean; null where there is none. */
async function found(client: AdminClient, path: string): Promise<string | null> {
  try {
    return (await client.send('GET', path)).body
  } catch (error) {
    if (error instanceof AdminRefused && error.status === 404) return null
    throw error
  }
}
