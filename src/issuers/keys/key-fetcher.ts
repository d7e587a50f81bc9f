import type { Clock } from '#core/clock.ts'
import { KeysNotHad } from '#issuers/review/finding.ts'
import { discover } from './discovery.ts'
import type { FetchDocument } from './fetch-document.ts'
import type { KeySource } from './key-source.ts'
import { type KeySetReading, readKeySet } from './read-key-set.ts'

export interface FetchedKeys extends KeySetReading {
  /** How long they may be kept, ms; null = the issuer does not say. */
  readonly maxAgeMs: number | null
}

/**
 * Fetches the keys of one issuer. Rejects with `KeysNotHad`. Where they are is discovered anew at each regular refresh;
 * while that fails, and for a key that is not known, they are fetched from where they were last.
 */
export function createKeyFetcher(
  source: Pick<KeySource, 'issuer' | 'jwksUrl' | 'allowPrivateNetwork' | 'life'>,
  fetchDocument: FetchDocument,
  clock: Clock,
): () => Promise<FetchedKeys> {
  let found: { readonly jwksUri: string; readonly at: number } | null = null

  const locate = async (): Promise<string> => {
    if (source.jwksUrl !== null) return source.jwksUrl
    const age = found === null ? Number.POSITIVE_INFINITY : clock() - found.at
    if (found !== null && age < source.life.refreshMs / 2) return found.jwksUri
    try {
      const { jwksUri } = await discover(source, fetchDocument)
      found = { jwksUri, at: clock() }
    } catch (error) {
      // What it says now is refused, not merely unheard: it counts.
      const isRefused = error instanceof KeysNotHad && ['issuer_differs', 'jwks_uri_refused'].includes(error.code)
      if (found === null || isRefused || age > source.life.maxStaleMs) throw error
    }
    return found.jwksUri
  }

  return async () => {
    const { value, maxAgeMs } = await fetchDocument(await locate(), source.allowPrivateNetwork)
    return { ...readKeySet(value), maxAgeMs }
  }
}
