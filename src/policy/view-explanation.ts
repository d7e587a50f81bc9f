import type { KeyStatus } from '#store/ports.ts'
import type { Cause, Explanation } from './explain.ts'
import type { Question } from './question.ts'

/** An explanation as operators are shown it, by the admin API and on the command line alike. */
export interface ExplanationView {
  readonly allowed: boolean
  /** What refuses first; null = nothing does. `credential` = the key has ended or is disabled. */
  readonly because: Cause | 'credential' | null
  readonly caller: {
    readonly kind: 'api_key' | 'user' | 'service'
    readonly id: string
    readonly project: string
    readonly environment: 'live' | 'test'
    readonly roles: string[]
    /** Of a stored key; null = the caller was described. */
    readonly status: KeyStatus | null
  }
  readonly action: string
  readonly resource: { readonly kind: 'model' | 'service'; readonly id: string }
  readonly ceilings: {
    readonly ceiling: Exclude<Cause, 'policy'>
    readonly allows: boolean
    /** Scopes that the credential lacks. */
    readonly missing: string[]
  }[]
  readonly policies: {
    readonly allowed: boolean
    /** Ids of those that determine it. */
    readonly determining: string[]
    readonly error: string | null
    /** What would be if those in shadow were enforced; null = the same. */
    readonly shadow: { readonly allowed: boolean; readonly determining: string[] } | null
    /** Roles any one of which, if the caller had it too, would have the policies allow it. */
    readonly roles_that_allow: string[]
  }
}

export function viewExplanation(
  { caller, action, resource }: Question,
  { allowed, because, ceilings, decision }: Explanation,
  rolesThatAllow: readonly string[],
  status: KeyStatus | null,
): ExplanationView {
  const { kind, id, project, environment, roles } = caller
  const { shadow } = decision
  const isRefused = status !== null && status !== 'active'
  return {
    allowed: allowed && !isRefused,
    because: isRefused ? 'credential' : because,
    caller: { kind, id, project, environment, roles: [...roles], status },
    action: action.id,
    resource: { kind: resource.kind, id: resource.id },
    ceilings: ceilings.map(({ ceiling, allows, missing }) => ({ ceiling, allows, missing: [...(missing ?? [])] })),
    policies: {
      allowed: decision.allowed,
      determining: [...decision.policies],
      error: decision.error,
      shadow: shadow && { allowed: shadow.allowed, determining: [...shadow.policies] },
      roles_that_allow: [...rolesThatAllow],
    },
  }
}
