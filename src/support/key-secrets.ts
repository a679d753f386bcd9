/** What would give a private key away in any text: its Base64 in one line, and each full line of its PEM. */
export function secretsOfKey(pem: string): readonly string[] {
  const lines = pem
    .replaceAll(/-----[^-]+-----/g, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const body = lines.join('')
  // The first line is what all keys of a kind begin with, and of 64 characters the last few are the key's own.
  return body === '' ? [] : [body, ...lines.slice(1).filter((line) => line.length >= 16)]
}
