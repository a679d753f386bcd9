import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/** Which folders of src a folder may import, and why not the others. */
export const mayImport: Readonly<Record<string, { readonly from: readonly string[]; readonly why: string }>> = {
  core: { from: [], why: 'core is what everything stands on' },
  x509: { from: ['core'], why: 'bytes to facts; no policy, no network' },
  verdict: { from: ['core'], why: 'the vocabulary; whoever judges imports it, it judges nothing' },
  faults: { from: ['core', 'verdict', 'proxy/plan'], why: 'rendering is pure: no socket, no configuration' },
  judge: {
    from: ['core', 'x509', 'verdict'],
    why: 'bytes, names and a clock to a judgement; no socket, no file, so that anything can be judged at any time',
  },
  diagnosis: {
    from: [
      'core',
      'config',
      'x509',
      'verdict',
      'faults',
      'judge',
      'dial',
      'trust',
      'wire/tls',
      'proxy/plan',
      'proxy/control-port',
      'observe/events',
    ],
    why: 'I9: asks the dialer and the judge; the data plane hears of it by messages only',
  },
  flow: { from: ['core'], why: 'conditions and variables; runs on the request path, knows no HTTP and no bundle' },
  state: { from: ['core'], why: 'keeps objects; knows neither the API that makes them nor what they do' },
  compat: {
    from: ['core', 'x509', 'verdict', 'trust', 'flow', 'config', 'state', 'proxy/plan'],
    why: 'bundles and stored objects to a plan; starts nothing',
  },
  admin: {
    from: [
      'core',
      'x509',
      'verdict',
      'trust',
      'flow',
      'config',
      'state',
      'compat',
      'control',
      'diagnosis',
      'judge',
      'pki',
      'observe',
      'monitor',
      'traces',
      'support',
      'dial/story',
      'proxy/plan',
    ],
    why: 'I9: the management API; changes the gateway through generations only',
  },
  wire: { from: ['core', 'faults'], why: 'bytes to messages; knows no route and no backend' },
  trust: { from: ['core', 'x509', 'proxy/plan'], why: 'the one reader of trust files; knows no socket' },
  observe: {
    from: ['core', 'verdict', 'faults', 'proxy/plan', 'dial/story'],
    why: 'I9: listens to the data plane, which knows only its formats',
  },
  monitor: {
    from: ['core', 'verdict', 'faults', 'observe'],
    why: 'counts to answers: keeps rollups, asks and judges them; knows no gateway',
  },
  traces: {
    from: ['core', 'verdict', 'faults', 'observe', 'dial/story'],
    why: 'recorded requests, masked and rendered; knows no gateway and no API',
  },
  otlp: {
    from: ['core', 'verdict', 'faults', 'observe', 'dial/story', 'observer/plan', 'observer/outlet'],
    why: 'what was observed in the words of OpenTelemetry, and its way to a receiver',
  },
  observer: {
    from: ['core', 'observe', 'monitor', 'otlp'],
    why: 'a thread around what keeps and sends away: nothing that stalls in it stalls the gateway',
  },
  support: {
    from: ['core', 'verdict', 'faults', 'observe', 'traces', 'monitor', 'diagnosis', 'dial/story', 'wire/tls', 'x509'],
    why: 'one archive of everything that is known of a failure; collects and redacts, asks nobody itself',
  },
  dial: {
    // Of the wire only what reads the answer of an egress proxy: one reading of every message (I8).
    from: ['core', 'x509', 'verdict', 'faults', 'observe/events', 'proxy/plan', 'wire/h1', 'wire/tls'],
    why: 'I4: the only caller of tls.connect',
  },
  proxy: {
    from: ['core', 'verdict', 'faults', 'flow', 'wire', 'dial', 'observe'],
    why: 'I9: the data plane reads no file, no schema and no diagnosis; a compiled plan is all it gets',
  },
  worker: { from: ['core', 'observe', 'proxy'], why: 'a thread around the data plane' },
  config: {
    from: ['core', 'x509', 'trust', 'faults', 'proxy/plan', 'observer/plan'],
    why: 'compiles files to a plan; starts nothing',
  },
  control: {
    from: [
      'core',
      'config',
      'diagnosis',
      'trust',
      'observe',
      'observer',
      'monitor',
      'traces',
      'dial/story',
      'proxy/plan',
      'proxy/control-port',
      'verdict',
      'worker/protocol',
    ],
    why: 'the main thread; talks to the data plane by messages only',
  },
  pki: {
    from: ['core', 'x509', 'trust'],
    why: 'makes certificates; for lab, tests, people and the management API, never for the data plane',
  },
  lab: {
    from: ['core', 'x509', 'pki', 'verdict', 'faults'],
    why: 'backends for trying out and for tests; the gateway does not know it',
  },
  cli: {
    from: [
      'admin',
      'compat',
      'core',
      'config',
      'control',
      'diagnosis',
      'faults',
      'judge',
      'lab',
      'pki',
      'proxy/plan',
      'state',
      'support',
      'traces',
      'trust',
      'verdict',
      'x509',
    ],
    why: 'commands; the top',
  },
}

