import { createSecureContext, getCiphers } from 'node:tls'
import { messageOf } from '../core/errors.ts'
import { nearest } from './nearest.ts'

export interface CipherJudgement {
  readonly faults: readonly { readonly message: string; readonly instead: string }[]
  /** Weaker than the runtime's default, or not what it looks like: allowed, and said. */
  readonly warnings: readonly string[]
}

const judged = new Map<string, CipherJudgement>()

/**
 * Judges an OpenSSL cipher string name by name. OpenSSL drops a name it does not know without a word as long as one other
 * is known, so `ECDHE-RSA-AES256-GCM-SHA348` in a list would silently mean "the rest"; here it is a fault.
 */
export function judgeCiphers(text: string): CipherJudgement {
  const known = judged.get(text)
  if (known) return known
  const judgement = judge(text)
  // bounded (I10); in a configuration of 10,000 targets a handful of strings repeat
  if (judged.size >= 256) judged.clear()
  judged.set(text, judgement)
  return judgement
}

/**
 * The string a TLS context gets. `ALL` and low security levels would bring in suites without a server certificate,
 * and with them a connection whose peer nobody verified (I1).
 */
export function enforcedCiphers(text: string): string {
  return splitNames(text).some((name) => !name.startsWith('TLS_')) ? `${text}:!aNULL:!eNULL` : text
}

function judge(text: string): CipherJudgement {
  const faults: { message: string; instead: string }[] = []
  const warnings: string[] = []
  const names = splitNames(text)
  for (const entry of names) {
    const commands = entry.split('@')
    const name = commands.shift() ?? ''
    for (const command of commands) {
      if (command !== 'STRENGTH' && !/^SECLEVEL=[0-5]$/.test(command)) {
        faults.push({
          message: `"@${command}" is no cipher string command`,
          instead: '@STRENGTH or @SECLEVEL=0 to @SECLEVEL=5',
        })
      } else if (/^SECLEVEL=[01]$/.test(command)) {
        warnings.push(`"@${command}" accepts keys and signatures that the default level 2 refuses as weak`)
      }
    }
    const excluded = /^[!-]/.test(name)
    for (const part of name.replace(/^[!+-]/, '').split('+')) {
      if (part === '') continue
      if (!isKnownName(part)) {
        const close = nearest(part, [...suiteNames(), ...keywords])
        faults.push({
          message: `OpenSSL does not know the cipher "${part}" and would drop it silently`,
          instead: close ?? 'a name that `openssl ciphers -s ALL` lists',
        })
      } else if (!excluded && unauthenticated.has(part)) {
        faults.push({
          message: `"${part}" means suites without a verified peer or without encryption`,
          instead: `the list without "${part}"`,
        })
      }
    }
  }
  if (faults.length === 0) {
    try {
      createSecureContext({ ciphers: enforcedCiphers(text), ca: [] })
    } catch (error) {
      faults.push({
        message: `OpenSSL refuses "${text}": ${messageOf(error)}`,
        instead: 'TLS_AES_256_GCM_SHA384:ECDHE+AESGCM',
      })
    }
  }
  if (names.length > 0 && names.every((name) => !name.startsWith('TLS_'))) {
    warnings.push('the list names no TLS 1.3 suite, which switches TLS 1.3 off; add TLS_AES_256_GCM_SHA384 to keep it')
  }
  return { faults, warnings }
}

function splitNames(text: string): string[] {
  return text.split(/[:,; ]+/).filter((name) => name !== '')
}

function isKnownName(name: string): boolean {
  if (name.startsWith('TLS_')) return suiteNames().has(name)
  if (keywords.has(name) || suiteNames().has(name)) return true
  // TLS 1.0 names and aliases that the list leaves out; level 0 so that weakness does not look like ignorance
  try {
    createSecureContext({ ciphers: `${name}:@SECLEVEL=0`, ca: [] })
    return true
  } catch {
    return false
  }
}

let suites: Set<string> | undefined
function suiteNames(): Set<string> {
  return (suites ??= new Set(getCiphers().map((name) => name.toUpperCase())))
}

/** Keywords of openssl-ciphers(1). Some match nothing in a current build, yet `!RC4` in a list is sense, not a typo. */
const keywords = new Set(
  (
    'DEFAULT COMPLEMENTOFDEFAULT ALL COMPLEMENTOFALL HIGH MEDIUM LOW EXP EXPORT EXPORT40 EXPORT56 eNULL NULL aNULL kRSA aRSA RSA ' +
    'kDHr kDHd kDH kDHE kEDH DH DHE EDH ADH kEECDH kECDHE ECDH ECDHE EECDH AECDH aDSS DSS aDH aECDSA ECDSA SSLv3 TLSv1 TLSv1.0 ' +
    'TLSv1.2 SSLv2 AES128 AES256 AES AESGCM AESCCM AESCCM8 ARIA128 ARIA256 ARIA CAMELLIA128 CAMELLIA256 CAMELLIA CHACHA20 3DES ' +
    'DES RC4 RC2 IDEA SEED MD5 SHA1 SHA SHA256 SHA384 aGOST aGOST01 kGOST GOST94 GOST89MAC PSK kPSK kECDHEPSK kDHEPSK kRSAPSK ' +
    'aPSK SRP kSRP aSRP CBC SUITEB128 SUITEB128ONLY SUITEB192'
  ).split(' '),
)

const unauthenticated = new Set(['aNULL', 'eNULL', 'NULL', 'ADH', 'AECDH', 'COMPLEMENTOFALL'])
