import type { Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'

declare const granted: unique symbol

/** What of a target authorization looks at. */
interface Resource {
  readonly model: string
  /** Whether the provider is tagged `test`. */
  readonly test: boolean
  readonly sandbox: boolean
}

/** Leave for one principal to use one target. Made here only. */
export type Grant<R extends Resource = Resource> = {
  readonly principal: Principal
  readonly target: R
} & { readonly [granted]: true }

/** Throws `policy.environment`. */
export function authorize<R extends Resource>(principal: Principal, target: R): Grant<R> {
  if (!reaches(principal, target)) {
    throw new Problem('policy.environment', {
      detail: `A ${principal.environment} key cannot use the model ${target.model}.`,
    })
  }
  return { principal, target } as Grant<R>
}

/** A test credential reaches only targets tagged `test`; a live one never reaches the sandbox. */
export function reaches(principal: Principal, target: Resource): boolean {
  return principal.environment === 'test' ? target.test : !target.sandbox
}
