import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A message as the server has parsed it. */
export interface ParsedMessage {
  readonly input: string
  readonly pri: string
  readonly time: string
  readonly host: string
  readonly app: string
  readonly proc: string
  readonly id: string
  readonly data: string
  readonly msg: string
}

export interface Rsyslog extends AsyncDisposable {
  readonly tcp: number
  readonly udp: number
  /** 0: none of its TLS drivers is installed. */
  readonly tls: number
  readonly unix: string
  messages: (input: string) => Promise<readonly ParsedMessage[]>
  start: () => Promise<void>
  stop: (signal?: NodeJS.Signals) => Promise<void>
}

export const rsyslogd = ['/usr/sbin/rsyslogd', '/usr/bin/rsyslogd', '/sbin/rsyslogd'].find((path) => existsSync(path))

/** rsyslog with files and ports of its own, that nothing of the system's concerns. */
export async function startRsyslog(certificate: { readonly chain: string; readonly key: string; readonly ca: string }) {
  if (rsyslogd === undefined) throw new Error('rsyslogd is not installed')
  const folder = await mkdtemp(join(tmpdir(), 'postern-rsyslog-'))
  const file = (name: string) => join(folder, name)
  await writeFile(file('chain.pem'), certificate.chain)
  await writeFile(file('key.pem'), certificate.key)
  await writeFile(file('ca.pem'), certificate.ca)
  const ports = { tcp: await freePort(), udp: await freeUdpPort(), tls: await freePort() }
  const config = (driver: string | null) => `
global(workDirectory="${folder}" maxMessageSize="64k"
${driver === null ? '' : `  defaultNetstreamDriver="${driver}" defaultNetstreamDriverCAFile="${file('ca.pem')}" defaultNetstreamDriverCertFile="${file('chain.pem')}" defaultNetstreamDriverKeyFile="${file('key.pem')}"`})
module(load="imptcp")
module(load="imudp")
template(name="fields" type="list" option.jsonf="on") {
  property(outname="input" name="inputname" format="jsonf")
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="proc" name="procid" format="jsonf")
  property(outname="id" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
}
ruleset(name="ours") { action(type="omfile" file="${file('out.json')}" template="fields" flushOnTXEnd="on") }
input(type="imptcp" address="127.0.0.1" port="${ports.tcp}" name="tcp" ruleset="ours")
input(type="imptcp" path="${file('socket')}" unlink="on" name="unix" ruleset="ours")
input(type="imudp" address="127.0.0.1" port="${ports.udp}" name="udp" ruleset="ours")
${
  driver === null
    ? ''
    : `module(load="imtcp" streamDriver.name="${driver}" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="${ports.tls}" name="tls" ruleset="ours")`
}
`
  const path = file('rsyslog.conf')
  let driver: string | null = null
  for (const name of ['ossl', 'gtls']) {
    await writeFile(path, config(name))
    const { status, stderr } = spawnSync(rsyslogd, ['-N1', '-f', path], { encoding: 'utf8' })
    if (driver === null && status === 0 && !stderr.includes('could not load') && installed(name)) driver = name
  }
  await writeFile(path, config(driver))

  let child: ChildProcess | null = null
  const start = async () => {
    const running = spawn(rsyslogd ?? '', ['-n', '-f', path, '-i', file('pid')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    running.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child = running
    for (let i = 0; !(await answers(ports.tcp)); i++) {
      if (i > 500 || running.exitCode !== null) throw new Error(`rsyslogd did not start: ${said}`)
      await delay(10)
    }
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  await start()
  const server: Rsyslog = {
    ...ports,
    tls: driver === null ? 0 : ports.tls,
    unix: file('socket'),
    messages: async (input) => {
      const text = await readFile(file('out.json'), 'utf8').catch(() => '')
      const all = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as ParsedMessage)
      return all.filter((message) => message.input === input)
    },
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
  return server
}

function installed(driver: string): boolean {
  const folders = ['/usr/lib', '/usr/lib64'].filter((folder) => existsSync(folder))
  return execFileSync('find', [...folders, '-name', `lmnsd_${driver}.so`], { encoding: 'utf8' }) !== ''
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return port
}
