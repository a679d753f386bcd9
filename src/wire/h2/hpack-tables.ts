/** The static table of RFC 7541 appendix A; index 1 is the first entry. */
export const staticFields: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
]

/**
 * Bits of the Huffman code of each byte value (RFC 7541 appendix B), 'a' for 5 to 'z' for 30. The code is canonical: the
 * lengths say all of it, codes of one length being counted up in the order of the symbols. EOS is the last code of 30.
 */
export const huffmanLengths: Uint8Array = Uint8Array.from(
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxx' + // controls
    'bffhibdgffdgdbbbaaabbbbbbbcdkbhf' + // space to ?
    'ibccccccccccccccccccccccdcdioijb' + // @ to _
    'kabababbbaccbbbabcbaabccccckgjix' + // ` to DEL
    'prpprrrsrssssststtrstssssqrsrsst' +
    'rqprrssqsrrtqrssqqrqsrssprrrsrrs' +
    'vvporsruvvvwwvtuoqvwwvwtqqvvxwww' +
    'ptpqrqqsrruuttvsvwvvwwwwwxwwwwwv',
  (letter) => letter.charCodeAt(0) - 0x61 + 5,
)
