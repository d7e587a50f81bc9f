import type { Ceilings, Environment } from '#core/principal.ts'
import type { TokenFault } from './token-faults.ts'

/** The claims of a token, as signed. */
export type Claims = Readonly<Record<string, unknown>>

/** One identity provider, as its tokens are judged: the configuration with its preset, compiled once. */
export interface Issuer {
  /** Name in the configuration. */
  readonly name: string
  /** The one value of `iss`, byte by byte. */
  readonly issuer: string
  /** One of these must be in `aud`. Empty = tokens of this provider have no `aud`, and `clientIds` takes its place. */
  readonly audience: ReadonlySet<string>
  /** Clients whose tokens are taken; null = of all. */
  readonly clientIds: ReadonlySet<string> | null
  /** The one tenant whose tokens are taken; null = the provider has none. */
  readonly tenant: string | null
  /** Algorithms of signatures (RFC 7518 §3.1), asymmetric only. */
  readonly algorithms: ReadonlySet<string>
  /** Values of `typ`, in lower case and without `application/` (RFC 7515 §4.1.9); null = a header without it. */
  readonly types: ReadonlySet<string | null>
  readonly skewMs: number
  /** Longest time from `iat` to `exp`. */
  readonly maxLifetimeMs: number
  readonly preset: Preset
  readonly claims: ClaimNames
  /** Claim → what it must be or contain. */
  readonly requiredClaims: ReadonlyMap<string, string>
  /** To what tokens must be bound: a DPoP key, a certificate, either, or neither. */
  readonly senderConstraint: 'none' | 'dpop' | 'certificate' | 'any'
  /** The first that fits decides. */
  readonly projects: readonly ProjectRule[]
  /** Where no rule of projects fits; null = such tokens are refused. */
  readonly project: string | null
  readonly environment: Environment
  readonly grants: readonly GrantRule[]
}

/** Where a token says what: the first of these claims that it has. One that begins with `/` is a JSON Pointer (RFC 6901). */
export interface ClaimNames {
  readonly subject: readonly string[]
  readonly client: readonly string[]
  readonly session: readonly string[]
}

/** Claims and what each must be or contain, for a rule to fit. */
type Condition = ReadonlyMap<string, string>

/** Where tokens that fit belong. */
export interface ProjectRule {
  readonly when: Condition
  readonly project: string
  readonly environment: Environment
}

/** What tokens that fit are given. */
export interface GrantRule {
  readonly when: Condition
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  /** null = it says nothing of models. */
  readonly models: readonly string[] | null
}

/** What is particular about the tokens of a provider. */
export interface Preset {
  readonly algorithms: readonly string[]
  /** null = a header without `typ`. */
  readonly types: readonly (string | null)[]
  readonly claims: ClaimNames
  /** What says that a token whose type is not `at+jwt` gives access; null = nothing speaks against it. */
  checkKind(claims: Claims): TokenFault | null
  /** What is wrong with claims that are well signed and in time; null = nothing. */
  check(claims: Claims, issuer: Issuer): TokenFault | null
  /** Whether the token is about a program instead of a person. */
  isService(claims: Claims, who: { readonly subject: string; readonly client: string | null }): boolean
}

/** Makes ceilings of what the rules gave together, ready for the checks of each call. */
export type CompileGrants = (granted: {
  /** null = bounded by roles alone. */
  readonly scopes: readonly string[] | null
  readonly models: readonly string[] | null
}) => Ceilings
