import type { KeyBudget, KeyLimit } from './key-bounds.ts'
import type { OperationId, Scope } from './operations.ts'

declare const authenticated: unique symbol

/** Every project has both; a `test` credential reaches only targets tagged `test`, a `live` one never reaches the sandbox. */
export type Environment = 'live' | 'test'

/** What a credential is limited to, compiled when it is learnt. `null` = no such ceiling. */
export interface Ceilings {
  readonly scopes: ReadonlySet<Scope> | null
  readonly operations: ReadonlySet<OperationId> | null
  /** By the name that the caller uses. */
  readonly allowsModel: ((model: string) => boolean) | null
  /** By the address of the connection's peer. */
  readonly allowsAddress: ((address: string) => boolean) | null
}

/** What is known of the caller once a credential has been verified. */
export interface VerifiedIdentity {
  readonly kind: 'api_key'
  /** Id of the credential, such as `key_…`. */
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
}

/** A caller whose credential was verified. Made in one place only: `auth/authenticate.ts`. */
export type Principal = VerifiedIdentity & { readonly [authenticated]: true }
