import { renderReport } from '../diagnosis/report-text.ts'
import type { ReportJson } from '../diagnosis/report-json.ts'
import type { Probe } from '../diagnosis/types.ts'
import type { Certificate } from '../x509/certificate.ts'
import { jsonText } from './bundle.ts'
import { captureFile, captureNote } from './capture.ts'
import type { Collection } from './collection.ts'
import { certificateListing, comparison, pemOf, storeListing, type StoreContent } from './store-text.ts'
import type { FoundServer } from './types.ts'

/** Everything there is about one server of a target. */
export interface ServerMaterial extends FoundServer {
  /** Of the probe, or of what was seen last; those that can be read. */
  readonly served: readonly Certificate[]
  /** null: plain HTTP. */
  readonly store: StoreContent | null
  /** Of the probe; null: none was made. */
  readonly probe: Pick<Probe, 'address' | 'fault' | 'transcript'> | null
}

/** Phases B and C of the playbook (apigee-edge.md 6.1): what was served, what is trusted, and what is between them. */
export function addTargetFiles(into: Collection, servers: readonly ServerMaterial[], capture: boolean): void {
  const single = servers.length === 1
  for (const [index, server] of servers.entries()) {
    const slug = `${index + 1}-${slugOf(`${server.target}-${server.server}`)}`
    addServer(into, server, single ? 'target' : `target/${slug}`)
    if (capture)
      addCapture(into, server, `capture/handshake-${slugOf(server.server)}${single ? '' : `-${index + 1}`}.pcap`)
  }
}

function addServer(into: Collection, server: ServerMaterial, folder: string): void {
  const { probed, before, served, store, target } = server
  const name = `${target} (${server.server})`
  if (!server.tls || store === null) {
    into.lack(`${folder}: report of ${name}`, 'it is plain HTTP and shows no certificate')
    return
  }
  const report = probed ?? before?.report ?? null
  if (probed !== null) {
    const what = `What the gateway finds when it connects to ${name} now: verdict, chain, remedies`
    into.add({
      name: `${folder}/report.json`,
      what: `${what}; the contract of \`tls check --json\`.`,
      source: 'a probe',
      content: jsonText(probed),
    })
    into.add({ name: `${folder}/report.txt`, what: `${what}.`, source: 'a probe', content: reportText(probed, name) })
  }
  if (before !== null) {
    const source = before.source === 'traffic' ? 'the diagnosis of failed traffic' : 'an earlier check'
    const what = `What was found out about ${name} at ${new Date(before.at).toISOString()}`
    into.add({ name: `${folder}/report-before.json`, what: `${what}.`, source, content: jsonText(before.report) })
  }
  const source = probed === null ? 'the chain that was seen last' : 'a probe'
  if (served.length === 0) into.lack(`${folder}/served.txt`, `${name} showed no certificate that can be read`)
  else {
    for (const [index, { pem }] of served.entries()) {
      const what = `Certificate ${index + 1} of ${served.length} that ${name} serves.`
      into.add({ name: `${folder}/served-${index}.pem`, what, source, content: pem })
    }
    const listing = certificateListing(`Served by ${name}`, served)
    into.add({
      name: `${folder}/served.txt`,
      what: `The chain as ${name} serves it, decoded.`,
      source,
      content: listing,
    })
  }
  const { anchors, intermediates } = store
  const trusted = 'the trust store in force'
  into.add({
    name: `${folder}/store.pem`,
    what: 'Every certificate that the target trusts, and then those that only help to build a path.',
    source: trusted,
    content: pemOf([...anchors, ...intermediates]),
  })
  into.add({ name: `${folder}/store.txt`, what: 'The same, decoded.', source: trusted, content: storeListing(store) })
  into.add({
    name: `${folder}/comparison.txt`,
    what: 'Each served certificate and its issuer against the store: which one is missing.',
    source: `${source}, and ${trusted}`,
    content: comparison(report, served, store),
  })
}

function addCapture(into: Collection, { probe, target, server, tls }: ServerMaterial, name: string): void {
  if (!tls) {
    into.lack(name, 'the server is plain HTTP')
    return
  }
  const bytes = probe === null ? null : captureFile(probe)
  if (bytes === null) into.lack(name, `no byte of TLS was sent to ${target} (${server}) or came from it`)
  else
    into.add({
      name,
      what: `The handshake of the probe of ${target} (${server}), for packet analysers. ${captureNote}`,
      source: 'a probe',
      content: bytes,
    })
}

function reportText(report: ReportJson, name: string): string {
  return renderReport({ ...report, asOf: report.asOf === null ? null : Date.parse(report.asOf) }, name)
}

/** Part of a file name. */
export const slugOf = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|-+$/g, '')
    .slice(0, 80) || 'server'