interface Edge {
  readonly file: string
  readonly from: string
  /** Folder, or folder/file where only that file is allowed. */
  readonly to: string
  readonly specifier: string
}

/** Every import that crosses a folder of src and may not. */
export function brokenLayers(root: string): readonly string[] {
  const broken: string[] = []
  for (const edge of edges(root)) {
    const rule = mayImport[edge.from]
    if (rule === undefined) {
      broken.push(`${edge.file}: folder src/${edge.from} has no rule in tools/layers.ts`)
      continue
    }
    const folder = edge.to.split('/')[0] as string
    if (rule.from.includes(folder) || rule.from.includes(edge.to)) continue
    broken.push(
      `${edge.file} imports ${edge.specifier}: ${edge.from} may import ${rule.from.join(', ') || 'nothing'} (${rule.why})`,
    )
  }
  return [...broken, ...misplaced(root)]
}

/** Things that one place alone may do. */
const onlyIn: readonly { readonly what: RegExp; readonly where: readonly string[]; readonly why: string }[] = [
  {
    what: /from 'node:tls'/,
    where: ['src/dial/', 'src/proxy/', 'src/lab/', 'src/config/', 'src/trust/', 'src/observer/', 'src/otlp/'],
    why: 'TLS is opened by dial, served by proxy and lab; config and trust ask the runtime what it knows; observer and otlp send telemetry, never anything of a request to a backend',
  },
  {
    what: /\btls\.connect\b|connect as connectTls/,
    where: ['src/dial/', 'src/observer/'],
    why: 'I4: one dialer; telemetry has receivers, not backends',
  },
  {
    what: /rejectUnauthorized/,
    where: ['src/dial/', 'src/lab/', 'src/otlp/receiver-tls.ts'],
    why: 'I1: the switch lives in one place; receivers of telemetry are always verified',
  },
  { what: /process\.env\b/, where: ['src/cli/'], why: 'the environment is read once, at the top, and passed down' },
]

function misplaced(root: string): readonly string[] {
  const found: string[] = []
  for (const file of sources(root)) {
    const text = withoutComments(readFileSync(join(root, file), 'utf8'))
    for (const rule of onlyIn) {
      if (rule.what.test(text) && !rule.where.some((place) => file.startsWith(place))) {
        found.push(`${file} has ${String(rule.what)}, which belongs in ${rule.where.join(', ')} (${rule.why})`)
      }
    }
  }
  return found
}

function edges(root: string): readonly Edge[] {
  return sources(root).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].flatMap((match): Edge[] => {
      const specifier = match[1] as string
      const target = relative('src', normalize(join(dirname(file), specifier))).replace(/\.ts$/, '')
      const from = file.split('/')[1] as string
      const parts = target.split('/')
      return parts[0] === from ? [] : [{ file, from, to: parts.slice(0, 2).join('/'), specifier }]
    })
  })
}

function sources(root: string): readonly string[] {
  return globSync('src/**/*.ts', { cwd: root }).sort()
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}
