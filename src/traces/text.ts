import type { CertificateFacts, ConnectionStory } from '../dial/story.ts'
import { faultCode } from '../faults/rendering.ts'
import type { RecordedFault, RecordedMessage, RecordedStep, RecordedTransaction } from '../observe/recording.ts'

/** A recorded request for a person: one line for each step, the connection's story where one was opened. ASCII frame, no colour. */
export function transactionText(transaction: RecordedTransaction): string {
  const { id, method, uri, status, totalMs, proxy, fault, dropped } = transaction
  const outcome = fault === null ? '' : `  ${faultCode(fault)} (${fault.party})`
  const title = `${id}  ${oneLine(method)} ${oneLine(uri)} -> ${status === 0 ? 'no answer' : status} in ${ms(totalMs)}${outcome}`
  const where =
    proxy === null
      ? []
      : [`proxy ${proxy.name}, revision ${proxy.revision}, ${proxy.organization}/${proxy.environment}`]
  const left =
    dropped.steps + dropped.bytes === 0
      ? []
      : [`left out for want of room: ${dropped.steps} steps, ${dropped.bytes} bytes`]
  return `${[title, ...[...where, ...left].map((line) => `  ${line}`), ...transaction.steps.flatMap(stepLines)].join('\n')}\n`
}

type Lines = readonly (readonly [what: string, text: string])[]

function stepLines(step: RecordedStep): readonly string[] {
  return linesOf(step).map(([what, text], index) => {
    const time = index === 0 ? ms(step.at) : ''
    return `  ${time.padStart(10)}  ${what.padEnd(12)}${oneLine(text)}`.trimEnd()
  })
}

function linesOf(step: RecordedStep): Lines {
  switch (step.type) {
    case 'request-received':
      return [['request', `${step.message.verb} ${step.message.uri}`], ...fields(step.message)]
    case 'request-body':
      return [['body', bodyText(step.body.bytes, step.body.text)]]
    case 'routed':
      return [['routed', `listener ${step.listener}, base path ${step.basePath}, rest "${step.pathSuffix}"`]]
    case 'condition': {
      const reads = step.reads.map(({ name, value }) => `${name} = ${value === null ? 'null' : JSON.stringify(value)}`)
      return [
        [
          'condition',
          `${step.name}: ${step.expression} is ${step.result}${reads.length === 0 ? '' : `; ${reads.join(', ')}`}`,
        ],
      ]
    }
    case 'route-chosen':
      return [
        [
          'route',
          `${step.rule === '' ? '' : `rule ${step.rule}: `}${step.none ? 'no target' : `target ${step.target}`}`,
        ],
      ]
    case 'variable':
      return [['variable', `${step.name} = ${JSON.stringify(step.value)}`]]
    case 'server-chosen':
      return [['server', `${step.server} of target ${step.target}, try ${step.attempt}`]]
    case 'waiting':
      return [['waiting', `for a connection to ${step.server}`]]
    case 'connected':
      return step.reused
        ? [
            ['connected', `over one that was open: ${step.story.address}, request ${step.uses} of it`],
            ...briefStory(step.story),
          ]
        : [['connected', step.story.address], ...storyLines(step.story)]
    case 'connect-failed':
      return [['refused', faultText(step.fault)], ...(step.story === null ? [] : storyLines(step.story))]
    case 'request-sent':
      return step.message === null
        ? [['sent', '']]
        : [['sent', `${step.message.verb} ${step.message.uri}`], ...fields(step.message)]
    case 'informational':
      return [['informed', String(step.status)]]
    case 'response-received':
      return [
        [
          'response',
          `${step.message === null ? '' : `${step.message.status} ${step.message.reason} `}${step.protocol}`,
        ],
        ...(step.message === null ? [] : fields(step.message)),
      ]
    case 'response-body':
      return [['body', bodyText(step.body.bytes, step.body.text)]]
    case 'try-failed':
      return [['try failed', faultText(step.fault)]]
    case 'tunnel':
      return [['tunnel', 'bytes pass unread from here on']]
    case 'fault':
      return [['fault', faultText(step.fault)]]
    case 'response-sent':
      return [
        [
          'answered',
          `${step.message === null ? '' : `${step.message.status} ${step.message.reason}`}${step.code === '' ? '' : `  ${step.code}, source ${step.source}`}`,
        ],
        ...(step.message === null ? [] : fields(step.message)),
      ]
    case 'ended':
      return [['ended', '']]
    default:
      return step satisfies never
  }
}

