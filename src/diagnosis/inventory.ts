import type { CertificateRef } from '../verdict/model.ts'

/** A chain that a server has shown. */
export interface InventoryChain {
  /** PEM, leaf first: as served where it comes from a probe, as the runtime has it where it comes from traffic. */
  readonly chain: readonly string[]
  readonly source: 'traffic' | 'probe'
  /** ISO 8601. */
  readonly firstSeen: string
  readonly lastSeen: string
  /** When a connection of traffic was verified with it last, and under which snapshot; null: none was. */
  readonly verified: { readonly at: string; readonly snapshot: string } | null
  readonly leaf: CertificateRef
  /** When the leaf ends, and when the first certificate of the whole path does. */
  readonly leafEnds: string
  readonly chainEnds: string
  /** What its path hangs on; null where it reaches no anchor of the target's stores. */
  readonly anchor: CertificateRef | null
  /** Names of the stores that hold the anchor. */
  readonly stores: readonly string[]
}

export interface InventoryServer {
  readonly target: string
  readonly server: string
  readonly snapshot: string
  /** ISO 8601: since when it is in force. What was seen before then was seen under other trust. */
  readonly snapshotSince: string
  /** Seen last first. */
  readonly chains: readonly InventoryChain[]
}

/** What `GET /inventory` answers and `trust what-if --inventory` reads. */
export interface InventoryDocument {
  readonly at: string
  readonly servers: readonly InventoryServer[]
}
