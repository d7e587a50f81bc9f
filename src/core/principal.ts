import type { KeyBudget, KeyLimit } from './key-bounds.ts'

declare const authenticated: unique symbol

/** Every project has both; a `test` credential reaches only targets tagged `test`, a `live` one never reaches the sandbox. */
export type Environment = 'live' | 'test'

/** What a credential is limited to, compiled when it is learnt. `null` = no such ceiling. */
export interface Ceilings {
  readonly scopes: ReadonlySet<string> | null
  /** Ids of actions. */
  readonly operations: ReadonlySet<string> | null
  /** By the name that the caller uses. */
  readonly allowsModel: ((model: string) => boolean) | null
  /** By the address of the client. */
  readonly allowsAddress: ((address: string) => boolean) | null
}

/** With what a caller must prove that a credential is theirs: a DPoP key (RFC 9449) or their TLS certificate (RFC 8705). */
export interface Binding {
  readonly kind: 'dpop' | 'certificate'
  /** SHA-256 thumbprint, base64url: of the JWK (RFC 7638), or of the certificate in DER. */
  readonly thumbprint: string
}

/** What a token of an identity provider says of its subject. */
export interface TokenFacts {
  /** Name of the issuer in the configuration. */
  readonly issuer: string
  readonly subject: string
  /** The OAuth client that the token was issued to; null = it does not say. */
  readonly client: string | null
  /** `sid`; null = it does not say. */
  readonly session: string | null
  /** `jti`; null = it has none. */
  readonly tokenId: string | null
  /** When it was issued, ms since the epoch; null = it does not say. */
  readonly issuedAt: number | null
  /** Authentication context class (`acr`) and time (`auth_time`, ms since the epoch); null = it does not say. */
  readonly acr: string | null
  readonly authenticatedAt: number | null
}

/** What is known of the caller once a credential has been verified. */
export interface VerifiedIdentity {
  readonly kind: 'api_key' | 'user' | 'service'
  /** Of a key its id, `key_…`; of a token `<name of the issuer>:<subject>`, of a program’s `<name of the issuer>/<subject>`. */
  readonly id: string
  /** `proj_…` */
  readonly project: string
  readonly environment: Environment
  /** When the credential ends, in ms since the epoch; `null` = never. */
  readonly expiresAt: number | null
  readonly ceilings: Ceilings
  /** Bounds of its own on pace and spending, beside those of the configuration; null = none. */
  readonly limits: readonly KeyLimit[] | null
  readonly budgets: readonly KeyBudget[] | null
  readonly roles: readonly string[]
  /** What the operator noted of a key (its metadata), for policies to read; of a token nothing. */
  readonly tags: Readonly<Record<string, string>>
  /** null = who bears the credential may use it. */
  readonly binding: Binding | null
  /** null = the credential is an API key. */
  readonly token: TokenFacts | null
}

/** A caller whose credential was verified. Made in one place only: `auth/authenticate.ts`. */
export type Principal = VerifiedIdentity & { readonly [authenticated]: true }

/** The person who calls, by issuer and subject; null = it is a program, or a key says nothing of that. */
export function userOf({ kind, id }: VerifiedIdentity): string | null {
  return kind === 'user' ? id : null
}

/** The OAuth client that a token was issued to, by its issuer; of a program without one itself. null = it is a key, or does not say. */
export function clientOf({ kind, id, token }: VerifiedIdentity): string | null {
  if (token?.client != null) return `${token.issuer}:${token.client}`
  return kind === 'service' ? id : null
}

/** How a refusal names the caller: `key key_1`, `token of company:alice`. */
export function describe({ kind, id }: VerifiedIdentity): string {
  return kind === 'api_key' ? `key ${id}` : `token of ${id}`
}
