import { bad, bodyBytesLimit, chunked, refused, taken, type RequestCase } from './message.ts'

const last = '0\r\n\r\n'

/** Chunked bodies. Their heads are good, so a unit test of the head takes them and one of the decoder refuses them. */
export const requestBodyCases: readonly RequestCase[] = [
  // -- size -----------------------------------------------------------------------------------------------------------
  bad('a chunk size with 0x', 'chunkSize', chunked(`0x5\r\nhello\r\n${last}`)),
  bad('a chunk size with a plus', 'chunkSize', chunked(`+5\r\nhello\r\n${last}`)),
  bad('a chunk size with a minus', 'chunkSize', chunked(`-5\r\nhello\r\n${last}`)),
  bad('a chunk size with a space before it', 'chunkSize', chunked(` 5\r\nhello\r\n${last}`)),
  bad('a chunk size with a space after it', 'chunkSize', chunked(`5 \r\nhello\r\n${last}`)),
  bad('a chunk size with a tab after it', 'chunkSize', chunked(`5\t\r\nhello\r\n${last}`)),
  bad('a chunk size with a space before its extension', 'chunkSize', chunked(`5 ;x\r\nhello\r\n${last}`)),
  bad('a chunk size with a point', 'chunkSize', chunked(`5.0\r\nhello\r\n${last}`)),
  bad('a chunk size with an underscore', 'chunkSize', chunked(`1_0\r\nhellohellohello1\r\n${last}`)),
  bad('a chunk size in quotes', 'chunkSize', chunked(`"5"\r\nhello\r\n${last}`)),
  bad('a chunk size with a letter too many', 'chunkSize', chunked(`5g\r\nhello\r\n${last}`)),
  bad('a chunk size with a high byte', 'chunkSize', chunked(`5\xb5\r\nhello\r\n${last}`)),
  bad('a chunk size with a NUL', 'chunkSize', chunked(`5\0\r\nhello\r\n${last}`)),
  bad('no chunk size', 'chunkSize', chunked(`\r\nhello\r\n${last}`)),
  bad('no chunk size but an extension', 'chunkSize', chunked(`;x\r\nhello\r\n${last}`)),
  bad('a chunk size of 13 digits', 'chunkTooLarge', chunked(`1000000000000\r\nhello\r\n${last}`)),
  bad('a chunk size of 2^64 and five', 'chunkTooLarge', chunked(`10000000000000005\r\nhello\r\n${last}`)),
  bad('a chunk size of 13 digits by leading zeros', 'chunkTooLarge', chunked(`0000000000005\r\nhello\r\n${last}`)),
  bad('a chunk size line ended by LF', 'bareLf', chunked(`5\nhello\r\n${last}`)),
  bad('a chunk size line ended by CR', 'bareCr', chunked(`5\rhello\r\n${last}`)),
  bad('a chunk size line ended by CR CR LF', 'bareCr', chunked(`5\r\r\nhello\r\n${last}`)),
  bad('a last chunk ended by LF', 'bareLf', chunked('5\r\nhello\r\n0\n\r\n')),

  // -- data -----------------------------------------------------------------------------------------------------------
  bad('no line end after the data', 'chunkEnd', chunked(`5\r\nhello${last}`)),
  bad('LF alone after the data', 'chunkEnd', chunked(`5\r\nhello\n${last}`)),
  bad('CR alone after the data', 'chunkEnd', chunked(`5\r\nhello\r${last}`)),
  bad('more data than its size', 'chunkEnd', chunked(`4\r\nhello\r\n${last}`)),
  bad('less data than its size', 'chunkEnd', chunked(`6\r\nhello\r\n${last}`)),
  bad('an empty line after the data', 'chunkSize', chunked(`5\r\nhello\r\n\r\n${last}`)),
  refused('chunks beyond the limit of bodies', 413, 'bodyTooLarge', chunked(large())),

  // -- extensions -----------------------------------------------------------------------------------------------------
  bad('an extension with a CR inside', 'bareCr', chunked(`5;a\rb\r\nhello\r\n${last}`)),
  bad('an extension ended by LF', 'bareLf', chunked(`5;a=b\nhello\r\n${last}`)),
  bad('an extension with a NUL', 'chunkExtension', chunked(`5;a=\0\r\nhello\r\n${last}`)),
  bad('an extension with a control byte', 'chunkExtension', chunked(`5;a=\x1b\r\nhello\r\n${last}`)),
  bad('an extension with a DEL', 'chunkExtension', chunked(`5;a=\x7f\r\nhello\r\n${last}`)),
  bad('an extension of 1,025 bytes', 'chunkExtension', chunked(`5;${'a'.repeat(1025)}\r\nhello\r\n${last}`)),
  bad('an extension of the last chunk with an LF', 'bareLf', chunked('0;a\n\r\n')),
  taken('extensions end here', chunked('5;a="b;c"\r\nhello\r\n5;d\r\nworld\r\n0; e = f\r\n\r\n'), [
    '\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n',
  ]),
  taken(
    'an extension of 1,024 bytes',
    chunked(`5;${'a'.repeat(1024)}\r\nhello\r\n${last}`),
    ['\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['aaa'],
  ),

  // -- trailers -------------------------------------------------------------------------------------------------------
  bad('Content-Length as a trailer', 'trailerField', chunked('0\r\nContent-Length: 5\r\n\r\n')),
  bad('Transfer-Encoding as a trailer', 'trailerField', chunked('0\r\nTRANSFER-ENCODING: chunked\r\n\r\n')),
  bad('Host as a trailer', 'trailerField', chunked('0\r\nX-A: b\r\nHost: other.test\r\n\r\n')),
  bad('Connection as a trailer', 'trailerField', chunked('0\r\nConnection: close\r\n\r\n')),
  bad('X-Forwarded-For as a trailer', 'trailerField', chunked('0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n')),
  bad('Expect as a trailer', 'trailerField', chunked('0\r\nexpect: 100-continue\r\n\r\n')),
  bad('a trailer folded with a space', 'obsFold', chunked('0\r\nX-A: b\r\n c\r\n\r\n')),
  bad('a trailer folded with a tab', 'obsFold', chunked('0\r\nX-A: b\r\n\tc\r\n\r\n')),
  bad('a trailer with a space before its colon', 'nameByte', chunked('0\r\nX-A : b\r\n\r\n')),
  bad('a trailer without a name', 'nameByte', chunked('0\r\n: b\r\n\r\n')),
  bad('a trailer without a colon', 'nameByte', chunked('0\r\nX-A\r\n\r\n')),
  bad('a trailer with a NUL in its name', 'nameByte', chunked('0\r\nX\0A: b\r\n\r\n')),
  bad('a trailer with a NUL in its value', 'valueByte', chunked('0\r\nX-A: \0\r\n\r\n')),
  bad('a trailer with a DEL in its value', 'valueByte', chunked('0\r\nX-A: \x7f\r\n\r\n')),
  bad('a trailer ended by LF', 'bareLf', chunked('0\r\nX-A: b\n\r\n')),
  bad('a trailer ended by CR', 'bareCr', chunked('0\r\nX-A: b\rX-C: d\r\n\r\n')),
  bad('a trailer name ended by LF', 'bareLf', chunked('0\r\nX-A\n\r\n')),
  bad('trailers ended by LF', 'bareLf', chunked('0\r\nX-A: b\r\n\n')),
  bad('trailers ended by CR CR LF', 'bareCr', chunked('0\r\nX-A: b\r\n\r\r\n')),
  bad('a body ended by LF', 'bareLf', chunked('0\r\n\n')),
  refused('trailers of more than 16 KiB', 431, 'trailersTooLarge', chunked(`0\r\nX-A: ${'a'.repeat(16_384)}\r\n\r\n`)),
  refused(
    'a trailer name of more than 16 KiB',
    431,
    'trailersTooLarge',
    chunked(`0\r\n${'a'.repeat(16_385)}: b\r\n\r\n`),
  ),
  taken('trailers pass byte for byte', chunked('5\r\nhello\r\n0\r\nX-Sum:\tabc \r\nx-b:\r\n\r\n'), [
    '\r\n\r\n5\r\nhello\r\n0\r\nX-Sum:\tabc \r\nx-b:\r\n\r\n',
  ]),

  // -- odd but plain --------------------------------------------------------------------------------------------------
  taken(
    'chunk sizes with leading zeros and in capitals',
    chunked(`000A\r\nhellohello\r\n00a\r\nhellohello\r\n000\r\n\r\n`),
    ['\r\n\r\n000A\r\nhellohello\r\n00a\r\nhellohello\r\n000\r\n\r\n'],
  ),
  taken('a body of nothing', chunked(last), [`\r\n\r\n${last}`]),
  taken('a whole request inside a chunk is data', chunked(`19\r\nGET /base/y HTTP/1.1\r\n\r\nx\r\n${last}`), [
    `\r\n\r\n19\r\nGET /base/y HTTP/1.1\r\n\r\nx\r\n${last}`,
  ]),
]

function large(): string {
  const size = bodyBytesLimit / 4
  return `${`${size.toString(16)}\r\n${'a'.repeat(size)}\r\n`.repeat(4)}1\r\na\r\n${last}`
}
