import type { Downstream } from './downstream.ts'
import { headerValues } from './header-values.ts'

/**
 * Values of a header as the client sent it, a line each; what is never forwarded as it came has a place of its own in the
 * head.
 *
 * @param name lower case
 */
export function requestHeader({ head, via }: Downstream, name: string): readonly string[] {
  switch (name) {
    case 'host':
      return said(head.host)
    case 'x-forwarded-for':
      return said(head.forwardedFor)
    case 'x-forwarded-host':
      return said(head.forwardedHost)
    case 'x-forwarded-proto':
      return said(head.forwardedProto)
    case 'forwarded':
      return said(head.forwarded)
    case 'upgrade':
      return said(via === '2' ? '' : head.upgrade)
    case 'te':
      return head.teTrailers ? ['trailers'] : none
    case 'transfer-encoding':
      return head.chunked && via !== '2' ? ['chunked'] : none
    default:
      return headerValues(head.lines, name)
  }
}

/** Headers that `lines` does not have. */
export const headersApart = [
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'forwarded',
  'upgrade',
  'te',
  'transfer-encoding',
] as const

const none: readonly string[] = []

function said(value: string): readonly string[] {
  return value === '' ? none : [value]
}
