/**
 * What an error says of a value that was sent may be the key that somebody put into the wrong field: it goes to terminals,
 * tickets and logs (I7). Also where the line ends were escaped, once or twice.
 */
export function withoutKeys(text: string): string {
  return text.replaceAll(pem, '-----BEGIN PRIVATE KEY----- ***')
}

/** To its end, or as far as a value goes where it was cut off. */
const pem = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.-]*/g
