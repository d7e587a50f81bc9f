import { Problem } from '#core/problems.ts'
import { parseStrictJson } from '#http/strict-json.ts'
import type { Claims } from './issuer.ts'
import type { TokenFault } from './token-faults.ts'

/** A JWT in compact form (RFC 7515 §7.1), taken apart: nothing of it has been verified yet. */
export interface UnverifiedToken {
  readonly header: Claims
  readonly claims: Claims
}

/** Longest token that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 12 * 1024
const MAX_DEPTH = 16

/**
 * Base64url as it is written (RFC 7515 §2): no padding, no white space, and unused bits of the last character 0. Whoever
 * takes another spelling sees two tokens where one was signed.
 */
const BASE64URL = /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/

/** Whether a credential is meant for a JWT: a JSON object in base64url, and a dot. An API key has none. */
export function isJwtShaped(credential: string): boolean {
  return /^e[yw]/.test(credential) && credential.includes('.')
}

/** The parts of a token, or what is wrong with it. */
export function readToken(token: string): UnverifiedToken | TokenFault {
  const parts = splitToken(token)
  if (typeof parts === 'string') return parts
  const header = readJson(parts.header)
  const claims = readJson(parts.payload)
  return header === null || claims === null ? 'token_json' : { header, claims }
}

/** The parts of a compact JWS, each not empty and well encoded, or what is wrong with it. */
export function splitToken(token: string): { header: string; payload: string } | TokenFault {
  const parts = token.split('.', 6)
  if (parts.length === 5) return 'token_encrypted'
  if (parts.length !== 3 || !parts.every(part => part !== '' && BASE64URL.test(part))) return 'token_shape'
  return { header: parts[0] as string, payload: parts[1] as string }
}

/** The JSON object in a part; null = it is none that every parser reads alike: no member twice, no lone surrogate. */
export function readJson(part: string): Claims | null {
  const bytes = Buffer.from(part, 'base64url')
  try {
    const { value } = parseStrictJson(bytes, MAX_DEPTH)
    // Only an escape can write half a character: the bytes are UTF-8.
    return bytes.includes('\\u') && !isWellFormed(value) ? null : value
  } catch (error) {
    if (error instanceof Problem) return null
    throw error
  }
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member))
}
