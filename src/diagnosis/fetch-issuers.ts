import { lookup as systemLookup } from 'node:dns'
import { get, type IncomingMessage } from 'node:http'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { messageOf } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { readBundleLeniently } from '../x509/pem.ts'

/** What came of following one pointer of a certificate to its issuer. */
export interface FetchedIssuers {
  readonly url: string
  readonly certificates: readonly Certificate[]
  /** Why there are none; '' when there are. */
  readonly problem: string
}

export type FetchIssuers = (url: string) => Promise<FetchedIssuers>

/** I10. An issuing certificate is about 2 KiB. */
const maxBytes = 64 * 1024
const timeoutMs = 2000
/** 1xx answers; each costs time, and the time for all is long enough for a hundred thousand. */
const maxInterim = 8
const maxRemembered = 64
const rememberMs = 10 * 60_000

/**
 * Fetches what `caIssuers` of the authority information access points to (RFC 5280 section 4.2.2.1), each URL once in a while.
 * What comes back is evidence and proves nothing.
 *
 * The URL is the backend's word, so a backend that cannot be trusted chooses where this connects to: one GET without
 * credentials, `http` only, no redirect, bounded in time and size, never to an address of the link itself, where clouds keep
 * the credentials of machines; and nothing of the answer is shown but the certificates in it.
 */
export function issuerFetcher(signal?: AbortSignal): FetchIssuers {
  const remembered = new Map<string, { readonly until: number; readonly answer: Promise<FetchedIssuers> }>()
  return (url) => {
    const now = performance.now()
    const known = remembered.get(url)
    if (known !== undefined && known.until > now) return known.answer
    remembered.delete(url)
    const answer = fetchOnce(url, signal).then(
      (certificates): FetchedIssuers => ({
        url,
        certificates,
        problem: certificates.length === 0 ? 'no certificate is there' : '',
      }),
      (error: unknown): FetchedIssuers => ({ url, certificates: [], problem: messageOf(error) }),
    )
    remembered.set(url, { until: now + rememberMs, answer })
    if (remembered.size > maxRemembered) {
      for (const oldest of remembered.keys()) {
        remembered.delete(oldest)
        break
      }
    }
    return answer
  }
}

const offLimits = new BlockList()
offLimits.addSubnet('169.254.0.0', 16, 'ipv4')
offLimits.addSubnet('0.0.0.0', 8, 'ipv4')
offLimits.addSubnet('224.0.0.0', 3, 'ipv4')
offLimits.addSubnet('fe80::', 10, 'ipv6')
offLimits.addSubnet('ff00::', 8, 'ipv6')
offLimits.addSubnet('fec0::', 10, 'ipv6')
// IPv4 addresses in other clothes: NAT64, 6to4, Teredo.
offLimits.addSubnet('64:ff9b::', 96, 'ipv6')
offLimits.addSubnet('64:ff9b:1::', 48, 'ipv6')
offLimits.addSubnet('2002::', 16, 'ipv6')
offLimits.addSubnet('2001::', 32, 'ipv6')
// Where clouds keep the credentials of machines under other addresses than those of the link.
offLimits.addAddress('100.100.100.200', 'ipv4')
offLimits.addAddress('168.63.129.16', 'ipv4')
offLimits.addSubnet('192.0.0.0', 24, 'ipv4')
offLimits.addSubnet('fd00:ec2::', 32, 'ipv6')
offLimits.addSubnet('fd20:ce::', 32, 'ipv6')

/** `::a.b.c.d` (RFC 4291 section 2.5.5.1), which holds `::` and `::1` as well. */
const compatible = new BlockList()
compatible.addSubnet('::', 96, 'ipv6')
const loopback = new BlockList()
loopback.addAddress('::1', 'ipv6')

async function fetchOnce(url: string, signal?: AbortSignal): Promise<readonly Certificate[]> {
  const { protocol, hostname, username, password } = new URL(url)
  if (protocol !== 'http:') throw new Error('only http is followed')
  if (username !== '' || password !== '') throw new Error('a URL with credentials is not followed')
  const literal = hostname.replace(/^\[|\]$/g, '')
  if (isIP(literal) !== 0) refuseOffLimits(literal)
  const deadline = AbortSignal.timeout(timeoutMs)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = get(url, {
      agent: false,
      lookup: guardedLookup,
      maxHeaderSize: 16 * 1024,
      signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
      headers: { accept: 'application/pkix-cert, application/pkcs7-mime' },
    })
    request.on('response', resolve)
    request.on('error', reject)
    // An answer that is none: the runtime then ends the request without an error, and it would be waited for for ever.
    request.on('upgrade', (_response, socket) => {
      socket.destroy()
      reject(new Error('answered 101'))
    })
    request.on('close', () => reject(new Error('the connection was closed without an answer')))
    let interim = 0
    request.on('information', () => {
      if (++interim > maxInterim) request.destroy(new Error(`more than ${maxInterim} interim answers`))
    })
  })
  try {
    if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
    const pieces: Buffer[] = []
    let length = 0
    for await (const piece of response as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
      pieces.push(piece)
    }
    const { entries } = readBundleLeniently(Buffer.concat(pieces))
    return entries.map(({ certificate }) => certificate).slice(0, 8)
  } finally {
    response.destroy()
  }
}

/** The address that is connected to is the one that was looked at: a name cannot turn to another in between. */
const guardedLookup: LookupFunction = (host, options, done) => {
  systemLookup(host, { ...options, all: true }, (error, addresses) => {
    const good = error === null ? addresses.filter(({ address }) => !isOffLimits(address)) : []
    const [first] = good
    if (first === undefined) {
      done(error ?? new Error(`${host} has no address that may be fetched from`), '', 0)
    } else if (options.all === true) {
      done(null, good)
    } else {
      done(null, first.address, first.family)
    }
  })
}

function refuseOffLimits(address: string): void {
  if (isOffLimits(address)) throw new Error(`${address} is an address that nothing is fetched from`)
}

function isOffLimits(address: string): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (family === 'ipv6' && compatible.check(address, family) && !loopback.check(address, family)) return true
  // A mapped IPv4 address (::ffff:a.b.c.d) is checked as what it is by BlockList.
  return offLimits.check(address, family)
}
