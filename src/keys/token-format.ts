import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { randomBase62, toBase62 } from '#core/base62.ts'

/**
 * The text of an operator token: `so_<secret><crc>`.
 * - secret: 43 base-62 characters (256 random bits), so that a plain hash of it cannot be turned back;
 * - crc: CRC-32 of all before it in 6 characters, so that secret scanners know the shape and a misspelt token is known
 *   without a look-up.
 */
export function makeTokenText(): string {
  const secret = `so_${randomBase62(SECRET_LENGTH)}`
  return secret + checksumOf(secret)
}

const SECRET_LENGTH = 43
const CRC_LENGTH = 6
const SHAPE = new RegExp(`^so_[0-9A-Za-z]{${SECRET_LENGTH + CRC_LENGTH}}$`)

/** What is wrong with a presented token before any look-up; null = nothing. */
export function checkTokenText(text: string): 'shape' | 'checksum' | null {
  if (!SHAPE.test(text)) return 'shape'
  return checksumOf(text.slice(0, -CRC_LENGTH)) === text.slice(-CRC_LENGTH) ? null : 'checksum'
}

/** SHA-256 as 64 hexadecimal digits. No pepper and no slow hash: there is nothing to guess in 256 random bits. */
export function digestToken(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function checksumOf(text: string): string {
  return toBase62(crc32(text), CRC_LENGTH)
}
