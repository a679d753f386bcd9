import { BlockList, isIP } from 'node:net'
import type { AnyRequestHead } from './downstream.ts'
import type { ForwardedPlan } from './plan.ts'

/** Decides, once per client connection, how its requests tell the backend who asked. */
export interface ForwardedPolicy {
  /** Header lines for one request, each with its CRLF; '' for none. */
  lines(head: AnyRequestHead): string
}

/**
 * Headers of a peer that is no trusted proxy are replaced: anybody can write X-Forwarded-For (I8: a backend that reads
 * the first entry would believe the client). A trusted proxy's are continued.
 */
export function createForwardedPolicies(plan: ForwardedPlan): (address: string, tls: boolean) => ForwardedPolicy {
  const trusted = blockList(plan.trustedProxies)
  const legacy = plan.headers === 'x-forwarded' || plan.headers === 'both'
  const standard = plan.headers === 'forwarded' || plan.headers === 'both'
  return (address, tls) => {
    const proto = tls ? 'https' : 'http'
    const believed =
      trusted !== null && isIP(address) !== 0 && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
    const xFixed = `${address}\r\nX-Forwarded-Proto: `
    const node = isIP(address) === 6 ? `"[${address}]"` : address
    if (!legacy && !standard) return { lines: () => '' }
    if (!believed) return { lines: replaced(legacy, standard, xFixed + proto, `for=${node};proto=${proto}`) }
    return {
      lines(head) {
        let lines = ''
        if (legacy) {
          const before = head.forwardedFor !== '' ? `${head.forwardedFor}, ` : ''
          const asked = head.forwardedProto !== '' ? head.forwardedProto : proto
          const host = head.forwardedHost !== '' ? head.forwardedHost : head.host
          lines = `X-Forwarded-For: ${before}${xFixed}${asked}\r\n`
          if (host !== '') lines += `X-Forwarded-Host: ${host}\r\n`
        }
        if (standard) {
          const before = head.forwarded !== '' ? `${head.forwarded}, ` : ''
          const host = head.host === '' ? '' : `;host="${head.host}"`
          lines += `Forwarded: ${before}for=${node};proto=${proto}${host}\r\n`
        }
        return lines
      },
    }
  }
}

/** Lines that replace what the client said; they change with Host only, and a connection seldom asks for two hosts. */
function replaced(legacy: boolean, standard: boolean, xFixed: string, fixed: string): (head: AnyRequestHead) => string {
  let host: string | null = null
  let lines = ''
  return (head) => {
    if (head.host !== host) {
      host = head.host
      lines = ''
      if (legacy) lines = `X-Forwarded-For: ${xFixed}\r\n${host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`}`
      if (standard) lines += `Forwarded: ${fixed}${host === '' ? '' : `;host="${host}"`}\r\n`
    }
    return lines
  }
}

function blockList(blocks: readonly string[]): BlockList | null {
  if (blocks.length === 0) return null
  const list = new BlockList()
  for (const block of blocks) {
    const [address, bits] = block.split('/')
    if (address === undefined) continue
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}
