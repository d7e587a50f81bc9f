import type { KeySetStatus } from '#issuers/keys/key-set.ts'
import type { IssuerReport } from '#issuers/review/check-issuer.ts'

/** An issuer of the configuration in effect, and how its keys fare. */
export interface LiveIssuer {
  readonly name: string
  readonly preset: string
  readonly issuer: string
  readonly audience: readonly string[]
  readonly algorithms: readonly string[]
  /** Where its keys come from. */
  readonly keysFrom: 'discovery' | 'jwks_url' | 'file'
  readonly keys: KeySetStatus['keys']
  /** When they were last fetched, ms since the epoch; null = never. */
  readonly fetchedAt: number | null
  /** Why the last fetch failed; null = it did not. */
  readonly failure: string | null
}

/** What operators may ask of issuers; nothing of it changes anything. */
export interface IssuerOperations {
  /** By name. */
  list(): readonly LiveIssuer[]
  /** Throws `issuer.not_found`. */
  find(name: string): LiveIssuer
  /** Asks the issuer anew. Throws `issuer.not_found`. */
  check(name: string): Promise<IssuerReport>
}
