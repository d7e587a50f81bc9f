import { hash, randomBytes } from 'node:crypto'
import { createHmacSha256 } from '#core/hmac.ts'
import { Problem } from '#core/problems.ts'
import { type KeyFormat, MAX_KEY_LENGTH } from './format.ts'

interface RecogniseOptions {
  readonly format: KeyFormat
  readonly pepper: Buffer
  /** Texts remembered at most. */
  readonly size: number
}

interface Seen {
  readonly fingerprint: string
  readonly digest: string
}

/** The one way from a key's text to what the store keeps: HMAC-SHA-256 under the pepper, in hexadecimal. */
export function createDigest(pepper: Buffer): (text: string) => string {
  return createHmacSha256(pepper, MAX_KEY_LENGTH)
}

// Made once: a refusal of a made-up key says nothing of the key, and making an error would cost more than the checks.
const refusals = {
  shape: new Problem('auth.invalid_credential', { reason: 'shape' }),
  checksum: new Problem('auth.invalid_credential', { reason: 'checksum' }),
  tag: new Problem('auth.invalid_credential', { reason: 'tag' }),
}

/**
 * Answers the digest of a text that this deployment made, and the refusal `auth.invalid_credential` for any other; asks
 * nobody. Checksum, tag and digest follow from the text alone, so those of a text seen before are remembered: found
 * by its last characters, which are its checksum and no secret, and known again by one salted hash instead of four.
 */
export function createRecogniser({ format, pepper, size }: RecogniseOptions): (text: string) => string | Problem {
  const digestOf = createDigest(pepper)
  const salt = randomBytes(24).toString('base64url')
  const seen = new Map<string, Seen>()
  return text => {
    if (text.length > MAX_KEY_LENGTH) return refusals.shape
    const ending = text.slice(-6)
    const known = seen.get(ending)
    // Salted, the comparison tells nothing of how much of a guess was right.
    const fingerprint = known && hash('sha256', salt + text)
    if (known !== undefined && known.fingerprint === fingerprint) return known.digest
    const fault = format.check(text)
    if (fault !== null) return refusals[fault]
    const digest = digestOf(text)
    if (seen.size >= size) seen.clear()
    seen.set(ending, { fingerprint: fingerprint ?? hash('sha256', salt + text), digest })
    return digest
  }
}
