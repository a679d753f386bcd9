import { isCredentialHeader, isCredentialParameter } from '../observe/credentials.ts'
import { hiddenAs } from '../traces/hidden-variables.ts'

/*
 * Nothing leaves in a bundle that has not been here (I7). What counts as a credential is what debug sessions hide; on top of
 * it come secrets that this gateway knows itself, and names of other organizations.
 */

export const redactionRules = {
  'private-key': 'a private key',
  'known-secret': 'a secret that this gateway holds: of its configuration, or of a key store',
  header: 'the value of a header that carries credentials',
  parameter: 'the value of a parameter of a query or a form that carries credentials',
  field: 'the value of a field whose name says password, token or the like',
  url: 'user and password of a URL',
  token: 'a token or the credentials of an authentication scheme',
  mask: 'hidden by the mask configuration of the organization',
  organization: 'the name of another organization',
} as const

export type RedactionRule = keyof typeof redactionRules
export type RedactionCounts = Readonly<Partial<Record<RedactionRule, number>>>

/** What is hidden beside what can be told by its form. */
export interface Redactions {
  /** As they are, and in Base64 and percent-encoded. */
  readonly secrets: readonly string[]
  /** Values that the organization's masks name. */
  readonly masked: readonly string[]
  /** Names of other organizations. */
  readonly others: readonly string[]
}

export const noRedactions: Redactions = { secrets: [], masked: [], others: [] }

/** @param unmasked values that masks name are to be hidden too: elsewhere the same text means something else */
export type Redact = (text: string, unmasked?: boolean) => { readonly text: string; readonly counts: RedactionCounts }

/** Made once for a bundle. */
export function redactor({ secrets, masked, others }: Redactions): Redact {
  const literals = anyOf(secrets.flatMap(spellings))
  const values = anyOf(masked.filter((value) => value.length >= 3))
  const names =
    others.length === 0 ? null : new RegExp(`(?<![A-Za-z0-9])(?:${alternatives(others)})(?![A-Za-z0-9])`, 'g')
  return (given, unmasked = false) => {
    const counts: Partial<Record<RedactionRule, number>> = {}
    let text = given
    const apply = (rule: RedactionRule, pattern: RegExp, replacement: Replacement): void => {
      text = text.replaceAll(pattern, (whole: string, ...groups: unknown[]) => {
        const made = replacement(
          whole,
          groups.map((group) => (typeof group === 'string' ? group : '')),
        )
        if (made !== whole) counts[rule] = (counts[rule] ?? 0) + 1
        return made
      })
    }
    apply('private-key', privateKey, () => `(private key) ${hiddenAs}`)
    if (literals !== null) apply('known-secret', literals, () => hiddenAs)
    apply('header', headerLine, (whole, [before = '', name = '', between = '', value = '']) =>
      isCredentialHeader(name) && !isHidden(value) ? `${before}${name}${between}${hiddenAs}` : whole,
    )
    apply('header', headerPair, (whole, [start = '', name = '', between = '']) => {
      if (!isCredentialHeader(name)) return whole
      return whole.endsWith(`"${hiddenAs}"`) || whole.endsWith('""') ? whole : `${start}${name}${between}"${hiddenAs}"`
    })
    apply('header', xmlPair, (whole, [start = '', name = '', between = '', value = '']) =>
      isCredentialHeader(name) && !isHidden(value) ? `${start}${name}${between}${hiddenAs}` : whole,
    )
    apply('field', jsonField, (whole, [name = '', between = '', value = '']) =>
      isCredentialField(name) && !isHidden(value) ? `"${name}"${between}"${hiddenAs}"` : whole,
    )
    apply('field', xmlElement, (whole, [name = '', attributes = '', value = '']) =>
      isCredentialField(name) && !isHidden(value) ? `<${name}${attributes}>${hiddenAs}</` : whole,
    )
    apply('parameter', parameter, (whole, [before = '', name = '', value = '']) =>
      isCredentialParameter(decoded(name)) && !isHidden(value) ? `${before}${name}=${hiddenAs}` : whole,
    )
    apply('url', userinfo, (whole, [scheme = '', user = '']) => (user === hiddenAs ? whole : `${scheme}${hiddenAs}@`))
    apply('token', basic, (whole, [scheme = '', value = '']) =>
      Buffer.from(value, 'base64').includes(':') ? `${scheme} ${hiddenAs}` : whole,
    )
    apply('token', bearer, (whole, [scheme = '', value = '']) =>
      value.length >= 20 || /\d/.test(value) ? `${scheme} ${hiddenAs}` : whole,
    )
    apply('token', jwt, () => hiddenAs)
    if (values !== null && unmasked) apply('mask', values, () => hiddenAs)
    if (names !== null) apply('organization', names, () => otherOrganization)
    return { text, counts }
  }
}

