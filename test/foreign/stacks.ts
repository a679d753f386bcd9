import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** TLS servers that are not Node's: what they put on the wire, and how they refuse, differs. */
export const stackNames = ['openssl', 'gnutls', 'nginx', 'java'] as const

export type StackName = (typeof stackNames)[number]

export interface ForeignSettings {
  readonly chainPem: string
  readonly keyPem: string
  /** PEM: a client certificate of this CA is demanded. */
  readonly clientCa?: string
  /** The versions that are spoken, lowest first. Default: what the stack speaks by itself. */
  readonly versions?: readonly ('TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3')[]
  /** The one name that is served; every other SNI is refused. */
  readonly sni?: string
  /** DER of the OCSP response to staple. Not in Java, which fetches its own. */
  readonly ocsp?: Buffer
}

export interface ForeignServer extends AsyncDisposable {
  readonly port: number
  close(): Promise<void>
}

/** Why a stack cannot be had here, null where it can. */
export function missingStack(stack: StackName): string | null {
  const command = commands[stack]
  const found = spawnSync('sh', ['-c', `command -v ${command}`], { timeout: 5000 }).status === 0
  return found ? null : `skipped: no ${command}`
}

const commands = { openssl: 'openssl', gnutls: 'gnutls-serv', nginx: 'nginx', java: 'java' } as const

/**
 * Starts a server of the stack on loopback. Throws with what it printed when it refuses the settings. What these stacks do
 * differently, as seen with OpenSSL 3.0, GnuTLS 3.7, NGINX 1.22 and Java 17:
 *
 * - Order: OpenSSL, NGINX and Java send the chain as it stands in the file. GnuTLS sorts it, and leaves out what does not
 *   belong to the path and what is there twice; it keeps the root.
 * - Java takes a chain that is out of order or too long from a JKS store only; from PKCS12 the server does not start.
 * - Client certificates: OpenSSL, GnuTLS and Java end the handshake with an alert, in TLS 1.3 after the client's side of it
 *   is done, and each with another one. NGINX completes the handshake and answers HTTP 400.
 * - SNI: `s_server`, `gnutls-serv`, NGINX (`ssl_reject_handshake`) and Java (a matcher) all send alert 112 when told to
 *   refuse a name; left to themselves all serve their one certificate.
 */
export async function openForeign(stack: StackName, settings: ForeignSettings): Promise<ForeignServer> {
  const directory = await mkdtemp(join(tmpdir(), `postern-${stack}-`))
  try {
    const server = await starters[stack](directory, settings)
    const close = async () => {
      await server.close()
      await rm(directory, { recursive: true, force: true })
    }
    return { port: server.port, close, [Symbol.asyncDispose]: close }
  } catch (thrown) {
    await rm(directory, { recursive: true, force: true })
    throw thrown
  }
}

/** Ends what servers share: the Java machine. */
export async function closeForeign(): Promise<void> {
  if (java === null) return
  const { child } = await java
  java = null
  await end(child)
}

type Started = Pick<ForeignServer, 'port' | 'close'>

