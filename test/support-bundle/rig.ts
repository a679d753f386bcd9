import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { readZip } from '../../src/core/zip.ts'
import { labConfig, labConfigFiles } from '../../src/lab/gateway-config.ts'
import { type Lab, startLab } from '../../src/lab/lab.ts'
import type { ScenarioName } from '../../src/lab/scenarios.ts'
import type { Manifest } from '../../src/support/bundle.ts'
import {
  adminPassword,
  type ManagedTestGateway,
  type ManagedTestOptions,
  startManagedGateway,
} from '../support/managed-gateway.ts'

/** A gateway of `myorg/test` in front of a lab, with its management API. */
export interface SupportRig extends AsyncDisposable {
  readonly lab: Lab
  readonly running: ManagedTestGateway
  readonly directory: string
  readonly admin: string
  call(method: string, path: string, body?: unknown, as?: string): Promise<Response>
  /** Starts a debug session of a proxy. */
  trace(proxy: string): Promise<void>
  /** Sends a request through the gateway, and waits until it is counted. @returns its message id */
  fails(path: string, init?: RequestInit): Promise<string>
  bundle(question: object, as?: string): Promise<SupportBundle>
}

export interface SupportBundle {
  readonly bytes: Buffer
  readonly files: ReadonlyMap<string, Buffer>
  readonly manifest: Manifest
  text(name: string): string
  // oxlint-disable-next-line typescript/no-explicit-any -- a test that is wrong about it fails
  json(name: string): any
}

export interface SupportRigOptions {
  readonly change?: (config: Record<string, unknown>, directory: string) => Record<string, unknown>
  /** Files that the configuration names. */
  readonly prepare?: (directory: string) => Promise<void>
  readonly gateway?: ManagedTestOptions
  readonly logs?: readonly { readonly format: string; readonly file?: string }[]
}

export async function startSupportRig(
  scenarios: readonly ScenarioName[],
  { change = (config) => config, prepare, gateway = {}, logs }: SupportRigOptions = {},
): Promise<SupportRig> {
  const lab = await startLab({ scenarios })
  const directory = await mkdtemp(join(tmpdir(), 'postern-support-'))
  const trustFile = join(directory, 'ca.crt')
  await prepare?.(directory)
  await writeFile(trustFile, lab.trust.bundlePem)
  for (const [name, text] of Object.entries(labConfigFiles(lab))) await writeFile(join(directory, name), text)
  const text = labConfig(lab, {
    port: 0,
    managementPort: 0,
    trustFile,
    logs: logs ?? [
      { format: 'native', file: join(directory, 'native.log') },
      { format: 'edge-system', file: join(directory, 'system.log') },
    ],
  })
  const config = change(parse(text) as Record<string, unknown>, directory)
  const running = await startManagedGateway({ ...config, diagnosis: { live: true, wait: '5s' } }, gateway)
  const admin = `http://127.0.0.1:${running.gateway.managementPort}`
  const call: SupportRig['call'] = (method, path, body, as = `admin:${adminPassword}`) =>
    fetch(`${admin}${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(as).toString('base64')}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return {
    lab,
    running,
    directory,
    admin,
    call,
    async trace(proxy) {
      const answer = await call('POST', '/api/organizations/myorg/environments/test/traces', { proxy, bodyBytes: 4096 })
      assert.equal(answer.status, 201, await answer.text())
    },
    async fails(path, init = {}) {
      const answer = await fetch(`http://127.0.0.1:${running.port}${path}`, init)
      await answer.arrayBuffer()
      const id = answer.headers.get('x-apigee-message-id') ?? answer.headers.get('x-request-id') ?? ''
      for (let tries = 0; tries < 400; tries++) {
        if ((await running.gateway.monitor.find(id)) !== null) return id
        await sleep(25)
      }
      throw new Error(`request ${id} of ${path} was not counted: ${answer.status}`)
    },
    async bundle(question, as) {
      const answer = await call('POST', '/api/organizations/myorg/environments/test/support', question, as)
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
      assert.equal(answer.headers.get('content-type'), 'application/zip')
      return openBundle(Buffer.from(await answer.arrayBuffer()))
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await lab.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Opens it, and holds every file against the manifest: none too many, none too few, each as it says. */
export async function openBundle(bytes: Buffer): Promise<SupportBundle> {
  const files = await readZip(bytes)
  const text = (name: string): string => {
    const found = files.get(name)
    if (found === undefined) throw new Error(`there is no ${name} among ${[...files.keys()].join(', ')}`)
    return found.toString('utf8')
  }
  const manifest = JSON.parse(text('manifest.json')) as Manifest
  const told = manifest.files.map(({ name }) => name).sort()
  assert.deepEqual(told, [...files.keys()].filter((name) => name !== 'manifest.json').sort())
  for (const { name, bytes: length, sha256, what, source } of manifest.files) {
    const content = files.get(name) as Buffer
    assert.equal(length, content.length, name)
    assert.equal(sha256, createHash('sha256').update(content).digest('hex'), name)
    assert.ok(what !== '' && source !== '', name)
  }
  return { bytes, files, manifest, text, json: (name) => JSON.parse(text(name)) as unknown }
}