const otherOrganization = '(another organization)'

export function addCounts(one: RedactionCounts, other: RedactionCounts): RedactionCounts {
  const sum: Partial<Record<RedactionRule, number>> = { ...one }
  for (const [rule, count] of Object.entries(other)) {
    sum[rule as RedactionRule] = (sum[rule as RedactionRule] ?? 0) + count
  }
  return sum
}

type Replacement = (whole: string, groups: readonly string[]) => string

/** To its end, or as far as a value goes where it was cut off; also where line ends are escaped. */
const privateKey =
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.-]{0,20000}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\:,.-]*)/g
/** `Authorization: value` at the start of a line, or of a quoted word. */
const headerLine = /(^|["'>])([A-Za-z0-9!#$%&*+.^_`|~-]{1,64})(:[ \t]{0,8})([^\s"'<][^\r\n"'<]{0,8191})/gm
/** `["Authorization", "value"]`, `{"name": "Authorization", "value": "value"}` */
const headerPair =
  /((?:\[|"name"\s{0,8}:)\s{0,40}")([^"\\]{1,64})("\s{0,8},\s{0,40}(?:"value"\s{0,8}:\s{0,8})?)"(?:[^"\\]|\\.)*"/g
/** `<Header name="Authorization">value` */
const xmlPair = /(<[A-Za-z]{1,32} name=")([^"<>]{1,64})("[^<>]{0,256}>|" value=")([^<"]{1,8192})/g
const jsonField = /"([^"\\]{1,64})"(\s{0,8}:\s{0,8})"((?:[^"\\]|\\.)+)"/g
const xmlElement = /<([A-Za-z][\w.:-]{0,63})((?:\s[^<>]{0,256})?)>([^<]{1,8192})<\//g
const parameter = /([?&;#]|&amp;|\\u0026)([A-Za-z0-9_.~%+[\]-]{1,64})=([^&;#\s"'<>\\]{1,4096})/g
const userinfo = /\b([a-z][a-z0-9+.-]{1,20}:\/\/)([^/?#@\s"'<>\\]{1,512})@/gi
const basic = /\b(Basic) +([A-Za-z0-9+/]{4,}={0,2})/gi
const bearer = /\b(Bearer|Negotiate|ApiKey) +([A-Za-z0-9+/=_.~-]{8,})/gi
const jwt = /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/g

/** Names of ours that end as those of credentials do, and are none. */
const ours: ReadonlySet<string> = new Set(['sessionid', 'session-id', 'debugsessionid'])

const isCredentialField = (name: string): boolean => isCredentialHeader(name) && !ours.has(name.toLowerCase())

/** A variable of a shell is a place, as `curl.sh` has them. */
const isHidden = (value: string): boolean => value.trim() === hiddenAs || /^\$[A-Z][A-Z0-9_]*$/.test(value)

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

/** Shorter ones would hide half of the words of a language. */
const shortest = 6

function spellings(secret: string): readonly string[] {
  if (secret.length < shortest) return []
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '')
  const url = base64.replaceAll('+', '-').replaceAll('/', '_')
  const json = JSON.stringify(secret).slice(1, -1)
  return [...new Set([secret, json, base64, url, encodeURIComponent(secret), Buffer.from(secret).toString('hex')])]
}

function anyOf(texts: readonly string[]): RegExp | null {
  return texts.length === 0 ? null : new RegExp(alternatives([...new Set(texts)]), 'g')
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/** The longest first, so that none hides the rest of another. */
function alternatives(texts: readonly string[]): string {
  return [...texts]
    .sort((one, other) => other.length - one.length)
    .map((text) => escaped(text))
    .join('|')
}
