import { crc32 } from 'node:zlib'
import { randomBase62, toBase62 } from '#core/base62.ts'
import { createHmacSha256 } from '#core/hmac.ts'
import type { Environment } from '#core/principal.ts'

/**
 * The text of an API key: `<prefix>_<environment>_<secret><tag><crc>`.
 * - secret: 28 base-62 characters (166 random bits);
 * - tag: 8 characters (47.6 bits) of HMAC-SHA-256 over all before it under the deployment secret, so that a made-up
 *   key is refused without a look-up;
 * - crc: CRC-32 of all before it in 6 characters, so that secret scanners know the shape without any secret.
 */
export interface KeyFormat {
  make(environment: Environment): string
  /** What is wrong with a presented key before any look-up; null = nothing. */
  check(text: string): 'shape' | 'checksum' | 'tag' | null
}

const SECRET_LENGTH = 28
const TAG_LENGTH = 8
const CRC_LENGTH = 6
const RANDOM_LENGTH = SECRET_LENGTH + TAG_LENGTH + CRC_LENGTH
/** Longer than any key can be. */
export const MAX_KEY_LENGTH = 64
const BEGINNING = /^[a-z][a-z0-9]{1,11}_(?:live|test)_/
// Any prefix: the tag covers it, so a key made before the prefix was changed is still ours.
const SHAPE = new RegExp(`^[a-z][a-z0-9]{1,11}_(?:live|test)_[0-9A-Za-z]{${RANDOM_LENGTH}}$`)

/** Whether a text begins as keys do: it is meant for one, mistyped or cut off as it may be. */
export function isKeyShaped(text: string): boolean {
  return BEGINNING.test(text)
}

export function createKeyFormat(prefix: string, deploymentSecret: Buffer): KeyFormat {
  const mac = createHmacSha256(deploymentSecret, MAX_KEY_LENGTH)
  return {
    make(environment) {
      const secret = `${prefix}_${environment}_${randomBase62(SECRET_LENGTH)}`
      const tagged = secret + tagOf(mac(secret))
      return tagged + checksumOf(tagged)
    },
    check(text) {
      if (text.length > MAX_KEY_LENGTH || !SHAPE.test(text)) return 'shape'
      const tagEnd = text.length - CRC_LENGTH
      if (checksumOf(text.slice(0, tagEnd)) !== text.slice(tagEnd)) return 'checksum'
      const secretEnd = tagEnd - TAG_LENGTH
      return equalInConstantTime(tagOf(mac(text.slice(0, secretEnd))), text.slice(secretEnd, tagEnd)) ? null : 'tag'
    },
  }
}

/** The part of a key that may be shown: prefix, environment and the last four characters, which are of the checksum. */
export function keyHint(text: string): string {
  return `${text.slice(0, text.length - RANDOM_LENGTH)}…${text.slice(-4)}`
}

function checksumOf(text: string): string {
  return toBase62(crc32(text), CRC_LENGTH)
}

function tagOf(mac: string): string {
  // 48 bits fit a number exactly, and 8 digits of base 62 hold 47.6 of them.
  return toBase62(Number.parseInt(mac.slice(0, 12), 16), TAG_LENGTH)
}

function equalInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}
