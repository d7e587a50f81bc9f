import { describe, type Principal, type VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { checkModel, mayUseModel } from './check-model.ts'
import type { Decision } from './decision.ts'
import type { Permitted } from './permit.ts'

declare const granted: unique symbol

/** What of a target authorization looks at. */
interface Target {
  /** As the caller names it. */
  readonly model: string
  /** Whether the provider is tagged `test`. */
  readonly test: boolean
  readonly sandbox: boolean
}

/** Leave for one principal to use one target. Made here only. */
export type Grant<T extends Target = Target> = {
  readonly principal: Permitted
  readonly target: T
} & { readonly [granted]: true }

/** Throws `policy.model`, `policy.environment` and, by the policies, `policy.denied`. */
export function authorize<T extends Target>(principal: Permitted, target: T, decide: () => Decision): Grant<T> {
  checkModel(principal, target.model)
  checkEnvironment(principal, { kind: 'model', id: target.model, ...target })
  enforce(principal, decide(), `use the model ${target.model}`)
  return { principal, target } as Grant<T>
}

/** Leave for one principal to use one service. Made here only. */
export type ServiceGrant = { readonly principal: Permitted; readonly service: string } & { readonly [granted]: true }

/** Throws `policy.environment` and, by the policies, `policy.denied`. */
export function authorizeService(
  principal: Permitted,
  { name, test }: { readonly name: string; readonly test: boolean },
  operation: string,
  decide: () => Decision,
): ServiceGrant {
  checkEnvironment(principal, { kind: 'service', id: name, test, sandbox: false })
  enforce(principal, decide(), `use ${name}.${operation}`)
  return { principal, service: name } as ServiceGrant
}

/** Throws `policy.denied`. `what` says what was asked for. Which policy it was, the event says and not the answer. */
function enforce(principal: Principal, { allowed, policies, error }: Decision, what: string): void {
  if (allowed) return
  const reason = error === null ? (policies.length === 0 ? 'no_policy' : policies.join(' ')) : 'policy_error'
  const why = policies.length === 0 ? 'No policy lets' : 'A policy forbids'
  const verb = policies.length === 0 ? what : `to ${what}`
  throw new Problem('policy.denied', { detail: `${why} the ${describe(principal)} ${verb}.`, reason })
}

/** Whether the credential reaches the target. The policies are asked apart. */
export function mayUse(principal: Principal, target: Target): boolean {
  return mayUseModel(principal, target.model) && reaches(principal, target)
}

/** A test credential reaches only targets tagged `test`; a live one never reaches the sandbox. */
function reaches({ environment }: VerifiedIdentity, target: Pick<Target, 'test' | 'sandbox'>): boolean {
  return environment === 'test' ? target.test : !target.sandbox
}

/** What an environment reaches or does not: a model by the name that the caller uses, or a service. */
interface Place extends Pick<Target, 'test' | 'sandbox'> {
  readonly kind: 'model' | 'service'
  readonly id: string
}

function checkEnvironment(principal: VerifiedIdentity, place: Place): void {
  const refusal = environmentRefusal(principal, place)
  if (refusal !== null) throw refusal
}

/** What a credential of the other environment is answered; null = its own reaches the place. */
export function environmentRefusal(principal: VerifiedIdentity, place: Place): Problem | null {
  if (reaches(principal, place)) return null
  const { environment, kind } = principal
  return new Problem('policy.environment', {
    detail: `A ${environment} ${kind === 'api_key' ? 'key' : 'token'} cannot use the ${place.kind} ${place.id}.`,
  })
}
