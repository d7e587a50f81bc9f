import type { JsonObject } from '#http/strict-json.ts'
import { type Finding, KeysNotHad } from '#issuers/review/finding.ts'
import { type PublicKey, readPublicKey } from './public-key.ts'

/** Keys of a set that may be used, and what there is to say of the others. */
export interface KeySetReading {
  /** One at least. */
  readonly keys: readonly PublicKey[]
  readonly findings: readonly Finding[]
}

/** Keys of one set that are looked at. */
export const MAX_KEYS = 100

/** A JWK set (RFC 7517 §5). Throws `KeysNotHad` where no key of it may verify a token: such a set replaces none. */
export function readKeySet(document: JsonObject): KeySetReading {
  const { keys: published } = document
  if (!Array.isArray(published))
    throw new KeysNotHad('no_key_set', 'What was answered is no JWK set: it has no list `keys`.')
  const findings: Finding[] = []
  const keys = new Map<string, PublicKey>()
  for (const [index, jwk] of published.slice(0, MAX_KEYS).entries()) {
    const key = readPublicKey(jwk, showKey(jwk, index))
    if ('level' in key) findings.push(key)
    else keys.set(JSON.stringify([key.thumbprint, key.keyId, key.algorithms]), key)
  }
  if (published.length > MAX_KEYS) {
    const text = `${published.length} keys are published; those beyond the first ${MAX_KEYS} are not used.`
    findings.push({ level: 'warning', code: 'too_many_keys', text })
  }
  if (keys.size === 0) {
    const why = findings.map(({ text }) => text).slice(0, 3)
    throw new KeysNotHad('no_usable_key', ['No key is published that may verify tokens.', ...why].join(' '))
  }
  return { keys: [...keys.values()], findings }
}

/** How a key is called in what is said of it; what others chose is cut and stripped of what a terminal would obey. */
function showKey(jwk: unknown, index: number): string {
  const kid = (jwk as { kid?: unknown } | null)?.kid
  if (typeof kid !== 'string') return `Key ${index + 1}`
  return `Key ${JSON.stringify(kid.slice(0, 64).replace(/[^\P{C}]/gu, '\ufffd'))}`
}
