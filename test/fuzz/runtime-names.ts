import { ipBytes, ipText } from '../../src/x509/ip-address.ts'

/**
 * DNS names and addresses of `X509Certificate.subjectAltName`: `DNS:a.test, IP Address:192.0.2.1, DirName:"..."`, where a value
 * with characters that could forge the list is a JSON string. null where the text has another form.
 */
export function runtimeNames(text: string): [kind: 'dns' | 'ip', value: string][] | null {
  const names: [kind: 'dns' | 'ip', value: string][] = []
  for (let rest = text; rest !== ''; ) {
    const match = entry.exec(rest)
    if (match === null) return null
    const [whole, kind, quoted, plain] = match as unknown as [string, string, string | undefined, string | undefined]
    const value = quoted === undefined ? (plain ?? '') : (JSON.parse(quoted) as string)
    if (kind === 'DNS') names.push(['dns', value])
    if (kind === 'IP Address') {
      const bytes = ipBytes(value)
      if (bytes !== null) names.push(['ip', ipText(bytes) as string])
    }
    rest = rest.slice(whole.length)
  }
  return names
}

const entry = /^([A-Za-z0-9 ]+):(?:("(?:[^"\\]|\\.)*")|([^,"]*))(?:, |$)/
