import { z } from 'zod'
import { refuse } from './scalars.ts'
import { maskCredentials } from './userinfo.ts'

/* Parts of HTTP messages that the configuration names. What ends up in a head has no CR, LF or other control character. */

/** Inclusive. */
export type StatusRange = readonly [from: number, to: number]

export const Method = z
  .string()
  .superRefine((text, context) => {
    const upper = text.toUpperCase()
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(text)) {
      refuse(context, `${JSON.stringify(text)} is not a method (RFC 9110 section 5.6.2)`, 'GET')
    } else if (upper === 'CONNECT') refuse(context, 'CONNECT asks for a tunnel, not for an answer', 'GET')
    else if (text !== upper && known.has(upper)) {
      refuse(context, `"${text}" is not "${upper}": methods are case-sensitive (RFC 9110 section 9.1)`, upper)
    }
  })
  .meta({ id: 'Method', title: 'method', description: 'HTTP method, other than CONNECT.', examples: ['GET', 'HEAD'] })

const known = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'])

/** Path and query of a request that the gateway makes itself; sent as it stands. */
export const RequestPath = z
  .string()
  .superRefine((text, context) => {
    // a whole URL is the likely mistake, and it may have a password (I7)
    const safe = maskCredentials(text)
    const shown = JSON.stringify(safe)
    if (!text.startsWith('/')) {
      refuse(context, `${shown} does not start with a slash`, safe === text ? `/${encodeURI(text)}` : '/healthz')
    } else if (text.includes('#')) refuse(context, `${shown} has a fragment`, encodeURI(safe.replace(/#.*$/s, '')))
    else if (!/^[!-~]{1,2048}$/.test(text)) {
      refuse(context, `${shown} is not up to 2048 visible ASCII characters`, encodeURI(safe).slice(0, 2048))
    }
  })
  .meta({
    id: 'RequestPath',
    title: 'path',
    description: 'Path, and query if needed, sent as it stands.',
    examples: ['/healthz'],
  })

export const Statuses = z
  .union([z.int(), z.string()])
  .transform((value, context): StatusRange => {
    const match = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(String(value))
    const from = Number(match?.[1])
    const to = Number(match?.[2] ?? match?.[1])
    if (match !== null && from <= to) return [from, to]
    const family = /^([2-5])xx$/i.exec(String(value))?.[1]
    const shown = JSON.stringify(value)
    if (family !== undefined)
      refuse(context, `${shown} is not a status or a range of them`, `"${family}00-${family}99"`)
    else if (from > to) refuse(context, `${shown} ends before it begins`, `"${to}-${from}"`)
    else refuse(context, `${shown} is not a status from 200 to 599, or a range of them`, ['503', '"502-504"'])
    return z.NEVER
  })
  .meta({
    id: 'Statuses',
    title: 'status, or range of statuses',
    description: 'A final status, 200 to 599, or two of them with `-` between: both and all between.',
    examples: ['503', '502-504'],
  })
