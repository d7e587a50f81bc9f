import { parseStrictJson } from '#http/strict-json.ts'
import type { Claims } from './issuer.ts'

/** A JWT in compact form (RFC 7515 §7.1), taken apart: nothing of it has been verified yet. */
export interface UnverifiedToken {
  readonly header: Claims
  readonly claims: Claims
}

/** Longest token that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 8192
const MAX_DEPTH = 16
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Whether a credential is meant for a JWT: its header begins with `{"`. An API key has no dots. */
export function isJwtShaped(credential: string): boolean {
  return credential.startsWith('ey') && credential.includes('.')
}

/** The parts of a token, or in a word what is wrong with it. Members that are named twice are refused (RFC 8725 §2.5). */
export function readToken(token: string): UnverifiedToken | string {
  const parts = token.split('.', 6)
  if (parts.length === 5) return 'token_encrypted'
  if (parts.length !== 3 || !parts.every(part => BASE64URL.test(part))) return 'token_shape'
  try {
    return { header: decode(parts[0] as string), claims: decode(parts[1] as string) }
  } catch {
    return 'token_json'
  }
}

function decode(part: string): Claims {
  return parseStrictJson(Buffer.from(part, 'base64url'), MAX_DEPTH).value
}
