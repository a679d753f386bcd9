import { bad, line, lines, limits, refused, taken, type RequestCase } from './message.ts'

const long = 'a'.repeat(limits.requestLineBytes)

/** Request lines, targets and Host: what decides where a request goes. */
export const requestLineCases: readonly RequestCase[] = [
  // -- before the request line ----------------------------------------------------------------------------------------
  taken('one empty line before the request line, as old clients send', `\r\n${line('GET /base/x HTTP/1.1')}`),
  bad('two empty lines before the request line', 'emptyLines', `\r\n\r\n${line('GET /base/x HTTP/1.1')}`),
  bad('an empty line of LF alone', 'bareLf', `\n${line('GET /base/x HTTP/1.1')}`),
  bad('an empty line and then one of LF alone', 'bareLf', `\r\n\n${line('GET /base/x HTTP/1.1')}`),
  bad('a CR alone before the request line', 'bareCr', `\r${line('GET /base/x HTTP/1.1')}`),
  bad('a space before the method', 'method', line(' GET /base/x HTTP/1.1')),
  bad('a NUL before the method', 'method', line('\0GET /base/x HTTP/1.1')),
  bad('a UTF-8 byte order mark before the method', 'method', line('\xef\xbb\xbfGET /base/x HTTP/1.1')),

  // -- method ---------------------------------------------------------------------------------------------------------
  bad('no method', 'method', line('/base/x HTTP/1.1')),
  bad('a method with a parenthesis', 'method', line('G(T /base/x HTTP/1.1')),
  bad('a method with a NUL', 'method', line('GE\0T /base/x HTTP/1.1')),
  bad('a method with a DEL', 'method', line('GE\x7fT /base/x HTTP/1.1')),
  bad('a method with a high byte', 'method', line('G\xc9T /base/x HTTP/1.1')),
  bad('a method with a colon', 'method', line('GET: /base/x HTTP/1.1')),
  bad('a method in quotes', 'method', line('"GET" /base/x HTTP/1.1')),
  bad('a method ended by a tab', 'method', line('GET\t/base/x HTTP/1.1')),
  bad('a method of 65 bytes', 'methodTooLong', line(`${'M'.repeat(65)} /base/x HTTP/1.1`)),
  taken('a method of 64 bytes', line(`${'M'.repeat(64)} /base/x HTTP/1.1`), [`${'M'.repeat(64)} /x HTTP/1.1\r\n`]),
  taken('a method nobody knows', line('BREW /base/x HTTP/1.1'), ['BREW /x HTTP/1.1\r\n']),
  taken('a method in lower case, which is another method', line('get /base/x HTTP/1.1'), ['get /x HTTP/1.1\r\n']),
  bad('JSON where a request should be', 'method', lines('{"method":"GET"}')),
  bad('a TLS ClientHello on the plain port', 'method', '\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\r\n'),
  bad('a TLS alert on the plain port', 'method', '\x15\x03\x01\x00\x02\x02\x0a\r\n'),
  bad('an SSH banner', 'method', 'SSH-2.0-OpenSSH_9.2\r\n'),
  bad('an SMTP greeting', 'requestLine', 'EHLO mail.test\r\n'),
  bad('a PROXY protocol line', 'requestLine', 'PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'),
  bad('a PROXY protocol version 2 header', 'emptyLines', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c'),

  // -- request line ---------------------------------------------------------------------------------------------------
  bad('an HTTP/0.9 request', 'requestLine', 'GET /base/x\r\n'),
  bad('an HTTP/0.9 request ended by LF', 'bareLf', 'GET /base/x\n'),
  bad('a request line ended by LF', 'bareLf', 'GET /base/x HTTP/1.1\nHost: api.test\r\n\r\n'),
  bad('a request line ended by CR', 'bareCr', 'GET /base/x HTTP/1.1\rHost: api.test\r\n\r\n'),
  bad('a request line ended by CR CR LF', 'bareCr', 'GET /base/x HTTP/1.1\r\r\nHost: api.test\r\n\r\n'),
  bad('a CR in the target', 'requestLine', line('GET /base/\rx HTTP/1.1')),
  bad('an LF in the target', 'bareLf', line('GET /base/\nx HTTP/1.1')),
  bad('two spaces after the method', 'requestLine', line('GET  /base/x HTTP/1.1')),
  bad('two spaces before the version', 'requestLine', line('GET /base/x  HTTP/1.1')),
  bad('a space in the target', 'requestLine', line('GET /base/x y HTTP/1.1')),
  bad('a second request line in the target', 'requestLine', line('GET /base/x HTTP/1.1 GET /base/y HTTP/1.1')),
  bad('a space after the version', 'requestLine', line('GET /base/x HTTP/1.1 ')),
  bad('a tab before the version', 'target', line('GET /base/x\tHTTP/1.1')),
  bad('no target', 'requestLine', line('GET HTTP/1.1')),
  bad('nothing but the method', 'method', line('GET')),

  // -- version --------------------------------------------------------------------------------------------------------
  refused('HTTP/1.2', 505, 'version', line('GET /base/x HTTP/1.2')),
  refused('HTTP/0.9 said aloud', 505, 'version', line('GET /base/x HTTP/0.9')),
  refused('HTTP/2.0', 505, 'version', line('GET /base/x HTTP/2.0')),
  refused('HTTP/3', 505, 'version', line('GET /base/x HTTP/3')),
  refused('the preface of HTTP/2', 505, 'version', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  bad('HTTP/1.10', 'requestLine', line('GET /base/x HTTP/1.10')),
  bad('HTTP/11', 'requestLine', line('GET /base/x HTTP/11')),
  bad('HTTP/1.', 'requestLine', line('GET /base/x HTTP/1.')),
  bad('HTTP/1', 'requestLine', line('GET /base/x HTTP/1')),
  bad('HTTP/1,1', 'requestLine', line('GET /base/x HTTP/1,1')),
  bad('a version in lower case', 'requestLine', line('GET /base/x http/1.1')),
  bad('a version with a space in it', 'requestLine', line('GET /base/x HTTP /1.1')),
  bad('another protocol', 'requestLine', line('GET /base/x RTSP/1.0')),
  bad('an abbreviated version and LF', 'bareLf', 'GET /base/x H\nHost: api.test\r\n\r\n'),
  bad('a cut version and LF', 'bareLf', 'GET /base/x HTTP/1.\nHost: api.test\r\n\r\n'),

  // -- target bytes ---------------------------------------------------------------------------------------------------
  bad('a NUL in the target', 'target', line('GET /base/\0x HTTP/1.1')),
  bad('a control byte in the target', 'target', line('GET /base/\x1bx HTTP/1.1')),
  bad('a DEL in the target', 'target', line('GET /base/\x7fx HTTP/1.1')),
  bad('a fragment', 'target', line('GET /base/x#top HTTP/1.1')),
  bad('a backslash', 'target', line('GET /base\\x HTTP/1.1')),
  bad('a high byte in the target', 'target', line('GET /base/\xe9 HTTP/1.1')),
  bad('UTF-8 in the query', 'target', line('GET /base/x?q=\xc3\xa9 HTTP/1.1')),
  bad('a NEL in the target', 'target', line('GET /base/x\x85 HTTP/1.1')),
  taken('brackets, quotes and pipes in the query, as browsers send', line('GET /base/x?a[]=1|2&q="{b}" HTTP/1.1'), [
    'GET /x?a[]=1|2&q="{b}" HTTP/1.1\r\n',
  ]),
  taken('a percent sign that encodes nothing, byte for byte', line('GET /base/100%/%zz HTTP/1.1'), [
    'GET /100%/%zz HTTP/1.1\r\n',
  ]),
  taken('an encoded slash, byte for byte', line('GET /base/a%2Fb HTTP/1.1'), ['GET /a%2Fb HTTP/1.1\r\n']),
  taken('an encoded NUL, byte for byte', line('GET /base/a%00b HTTP/1.1'), ['GET /a%00b HTTP/1.1\r\n']),
  refused('a request line longer than its limit', 414, 'uriTooLong', line(`GET /base/${long} HTTP/1.1`)),
  refused('a query longer than its limit', 414, 'uriTooLong', line(`GET /base/x?${long} HTTP/1.1`)),

  // -- forms of the target --------------------------------------------------------------------------------------------
  bad('a target without its slash', 'targetForm', line('GET base/x HTTP/1.1')),
  bad('a query alone', 'targetForm', line('GET ?x=1 HTTP/1.1')),
  bad('authority form outside CONNECT', 'targetForm', line('GET api.test:80 HTTP/1.1')),
  bad('* outside OPTIONS', 'targetForm', line('GET * HTTP/1.1')),
  bad('* with a path', 'targetForm', line('OPTIONS */base HTTP/1.1')),
  unrouted('OPTIONS *, which no proxy here stands for', line('OPTIONS * HTTP/1.1')),
  refused('CONNECT', 501, 'connectMethod', lines('CONNECT api.test:443 HTTP/1.1', 'Host: api.test:443')),
  refused('CONNECT with a path', 501, 'connectMethod', line('CONNECT /base/x HTTP/1.1')),
  taken('absolute form with the same host', line('GET http://api.test/base/x HTTP/1.1'), ['GET /x HTTP/1.1\r\n']),
  taken('absolute form with the same host in other case', line('GET HTTP://API.test/base/x?y HTTP/1.1'), [
    'GET /x?y HTTP/1.1\r\n',
  ]),
  unrouted('absolute form without a path', line('GET http://api.test HTTP/1.1')),
  bad('absolute form with another host', 'targetAuthority', line('GET http://other.test/base/x HTTP/1.1')),
  bad('absolute form with another port', 'targetAuthority', line('GET http://api.test:81/base/x HTTP/1.1')),
  bad('absolute form with userinfo', 'targetAuthority', line('GET http://me@api.test/base/x HTTP/1.1')),
  bad('absolute form with userinfo, HTTP/1.0', 'host', lines('GET http://me@api.test/base/x HTTP/1.0')),
  bad('absolute form with two ports, HTTP/1.0', 'host', lines('GET http://api.test:80:81/base/x HTTP/1.0')),
  bad('absolute form without a host', 'targetForm', line('GET http:///base/x HTTP/1.1')),
  bad('absolute form of another scheme', 'targetForm', line('GET ftp://api.test/base/x HTTP/1.1')),
  bad('absolute form without its slashes', 'targetForm', line('GET http:base/x HTTP/1.1')),

  // -- Host -----------------------------------------------------------------------------------------------------------
  bad('HTTP/1.1 without Host', 'noHost', lines('GET /base/x HTTP/1.1')),
  bad('absolute form without Host', 'noHost', lines('GET http://api.test/base/x HTTP/1.1')),
  { ...taken('HTTP/1.0 without Host', lines('GET /base/x HTTP/1.0')), closed: true },
  bad('Host twice, alike', 'manyHosts', host('api.test', 'Host: api.test')),
  bad('Host twice, different', 'manyHosts', host('api.test', 'Host: other.test')),
  bad('Host twice in HTTP/1.0', 'manyHosts', lines('GET /base/x HTTP/1.0', 'Host: a.test', 'HOST: b.test')),
  bad('Host without a value', 'host', host('')),
  bad('Host of white space', 'host', host(' \t ')),
  bad('Host with a list', 'host', host('api.test, other.test')),
  bad('Host with a list without space', 'host', host('api.test,other.test')),
  bad('Host with userinfo', 'host', host('me@api.test')),
  bad('Host with a space', 'host', host('api.test other.test')),
  bad('Host with a URL', 'host', host('http://api.test')),
  bad('Host with a path', 'host', host('api.test/x')),
  bad('Host with a query', 'host', host('api.test?x')),
  bad('Host with a fragment', 'host', host('api.test#x')),
  bad('Host with a backslash', 'host', host('api.test\\x')),
  bad('Host with an encoded byte', 'host', host('api%2etest')),
  bad('Host with a high byte', 'host', host('\xe4pi.test')),
  bad('Host with a port that is no number', 'host', host('api.test:http')),
  bad('Host with two ports', 'host', host('api.test:80:81')),
  bad('Host with a port of six digits', 'host', host('api.test:123456')),
  bad('Host with nothing but a port', 'host', host(':80')),
  bad('Host with an IPv6 address without brackets', 'host', host('::1')),
  bad('Host with a bracket that does not close', 'host', host('[::1')),
  bad('Host with a bracket that does not open', 'host', host('::1]')),
  bad('Host with text after the bracket', 'host', host('[::1]x')),
  bad('Host with empty brackets', 'host', host('[]')),
  bad('Host with a name in brackets', 'host', host('[api.test]')),
  taken('Host with an IPv6 address and a port', host('[2001:DB8::1]:8080'), [
    'X-Forwarded-Host: [2001:DB8::1]:8080\r\n',
  ]),
  taken('Host with an empty port', host('api.test:'), ['X-Forwarded-Host: api.test:\r\n']),
  taken('Host with a dot at its end', host('api.test.'), ['X-Forwarded-Host: api.test.\r\n']),
  taken('Host with an underscore, in capitals', host('MY_API.TEST'), ['X-Forwarded-Host: MY_API.TEST\r\n']),
  taken('Host with white space around it', host('\t api.test \t'), ['X-Forwarded-Host: api.test\r\n']),

  // -- dot segments: the request is read, and may not go where it wants -----------------------------------------------
  climbs('..', '/base/../x'),
  climbs('.. after a segment', '/base/a/../../x'),
  climbs('.. at the end', '/base/..'),
  climbs('encoded dots', '/base/%2e%2e/x'),
  climbs('half encoded dots', '/base/.%2E/x'),
  climbs('an encoded slash', '/base/..%2fx'),
  climbs('an encoded slash before the dots', '/base/a%2f..%2f..%2fx'),
  climbs('an encoded backslash', '/base/..%5cx'),
  climbs('a path parameter', '/base/..;a=b/x'),
  climbs('an encoded path parameter', '/base/..%3ba/x'),
  climbs('a segment that only parameters make', '/base/;a/../x'),
  climbs('a single dot with a parameter', '/base/.;a/../x'),
  climbs('an empty segment', '/base//../x'),
  climbs('a single dot', '/base/./../x'),
  taken('dot segments that stay inside', line('GET /base/a/../x HTTP/1.1'), ['GET /a/../x HTTP/1.1\r\n']),
  taken('dots in the query', line('GET /base/x?/../../y HTTP/1.1'), ['GET /x?/../../y HTTP/1.1\r\n']),
  taken('a wildcard in the base path', line('GET /tenants/a.b/x HTTP/1.1'), ['GET /tenants/a.b/x HTTP/1.1\r\n']),
  unrouted('a wildcard that stands for ..', line('GET /tenants/../x HTTP/1.1')),
  unrouted('a wildcard that stands for a single dot', line('GET /tenants/./x HTTP/1.1')),
  unrouted('a wildcard that stands for encoded dots', line('GET /tenants/%2E%2e/x HTTP/1.1')),
  unrouted('a wildcard that stands for .. with a parameter', line('GET /tenants/..;a/x HTTP/1.1')),
  unrouted('a wildcard that stands for .. behind an encoded slash', line('GET /tenants/a%2f../x HTTP/1.1')),
  taken('three dots', line('GET /base/.../x HTTP/1.1'), ['GET /.../x HTTP/1.1\r\n']),
  unrouted('a path that only begins like the base path', line('GET /basement HTTP/1.1')),
  unrouted('a base path in other case', line('GET /BASE/x HTTP/1.1')),
]

function host(value: string, ...more: readonly string[]): string {
  return lines('GET /base/x HTTP/1.1', `Host: ${value}`, ...more)
}

/** Well formed, and for no proxy: the connection goes on. */
function unrouted(name: string, bytes: string): RequestCase {
  return { name, bytes, status: 404, refusal: null, closed: false }
}

/** The message itself is well formed, so the connection goes on. */
function climbs(how: string, target: string): RequestCase {
  return {
    name: `dot segments leave the base path: ${how}`,
    bytes: line(`GET ${target} HTTP/1.1`),
    status: 400,
    refusal: 'dotSegment',
    closed: false,
  }
}
