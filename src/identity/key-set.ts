import { hash } from 'node:crypto'
import type { SigningKey } from './signing-key.ts'

/** How long who fetches the keys may keep them, in seconds: far less than a key is published ahead. */
export const KEY_SET_MAX_AGE_SECONDS = 3600

/** The public keys as services fetch them (RFC 7517 §5). */
export interface KeySet {
  readonly body: Buffer
  /** Strong, of the body (RFC 9110 §8.8.3). */
  readonly etag: string
}

export function renderKeySet(keys: readonly SigningKey[]): KeySet {
  const body = Buffer.from(JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) }))
  return { body, etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"` }
}
