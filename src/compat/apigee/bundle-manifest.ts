/** The root document of a bundle that has nothing else yet: what `POST .../apis {"name"}` begins with. */
export function manifestXml(
  name: string,
  revision: number,
  kind: 'apiproxy' | 'sharedflowbundle' = 'apiproxy',
): string {
  const root = kind === 'apiproxy' ? 'APIProxy' : 'SharedFlowBundle'
  const text = escaped(name)
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<${root} revision="${revision}" name="${text}">
    <ConfigurationVersion majorVersion="4" minorVersion="0"/>
    <Description></Description>
    <DisplayName>${text}</DisplayName>
</${root}>
`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char)
}