function storyLines(story: ConnectionStory): Lines {
  const { dns, attempts, via, connectMs } = story
  return [
    ...(dns === null
      ? []
      : [
          [
            '',
            `${dns.host} has ${list(dns.addresses)}, ${dns.cached ? 'known from before' : `asked in ${ms(dns.ms)}`}`,
          ] as const,
        ]),
    ...attempts.map(
      ({ address, ms: took, error }) =>
        ['', `${address}: ${error === '' ? 'connected' : error} after ${ms(took)}`] as const,
    ),
    ...(via === '' ? [] : [['', `through ${via}`] as const]),
    ...(connectMs === null
      ? []
      : [['', `from ${story.localAddress}, connected after ${ms(connectMs)} in all`] as const]),
    ...tlsLines(story),
  ]
}

/** Of a connection that was open before: what was agreed on, and under which trust. */
function briefStory({ tls, startedAt }: ConnectionStory): Lines {
  const opened = `opened ${new Date(startedAt).toISOString()}`
  if (tls === null) return [['', `${opened}, without TLS`]]
  const chosen = tls.chosen === null ? '' : `, ${tls.chosen.version} ${tls.chosen.cipher}`
  return [
    [
      '',
      `${opened}, ${tls.verdict} under snapshot ${tls.snapshot}${chosen}${tls.resumed ? ', a resumed session' : ''}`,
    ],
  ]
}

function tlsLines({ tls }: ConnectionStory): Lines {
  if (tls === null) return []
  const { offered, chosen, chain, alert, skipped } = tls
  const name = offered.serverName === '' ? 'no server name' : `server name ${offered.serverName}`
  return [
    ['  offered', `${list(offered.versions)}; ${name}; ALPN ${list(offered.alpn)}`],
    ...(offered.clientCertificate === '' ? [] : [['', `our certificate: ${offered.clientCertificate}`] as const]),
    chosen === null
      ? ['  chosen', 'nothing: no ServerHello came']
      : [
          '  chosen',
          [chosen.version, chosen.cipher, chosen.group, chosen.alpn].filter((each) => each !== '').join(' '),
        ],
    ...(tls.clientCertificateAsked ? [['', 'the server asked for a certificate'] as const] : []),
    ...chain.map((certificate, index) => [index === 0 ? '  served' : '', certificateText(certificate)] as const),
    ...(chain.length === 0 && tls.resumed ? [['  served', 'nothing: the session was resumed'] as const] : []),
    ...(alert === null ? [] : [['  alert', `${alert.name} (${alert.code}), sent by the ${alert.from}`] as const]),
    [
      '  verdict',
      `${tls.verdict} under snapshot ${tls.snapshot}${tls.ms === null ? '' : ` after ${ms(tls.ms)}`}` +
        `${skipped.length === 0 ? '' : `; not verified: ${skipped.join(', ')}`}${tls.captured ? '' : '; the handshake was not read'}`,
    ],
  ]
}

function certificateText({ subject, issuer, notAfter, names }: CertificateFacts): string {
  const by = subject === issuer ? 'self-signed' : `by ${issuer}`
  return `${subject}, ${by}, until ${new Date(notAfter).toISOString().slice(0, 10)}${names.length === 0 ? '' : `, for ${list(names.slice(0, 8))}`}`
}

function faultText(fault: RecordedFault): string {
  return `${faultCode(fault)} (${fault.party}): ${fault.summary}`
}

function fields({ headers }: RecordedMessage): Lines {
  return headers.map(([name, value]) => ['', `${name}: ${value}`] as const)
}

const shownOfBody = 200

function bodyText(bytes: number, text: string): string {
  // As it would be read, where it is text.
  const start = Buffer.from(text.slice(0, shownOfBody), 'latin1').toString('utf8')
  return `${bytes} bytes${start === '' ? '' : `: ${start}${text.length > shownOfBody || bytes > text.length ? ' ...' : ''}`}`
}

function list(values: readonly string[]): string {
  return values.length === 0 ? 'none' : values.join(', ')
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
}

/** What peers have sent must not move a terminal's cursor. */
function oneLine(text: string): string {
  return text.replace(unprintable, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g
