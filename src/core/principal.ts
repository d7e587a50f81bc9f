declare const authenticated: unique symbol

/** Every project has both; a `test` credential reaches only targets tagged `test`, a `live` one never reaches the sandbox. */
export type Environment = 'live' | 'test'

/** What is known of the caller once a credential has been verified. */
export interface VerifiedIdentity {
  readonly kind: 'api_key'
  /** Id of the credential, such as `key_…`. */
  readonly id: string
  readonly environment: Environment
  /** When the credential ends, in ms since the epoch; `null` = never. */
  readonly expiresAt: number | null
}

/** A caller whose credential was verified. Made in one place only: `auth/authenticate.ts`. */
export type Principal = VerifiedIdentity & { readonly [authenticated]: true }
