import { createPrivateKey } from 'node:crypto'

/**
 * What would give a private key away in any text: its Base64 in one line, and its private numbers in the spellings that they
 * have there. The public part, which a key holds too, stands in every certificate and is no secret.
 */
export function secretsOfKey(pem: string): readonly string[] {
  const body = pem.replaceAll(/-----[^-]+-----|\s/g, '')
  return [...(body === '' ? [] : [body]), ...privateNumbers(pem).flatMap(spellings)]
}

const privateFields = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const

function privateNumbers(pem: string): readonly Buffer[] {
  try {
    const jwk = createPrivateKey(pem).export({ format: 'jwk' })
    return privateFields.flatMap((field) => {
      const value = jwk[field]
      return typeof value === 'string' ? [Buffer.from(value, 'base64url')] : []
    })
  } catch {
    // Of a kind that has no such form; it is found by its PEM.
    return []
  }
}

function spellings(number: Buffer): readonly string[] {
  const hex = number.toString('hex')
  // Inside of something else that is in Base64 it begins at any of three places.
  const base64 = [0, 1, 2].map((skip) => {
    const whole = Math.floor((number.length - skip) / 3) * 3
    return number.subarray(skip, skip + whole).toString('base64')
  })
  return [...base64, number.toString('base64url'), hex, hex.toUpperCase()]
}