const starters: Record<StackName, (directory: string, settings: ForeignSettings) => Promise<Started>> = {
  async openssl(directory, settings) {
    const files = await writeFiles(directory, settings)
    const { versions, sni } = settings
    const old = versions?.some((version) => version === 'TLSv1' || version === 'TLSv1.1')
    const off = versions === undefined ? [] : allVersions.filter((version) => !versions.includes(version))
    return startProcess('openssl', (port) => [
      ...['s_server', '-accept', `127.0.0.1:${port}`, '-www', '-quiet'],
      ...['-cert', files.leaf, '-key', files.key],
      ...(files.above === null ? [] : ['-cert_chain', files.above]),
      ...off.map(
        (version) => `-no_${version === 'TLSv1' ? 'tls1' : version.toLowerCase().replace('v', '').replace('.', '_')}`,
      ),
      ...['-cipher', old ? 'ALL:@SECLEVEL=0' : 'DEFAULT:@SECLEVEL=0'],
      ...(files.clientCa === null ? [] : ['-Verify', '4', '-verify_return_error', '-CAfile', files.clientCa]),
      ...(sni === undefined ? [] : ['-servername', sni, '-servername_fatal', '-cert2', files.leaf, '-key2', files.key]),
      ...(files.ocsp === null ? [] : ['-status_file', files.ocsp]),
    ])
  },

  async gnutls(directory, settings) {
    const files = await writeFiles(directory, settings)
    const { versions, sni } = settings
    const only = versions?.map((version) => `:+VERS-${version.replace('v', '').replace(/^TLS1$/, 'TLS1.0')}`).join('')
    const priority = only === undefined ? 'NORMAL:%VERIFY_ALLOW_SIGN_WITH_SHA1' : `LEGACY:-VERS-ALL${only}`
    return startProcess('gnutls-serv', (port) => [
      ...['--http', '--quiet', '-p', String(port), '--priority', priority],
      ...['--x509certfile', files.chain, '--x509keyfile', files.key],
      ...(files.clientCa === null
        ? []
        : ['--x509cafile', files.clientCa, '--require-client-cert', '--verify-client-cert']),
      ...(sni === undefined ? [] : ['--sni-hostname', sni, '--sni-hostname-fatal']),
      ...(files.ocsp === null ? [] : ['--ocsp-response', files.ocsp, '--ignore-ocsp-response-errors']),
    ])
  },

  async nginx(directory, settings) {
    const files = await writeFiles(directory, settings)
    const { versions, sni } = settings
    const config = (port: number) => `
      daemon off; master_process off; pid ${directory}/pid; error_log stderr error;
      events { worker_connections 64; }
      http {
        access_log off;
        client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/fastcgi;
        uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
        ssl_protocols ${(versions ?? ['TLSv1.2', 'TLSv1.3']).join(' ')};
        ssl_ciphers DEFAULT:@SECLEVEL=0;
        ${sni === undefined ? '' : `server { listen 127.0.0.1:${port} ssl default_server; ssl_reject_handshake on; }`}
        server {
          listen 127.0.0.1:${port} ssl; server_name ${sni ?? '_'};
          ssl_certificate ${files.chain}; ssl_certificate_key ${files.key};
          ${files.clientCa === null ? '' : `ssl_client_certificate ${files.clientCa}; ssl_verify_client on;`}
          ${files.ocsp === null ? '' : `ssl_stapling on; ssl_stapling_file ${files.ocsp};`}
          location / { return 200 "ok"; }
        }
      }`
    return startProcess('nginx', (port) => ['-p', directory, '-e', 'stderr', '-c', join(directory, `${port}.conf`)], {
      before: (port) => writeFile(join(directory, `${port}.conf`), config(port)),
    })
  },

  async java(directory, settings) {
    const files = await writeFiles(directory, settings)
    const { versions, sni } = settings
    java ??= startJava()
    const { child, answers } = await java
    const answer = once(answers, 'line', { signal: AbortSignal.timeout(startMs) }) as Promise<[string]>
    const words = [files.chain, files.key, files.clientCa ?? '-', versions?.join(',') ?? '-', sni ?? '-']
    child.stdin?.write(`${words.join('\t')}\n`)
    const [line] = await answer
    if (!line.startsWith('port ')) throw new Error(`java: ${line}`)
    // The machine keeps the port until it ends: starting one takes a second.
    return { port: Number(line.slice(5)), async close() {} }
  },
}

const allVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const

interface Files {
  readonly chain: string
  readonly leaf: string
  /** The chain without its first certificate; null when nothing is left. */
  readonly above: string | null
  readonly key: string
  readonly clientCa: string | null
  readonly ocsp: string | null
}

async function writeFiles(directory: string, settings: ForeignSettings): Promise<Files> {
  const file = async (name: string, content: string | Buffer | undefined) => {
    if (content === undefined) return null
    await writeFile(join(directory, name), content)
    return join(directory, name)
  }
  const [leaf = '', ...above] = settings.chainPem.match(/-----BEGIN[^]*?-----END CERTIFICATE-----\n?/g) ?? []
  return {
    chain: (await file('chain.pem', settings.chainPem)) ?? '',
    leaf: (await file('leaf.pem', leaf)) ?? '',
    above: await file('above.pem', above.length === 0 ? undefined : above.join('')),
    key: (await file('key.pem', settings.keyPem)) ?? '',
    clientCa: await file('client-ca.pem', settings.clientCa),
    ocsp: await file('ocsp.der', settings.ocsp),
  }
}

/** Starts a process that listens on the port it is told, and waits until it does. */
async function startProcess(
  command: string,
  args: (port: number) => readonly string[],
  { before }: { before?: (port: number) => Promise<void> } = {},
): Promise<Started> {
  const port = await freePort()
  await before?.(port)
  const child = spawn(command, args(port), { stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      if (printed.length < 4096) printed += text.toString()
    })
  }
  endWithTests(child)
  try {
    const deadline = performance.now() + startMs
    while (!(await listens(port))) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${command}: ${printed.trim()}`)
      await sleep(20)
    }
  } catch (thrown) {
    await end(child)
    throw thrown
  }
  return { port, close: () => end(child) }
}

interface Java {
  readonly child: ChildProcess
  readonly answers: Interface
}

let java: Promise<Java> | null = null

async function startJava(): Promise<Java> {
  const source = fileURLToPath(new URL('Server.java', import.meta.url))
  const child = spawn(commands.java, ['-Xmx128m', '-XX:TieredStopAtLevel=1', source], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  endWithTests(child)
  return { child, answers: createInterface({ input: child.stdout }) }
}

function endWithTests(child: ChildProcess): void {
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.removeListener('exit', kill))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** A port that was free a moment ago; these programs cannot say which one the system chose. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('error', () => resolve(false))
  })
}

/** A Java machine on a busy host takes seconds. */
const startMs = 20_000
