import type { Server, Socket } from 'node:net'

export interface StrangerLimits {
  /** Of one address, or of one /64 of IPv6. */
  readonly strangers: number
  /** Of programs on this machine. */
  readonly strangersHere: number
}

/**
 * Open connections of a listener. Those over which nobody has shown yet who he is are bounded by address, so that one
 * stranger cannot hold them all (I10). Over TLS a connection has two sockets; both have the same peer.
 */
export class Connections {
  readonly #limits: StrangerLimits
  readonly #open = new Map<
    string,
    { readonly socket: Socket; readonly place: string; stranger: boolean; used: boolean }
  >()
  readonly #strangers = new Map<string, number>()

  constructor(server: Server, limits: StrangerLimits) {
    this.#limits = limits
    server.on('connection', (socket: Socket) => this.#take(socket))
  }

  /** A request has come over it. */
  used(socket: Socket): void {
    const found = this.#open.get(peerOf(socket))
    if (found !== undefined) found.used = true
  }

  /** Its client has shown who he is: it is counted no more. */
  known(socket: Socket): void {
    const found = this.#open.get(peerOf(socket))
    if (found === undefined || !found.stranger) return
    found.stranger = false
    this.#less(found.place)
  }

  /** Ends those over which no request has come: there is nothing to wait for. */
  cutUnused(): void {
    for (const { socket, used } of [...this.#open.values()]) if (!used) socket.destroy()
  }

  #take(socket: Socket): void {
    const place = networkOf(socket.remoteAddress ?? '')
    const count = this.#strangers.get(place) ?? 0
    const most = isLoopback(place) ? this.#limits.strangersHere : this.#limits.strangers
    if (count >= most) {
      socket.destroy()
      return
    }
    const peer = peerOf(socket)
    const entry = { socket, place, stranger: true, used: false }
    this.#open.set(peer, entry)
    this.#strangers.set(place, count + 1)
    socket.once('close', () => {
      if (this.#open.get(peer) === entry) this.#open.delete(peer)
      if (!entry.stranger) return
      entry.stranger = false
      this.#less(place)
    })
  }

  #less(place: string): void {
    const left = (this.#strangers.get(place) ?? 0) - 1
    if (left > 0) this.#strangers.set(place, left)
    else this.#strangers.delete(place)
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? ''}`
}

/** As the audit trail has it: IPv4 is IPv4, whatever socket it came by. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}

function isLoopback(place: string): boolean {
  return place.startsWith('127.') || place === networkOf('::1')
}

/** One customer of an IPv6 provider has a /64 to choose addresses from. */
export function networkOf(given: string): string {
  const address = plainAddress(given)
  if (!address.includes(':')) return address
  const [head, tail] = (address.split('%', 1)[0] ?? '').split('::') as [string, string?]
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    while (groups.length + last.length < 8) groups.push('0')
    groups.push(...last)
  }
  return groups.slice(0, 4).join(':')
}
