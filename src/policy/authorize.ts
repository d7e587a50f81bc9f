import type { Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { checkModel, mayUseModel } from './check-model.ts'
import type { Permitted } from './permit.ts'

declare const granted: unique symbol

/** What of a target authorization looks at. */
interface Resource {
  /** As the caller names it. */
  readonly model: string
  /** Whether the provider is tagged `test`. */
  readonly test: boolean
  readonly sandbox: boolean
}

/** Leave for one principal to use one target. Made here only. */
export type Grant<R extends Resource = Resource> = {
  readonly principal: Permitted
  readonly target: R
} & { readonly [granted]: true }

/** Throws `policy.model` and `policy.environment`. */
export function authorize<R extends Resource>(principal: Permitted, target: R): Grant<R> {
  checkModel(principal, target.model)
  if (!reaches(principal, target)) {
    throw new Problem('policy.environment', {
      detail: `A ${principal.environment} ${principal.kind === 'api_key' ? 'key' : 'token'} cannot use the model ${target.model}.`,
    })
  }
  return { principal, target } as Grant<R>
}

/** Whether it would be granted. */
export function mayUse(principal: Principal, target: Resource): boolean {
  return mayUseModel(principal, target.model) && reaches(principal, target)
}

/** A test credential reaches only targets tagged `test`; a live one never reaches the sandbox. */
function reaches(principal: Principal, target: Resource): boolean {
  return principal.environment === 'test' ? target.test : !target.sandbox
}
