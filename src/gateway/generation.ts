import type { Authenticate } from '#auth/authenticate.ts'
import type { Action } from '#core/action.ts'
import type { Principal } from '#core/principal.ts'
import type { IdentityHeaders } from '#identity/identity-headers.ts'
import type { CompiledRules } from '#limits/compile-rules.ts'
import type { Decide } from '#policy/decision.ts'
import type { Admission } from '#policy/permit.ts'
import type { Catalog, ModelTarget } from '#providers/catalog.ts'
import type { FindProxy } from '#proxies/known-proxies.ts'
import type { ServiceTable } from '#services/service-table.ts'
import type { ModelFacts } from '#usage/prices.ts'
import type { Lifetime } from './lifetime.ts'
import type { InputLimits } from './read-input.ts'
import type { ResourceMetadata } from './resource-metadata.ts'

/** What one generation of the configuration gives the pipeline. A call keeps the one it began with. */
export interface Generation extends Pick<Lifetime, 'enter' | 'leave'> {
  readonly number: number
  /** Who may speak to the public listener at all, and from where. */
  readonly allowsAddress: ((address: string) => boolean) | null
  readonly authenticate: Authenticate
  /** null = no tokens are taken. */
  readonly resourceMetadata: ResourceMetadata | null
  readonly catalog: Catalog
  readonly services: ServiceTable
  /** Who may ask about calls that they were sent. */
  readonly findProxy: FindProxy
  readonly decide: Decide
  /** What an action asks of its callers, whatever their credential reaches. */
  readonly admissionOf: (action: Action) => Admission
  /** Whether a policy may read the metadata of keys: then events say it. */
  readonly readsTags: boolean
  readonly limits: InputLimits
  /** What a service is told of its caller. */
  readonly identityHeaders: IdentityHeaders
  /** All that bounds the calls of a caller, compiled once. */
  readonly rulesOf: (caller: Principal) => CompiledRules
  readonly factsOf: (target: ModelTarget) => Pick<ModelFacts, 'price' | 'maxOutputTokens'>
}
