import type { JWK } from 'jose'
import type { IssuerKeys } from '#issuers/keys/issuer-keys.ts'
import { KnownKeys } from '#issuers/keys/known-keys.ts'
import type { PublicKey } from '#issuers/keys/public-key.ts'
import { readKeySet } from '#issuers/keys/read-key-set.ts'

/** Keys as a worker knows them once an issuer has published this set. */
export function publishedBy(jwks: readonly JWK[]): IssuerKeys {
  const life = { refreshMs: 600_000, maxStaleMs: 600_000, refetchMs: 1000, refetchBurst: 1 }
  const known = new KnownKeys(life, { ask: async () => 'done', clock: () => 0 })
  known.learn({ keys: readKeys(jwks), isCurrent: true })
  return { find: query => known.find(query), onChange() {} }
}

function readKeys(keys: readonly JWK[]): readonly PublicKey[] | null {
  try {
    return readKeySet({ keys }).keys
  } catch {
    // None of them may be used: such a set replaces none, and there was none before.
    return null
  }
}
