import { createIntermediate, createLeaf, createRoot, createSelfSigned, type Identity, pemOf } from '../pki/make.ts'
import { healthyAnswers } from './answers.ts'
import type { LabTarget } from './lab.ts'
import { withFlippedSignature } from './odd-certificates.ts'
import { type PairFault, pairFaults } from './pair-faults.ts'
import { type Pair, pairs } from './pairs.ts'
import { loopback, type Opened, openHttps } from './servers.ts'
import { emptyTally } from './tally.ts'

/** A backend with two faults. */
export interface PairBackend {
  readonly pair: Pair
  readonly host: string
  readonly port: number
  readonly serverName: string
  readonly servedPem: string
  readonly target: LabTarget
}

export interface PairLab extends AsyncDisposable {
  readonly backends: readonly PairBackend[]
  /** What a gateway is to trust. */
  readonly trust: { readonly bundlePem: string }
}

/** Starts one backend for each pair on loopback, at ports that the system chooses. */
export async function startPairs(wanted: readonly Pair[] = pairs, now = new Date()): Promise<PairLab> {
  const opened: Opened[] = []
  const close = async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  }
  try {
    const root = await createRoot({ commonName: 'Pair Lab Root CA', organization: 'Pair Lab', now })
    const backends = await Promise.all(
      wanted.map(async (pair) => {
        const { chainPem, keyPem } = await served(pair, root, now)
        // Below security level 1 this side takes weak certificates of its own.
        const tls = { cert: chainPem, key: keyPem, ciphers: 'DEFAULT@SECLEVEL=0' }
        const server = await openHttps(tls, healthyAnswers(pair.name), emptyTally(), 0)
        opened.push(server)
        const { serverName } = pair
        return { pair, host: loopback, port: server.port, serverName, servedPem: chainPem, target: plainTarget }
      }),
    )
    return { backends, trust: { bundlePem: root.certificatePem }, [Symbol.asyncDispose]: close }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

const plainTarget: LabTarget = {
  furtherAnchorsPem: '',
  intermediatesPem: '',
  crlsPem: '',
  clientIdentity: null,
  settings: {},
}

async function served(pair: Pair, root: Identity, now: Date): Promise<{ chainPem: string; keyPem: string }> {
  const faults: readonly PairFault[] = pair.planted.map(({ fault }) => pairFaults[fault])
  const has = (chain: PairFault['chain']) => faults.some((fault) => fault.chain === chain)
  const { subjects, serverName } = pair
  const settings = { organization: 'Pair Lab', now }
  const leafOptions = Object.assign({ names: [serverName], now }, ...faults.map((fault) => fault.leaf?.(now)), {
    commonName: serverName,
  }) as Parameters<typeof createLeaf>[1]
  if (has('self-signed')) return createSelfSigned(leafOptions)

  const anchor = has('elsewhere') ? await createRoot({ ...settings, commonName: subjects.elsewhereRoot }) : root
  const above = has('crowded')
    ? await createIntermediate(anchor, { ...settings, commonName: subjects.policy, pathLength: 0 })
    : anchor
  const issuing = await createIntermediate(
    above,
    Object.assign({ ...settings, commonName: subjects.issuing }, ...faults.map((fault) => fault.issuing?.(now))),
  )
  const leaf = await createLeaf(issuing, leafOptions)
  const certificate = faults.some(({ flipsSignature }) => flipsSignature)
    ? withFlippedSignature(leaf.certificate)
    : leaf.certificate
  const authorities = has('alone') ? '' : leaf.chainPem.slice(leaf.certificatePem.length)
  return { keyPem: leaf.keyPem, chainPem: pemOf(certificate) + authorities }
}
