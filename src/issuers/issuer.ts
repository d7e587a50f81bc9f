import type { Ceilings, Environment } from '#core/principal.ts'

/** The claims of a token, as signed. */
export type Claims = Readonly<Record<string, unknown>>

/** One identity provider, as its tokens are judged: the configuration with its preset, compiled once. */
export interface Issuer {
  /** Name in the configuration. */
  readonly name: string
  /** The one value of `iss`, byte by byte. */
  readonly issuer: string
  readonly audience: ReadonlySet<string>
  /** Algorithms of signatures (RFC 7518 §3.1), asymmetric only. */
  readonly algorithms: ReadonlySet<string>
  /** Values of `typ`, in lower case and without `application/` (RFC 7515 §4.1.9). */
  readonly types: ReadonlySet<string>
  readonly skewMs: number
  /** Longest time from `iat` to `exp`. */
  readonly maxLifetimeMs: number
  readonly preset: Preset
  readonly claims: ClaimNames
  /** Claim → what it must be or contain. */
  readonly requiredClaims: ReadonlyMap<string, string>
  /** To what tokens must be bound: a DPoP key, a certificate, either, or neither. */
  readonly senderConstraint: 'none' | 'dpop' | 'certificate' | 'any'
  readonly project: string
  readonly environment: Environment
  readonly grants: readonly GrantRule[]
}

/** Where a token says what; a name that begins with `/` is a JSON Pointer (RFC 6901). */
export interface ClaimNames {
  readonly subject: string
  readonly client: string
  readonly session: string
}

/** What tokens that `fits` are given. */
export interface GrantRule {
  readonly when: ReadonlyMap<string, string>
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  /** null = all. */
  readonly models: readonly string[] | null
}

/** What is particular about the tokens of a provider. */
export interface Preset {
  readonly algorithms: readonly string[]
  readonly types: readonly string[]
  readonly claims: ClaimNames
  /** What is wrong with claims that are well signed and in time, in a word for the record; null = nothing. */
  check(claims: Claims, issuer: Issuer): string | null
  /** Whether the token is about a program instead of a person. */
  isService(claims: Claims): boolean
}

/** Makes ceilings of what the rules gave together, ready for the checks of each call. */
export type CompileGrants = (granted: {
  readonly scopes: readonly string[]
  readonly models: readonly string[] | null
}) => Ceilings
