import { randomFillSync } from 'node:crypto'

// Crockford's base32 without the letters that look like digits: ids sort by time and survive being read aloud.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const RANDOM_BYTES = 10
const pool = Buffer.allocUnsafe(RANDOM_BYTES * 256)
let used = pool.length

/**
 * A new identifier: `prefix_` + 10 characters of time (ms) + 16 characters (80 bits) of randomness, as in a ULID.
 * Unique without coordination, ascending by creation time to the millisecond.
 */
export function newId(prefix: string, now: number): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  let id = `${prefix}_${encodeTime(now)}`
  for (let i = 0; i < RANDOM_BYTES; i += 5) id += encodeFiveBytes(used + i)
  used += RANDOM_BYTES
  return id
}

let lastTime = -1
let lastEncoded = ''

function encodeTime(now: number): string {
  if (now === lastTime) return lastEncoded
  let rest = now
  let text = ''
  for (let i = 0; i < 10; i++) {
    text = ALPHABET[rest % 32] + text
    rest = Math.floor(rest / 32)
  }
  lastTime = now
  lastEncoded = text
  return text
}

/** Forty bits as eight characters. */
function encodeFiveBytes(at: number): string {
  const high = pool.readUIntBE(at, 2) * 16 + ((pool[at + 2] as number) >> 4)
  const low = (((pool[at + 2] as number) & 15) << 16) + pool.readUIntBE(at + 3, 2)
  return encodeTwentyBits(high) + encodeTwentyBits(low)
}

function encodeTwentyBits(value: number): string {
  return (
    (ALPHABET[(value >> 15) & 31] as string) +
    (ALPHABET[(value >> 10) & 31] as string) +
    (ALPHABET[(value >> 5) & 31] as string) +
    (ALPHABET[value & 31] as string)
  )
}
